#include "analyzer/output/formats/formats.h"

#include <fmt/core.h>

#include <filesystem>
#include <map>

#include "analyzer/output/coverage.h"
#include "analyzer/output/escape.h"
#include "analyzer/output/json/text.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;
using Renderer = void (*)(const FindingSource&, const FormatOptions&, const Sink&);

struct Format {
  const char* name;
  Renderer render;
};

constexpr Format kFormats[] = {{"sarif", RenderSarif},
                               {"junit", RenderJunit},
                               {"github", RenderGithub},
                               {"gitlab", RenderGitlab},
                               {"markdown", RenderMarkdown}};

const Format* Find(const std::string& name) {
  for (const Format& format : kFormats) {
    if (name == format.name) return &format;
  }
  return nullptr;
}

std::string DescribeFrame(const Json& frame) {
  const std::string function = frame["function"].Text();
  const std::string file = frame["file"].Text();
  const std::string module = frame["module"].Text();
  const Json& line = frame["line"];
  const std::string place = file.empty()      ? module
                            : line.IsNumber() ? fmt::format("{}:{}", BaseName(file), line.Int())
                                              : std::string(BaseName(file));
  if (!function.empty()) return fmt::format("{} ({})", function, place);
  return file.empty() ? fmt::format("{}+{}", module, frame["offset"].Text()) : place;
}

}  // namespace

bool IsDocumentFormat(const std::string& format) { return format == "json" || Find(format) != nullptr; }

void Render(const Document& document, const std::string& format, const FormatOptions& options, const Sink& sink) {
  if (const Format* found = Find(format)) return found->render(DocumentFindings(document.json()), options, sink);
  JsonText text(sink);
  document.json().Send(&text);
  sink("\n");
}

void Render(const Report& report, const std::string& format, const FormatOptions& options, const Sink& sink) {
  if (const Format* found = Find(format)) return found->render(ReportFindings(report), options, sink);
  WriteJson(report, sink);
}

std::string LossOf(const Json& document) { return DescribeLosses(LossesOf(document)); }

const std::string& RootDirectory(const FormatOptions& options) {
  static std::map<std::string, std::string> known;
  const auto [root_of, is_new] = known.try_emplace(options.source_root);
  if (!is_new) return root_of->second;
  std::error_code error;
  std::filesystem::path root = options.source_root.empty() ? std::filesystem::current_path(error)
                                                           : std::filesystem::absolute(options.source_root, error);
  std::string& text = root_of->second;
  text = error ? "/" : root.lexically_normal().string();
  if (text.empty() || text.back() != '/') text += '/';
  return text;
}

std::string RelativePath(const std::string& file, const FormatOptions& options) {
  const std::string& root = RootDirectory(options);
  return file.starts_with(root) ? file.substr(root.size()) : file;
}

SourceLine SourceLineOf(const Json& place, const FormatOptions& options) {
  if (!place.IsObject()) return {};
  return {RelativePath(place["file"].Text(), options), place["line"].Int()};
}

std::string MessageOf(const Json& finding) {
  const std::string context = finding["context"].Text();
  return finding["message"].Text() + (context.empty() ? "" : ", in " + context);
}

std::string StoryOf(const Json& stacks, const Json& finding) {
  std::string story;
  for (const Json& event : finding["events"]) {
    story += event["role"].Text();
    if (const std::string& call = event["call"].Text(); !call.empty()) story += " by " + call;
    if (event["fd"].IsNumber()) story += fmt::format(", descriptor {}", event["fd"].Int());
    story += '\n';
    for (const Json& frame : stacks[event["stack"].Text()]) {
      story += "    " + EscapeControls(DescribeFrame(frame)) + '\n';
    }
  }
  return story;
}

}  // namespace fdaudit::analyzer
