// JUnit's XML, as CI servers read it: one test case a finding. What fails the gate is a failure, what a baseline or a
// suppression knows is skipped, the rest passes and says in system-out what it is.

#include <fmt/core.h>

#include "analyzer/output/escape.h"
#include "analyzer/output/formats/formats.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;

/// XML 1.0 has no way to say most control characters: those become \xNN, line ends of ours stay.
std::string Xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string TextOf(const Json& object, const char* key) { return Xml(EscapeControls(object[key].Text())); }

std::string TestCase(const Json& document, const Json& finding, const FormatOptions& options) {
  const SourceLine source = SourceLineOf(finding["location"], options);
  const std::string state = finding["state"].Text();
  std::string out =
      fmt::format("    <testcase classname=\"fdaudit.{}\" name=\"{}\" time=\"0\"", TextOf(finding, "kind"),
                  TextOf(finding, "message") + " [" + TextOf(finding, "id") + "]");
  out += ">\n";
  std::string story = Xml(StoryOf(document, finding));
  if (!source.file.empty()) {
    story = fmt::format("{}{}\n{}", Xml(EscapeControls(source.file)),
                        source.line > 0 ? fmt::format(":{}", source.line) : "", story);
  }
  if (finding["gates"].IsTrue()) {
    out += fmt::format("      <failure type=\"{}\" message=\"{}\">{}</failure>\n", TextOf(finding, "severity"),
                       TextOf(finding, "message"), story);
  } else if (state != "new") {
    out += fmt::format("      <skipped message=\"{}\"/>\n", Xml(state));
  } else {
    out += fmt::format("      <system-out>{}\n{}</system-out>\n", TextOf(finding, "severity"), story);
  }
  return out + "    </testcase>\n";
}

}  // namespace

std::string RenderJunit(const Json& document, const FormatOptions& options) {
  size_t failures = 0;
  size_t skipped = 0;
  std::string cases;
  for (const Json& finding : document["findings"]) {
    const bool fails = finding["gates"].IsTrue();
    failures += fails ? 1 : 0;
    skipped += !fails && finding["state"].Text() != "new" ? 1 : 0;
    cases += TestCase(document, finding, options);
  }
  size_t tests = document["findings"].size();
  if (const std::string loss = LossOf(document); !loss.empty()) {
    const bool fails = document["gate"]["failed_for_loss"].IsTrue();
    failures += fails ? 1 : 0;
    ++tests;
    cases += fmt::format(
        "    <testcase classname=\"fdaudit\" name=\"evidence lost\" time=\"0\">\n      {}\n    </testcase>\n",
        fails ? fmt::format("<failure type=\"error\" message=\"{}\"/>", loss)
              : fmt::format("<system-out>{}</system-out>", loss));
  }
  if (tests == 0) {
    tests = 1;
    cases = "    <testcase classname=\"fdaudit\" name=\"no findings\" time=\"0\"/>\n";
  }
  const std::string sums = fmt::format("tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{:.3f}\"",
                                       tests, failures, skipped, document["session"]["duration_s"].Real());
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
      "  <testsuite name=\"fdaudit\" {} timestamp=\"{}\" hostname=\"{}\">\n{}  </testsuite>\n</testsuites>\n",
      sums, TextOf(document["session"], "started").substr(0, 19), TextOf(document["session"], "host"), cases);
}

}  // namespace fdaudit::analyzer
