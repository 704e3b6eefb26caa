#include "analyzer/output/formats/formats.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "analyzer/output/escape.h"
#include "analyzer/output/json.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;
using Renderer = std::string (*)(const Json&, const FormatOptions&);

struct Format {
  const char* name;
  Renderer render;
};

std::string RenderPlain(const Json& document, const FormatOptions&) { return Dump(document); }

constexpr Format kFormats[] = {{"json", RenderPlain},    {"sarif", RenderSarif},   {"junit", RenderJunit},
                               {"github", RenderGithub}, {"gitlab", RenderGitlab}, {"markdown", RenderMarkdown}};

const Format* Find(const std::string& name) {
  for (const Format& format : kFormats) {
    if (name == format.name) return &format;
  }
  return nullptr;
}

std::string DescribeFrame(const Json& frame) {
  const std::string function = TextOf(frame, "function");
  const std::string file = TextOf(frame, "file");
  const std::string module = TextOf(frame, "module");
  const auto line = frame.find("line");
  const std::string place = file.empty() ? module
                            : line != frame.end() && line->is_number()
                                ? fmt::format("{}:{}", BaseName(file), line->get<int>())
                                : std::string(BaseName(file));
  if (!function.empty()) return fmt::format("{} ({})", function, place);
  return file.empty() ? fmt::format("{}+{}", module, TextOf(frame, "offset")) : place;
}

}  // namespace

bool IsDocumentFormat(const std::string& format) { return Find(format) != nullptr; }

std::string Render(const Document& document, const std::string& format, const FormatOptions& options) {
  const Format* found = Find(format);
  return found == nullptr ? "" : found->render(document.json(), options);
}

std::string TextOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string RootDirectory(const FormatOptions& options) {
  std::error_code error;
  std::filesystem::path root = options.source_root.empty() ? std::filesystem::current_path(error)
                                                           : std::filesystem::absolute(options.source_root, error);
  std::string text = error ? "/" : root.lexically_normal().string();
  if (text.empty() || text.back() != '/') text += '/';
  return text;
}

std::string RelativePath(const std::string& file, const FormatOptions& options) {
  const std::string root = RootDirectory(options);
  return root.size() > 1 && file.starts_with(root) ? file.substr(root.size()) : file;
}

SourceLine SourceLineOf(const Json& place, const FormatOptions& options) {
  if (!place.is_object()) return {};
  const auto line = place.find("line");
  return {RelativePath(TextOf(place, "file"), options),
          line != place.end() && line->is_number() ? line->get<int>() : 0};
}

std::string StoryOf(const Json& document, const Json& finding) {
  std::string story;
  for (const Json& event : finding["events"]) {
    story += TextOf(event, "role");
    if (const std::string call = TextOf(event, "call"); !call.empty()) story += " by " + call;
    const auto fd = event.find("fd");
    if (fd != event.end() && fd->is_number()) story += fmt::format(", descriptor {}", fd->get<int>());
    story += '\n';
    const std::string stack = TextOf(event, "stack");
    const auto frames = document["stacks"].find(stack);
    if (stack.empty() || frames == document["stacks"].end()) continue;
    for (const Json& frame : *frames) story += "    " + EscapeControls(DescribeFrame(frame)) + '\n';
  }
  return story;
}

}  // namespace fdaudit::analyzer
