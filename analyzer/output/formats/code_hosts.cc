// What code hosts show beside the lines of a change: GitHub's workflow commands, GitLab's code quality report.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analyzer/output/escape.h"
#include "analyzer/output/formats/formats.h"
#include "analyzer/output/json.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;

/// A workflow command ends with its line, its properties with a colon or comma.
std::string CommandText(std::string_view text, bool is_property) {
  std::string out;
  for (const char c : text) {
    if (c == '%' || c == '\r' || c == '\n' || (is_property && (c == ':' || c == ','))) {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

/// Known and suppressed findings are no news to anybody.
bool IsNew(const Json& finding) { return TextOf(finding, "state") == "new"; }

}  // namespace

std::string RenderGithub(const Json& document, const FormatOptions& options) {
  std::string out;
  for (const Json& finding : document["findings"]) {
    if (!IsNew(finding)) continue;
    const std::string severity = TextOf(finding, "severity");
    const bool gates = finding["gates"].get<bool>();
    const char* command = gates ? "error" : severity == "note" ? "notice" : "warning";
    const SourceLine source = SourceLineOf(finding["location"], options);
    std::string properties = "title=" + CommandText("fdaudit: " + TextOf(finding, "kind"), true);
    if (!source.file.empty()) properties += ",file=" + CommandText(EscapeControls(source.file), true);
    if (!source.file.empty() && source.line > 0) properties += fmt::format(",line={}", source.line);
    const std::string text = EscapeControls(TextOf(finding, "message")) + "\n\n" + StoryOf(document, finding);
    out += fmt::format("::{} {}::{}\n", command, properties, CommandText(text, false));
  }
  return out;
}

std::string RenderGitlab(const Json& document, const FormatOptions& options) {
  Json list = Json::array();
  for (const Json& finding : document["findings"]) {
    if (!IsNew(finding)) continue;
    const std::string severity = TextOf(finding, "severity");
    const char* rank = severity == "error" ? "critical" : severity == "warning" ? "major" : "info";
    SourceLine source = SourceLineOf(finding["location"], options);
    if (source.file.empty()) source.file = "unknown";
    const std::string id = TextOf(finding, "id");
    list.push_back({{"description", EscapeControls(TextOf(finding, "message"))},
                    {"check_name", TextOf(finding, "kind")},
                    {"fingerprint", id},
                    {"severity", rank},
                    {"location", {{"path", source.file}, {"lines", {{"begin", std::max(source.line, 1)}}}}}});
  }
  return Dump(list);
}

}  // namespace fdaudit::analyzer
