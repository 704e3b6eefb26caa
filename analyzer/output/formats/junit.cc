// JUnit's XML, as CI servers read it: one test case a finding, or, where it happened in a test of the program's, a
// test. What fails the gate is a failure, what a baseline or a suppression knows is skipped, the rest passes and says
// in system-out what it is.

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <vector>

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

std::string Message(const Json& finding) { return Xml(EscapeControls(MessageOf(finding))); }

/// What is shown as one test case: a finding, or all findings of one test of the program's.
struct Case {
  std::string context;           ///< as in the JSON; empty for a finding by itself
  std::vector<size_t> findings;  ///< by index
  bool fails = false;            ///< for any of them
  bool is_known = true;          ///< all of them
};

std::vector<Case> CasesOf(const FindingSource& source) {
  std::vector<Case> cases;
  std::map<std::string, size_t> of_context;
  for (size_t i = 0; i < source.size(); ++i) {
    const FindingSource::Brief brief = source.BriefOf(i);
    size_t place = cases.size();
    if (!brief.context.empty()) place = of_context.try_emplace(brief.context, place).first->second;
    if (place == cases.size()) cases.push_back({brief.context, {}});
    Case& one = cases[place];
    one.findings.push_back(i);
    one.fails |= brief.gates;
    one.is_known &= !brief.is_new;
  }
  return cases;
}

std::string StoryText(const Json& stacks, const Json& finding, const FormatOptions& options) {
  const SourceLine source = SourceLineOf(finding["location"], options);
  std::string story = Xml(StoryOf(stacks, finding));
  if (source.file.empty()) return story;
  return fmt::format("{}{}\n{}", Xml(EscapeControls(source.file)),
                     source.line > 0 ? fmt::format(":{}", source.line) : "", story);
}

/// It fails for the first finding that does, and is skipped where all are known.
std::string TestCase(const FindingSource& source, const Case& one, const FormatOptions& options) {
  std::string kind, severity, state, message, id, stories;  // of the first that decides, and of all
  bool has_decided = false;
  for (const size_t index : one.findings) {
    source.Show(index, [&](const Json& finding, const Json& stacks) {
      if (one.findings.size() > 1) stories += Message(finding) + "\n";
      stories += StoryText(stacks, finding, options);
      const bool decides = !has_decided && (kind.empty() || finding["gates"].IsTrue());
      has_decided |= finding["gates"].IsTrue();
      if (!decides) return;
      kind = TextOf(finding, "kind");
      severity = TextOf(finding, "severity");
      state = TextOf(finding, "state");
      message = Message(finding);
      id = TextOf(finding, "id");
    });
  }
  const std::string name = one.context.empty() ? message + " [" + id + "]" : Xml(EscapeControls(one.context));
  std::string out = fmt::format("    <testcase classname=\"fdaudit.{}\" name=\"{}\" time=\"0\">\n", kind, name);
  if (one.fails) {
    out += fmt::format("      <failure type=\"{}\" message=\"{}\">{}</failure>\n", severity, message, stories);
  } else if (one.is_known) {
    out += fmt::format("      <skipped message=\"{}\"/>\n", state);
  } else {
    out += fmt::format("      <system-out>{}\n{}</system-out>\n", severity, stories);
  }
  return out + "    </testcase>\n";
}

}  // namespace

/// The sums come first: the cases are counted before they are written.
void RenderJunit(const FindingSource& source, const FormatOptions& options, const Sink& sink) {
  const std::vector<Case> cases = CasesOf(source);
  auto failures = std::count_if(cases.begin(), cases.end(), [](const Case& one) { return one.fails; });
  const auto skipped =
      std::count_if(cases.begin(), cases.end(), [](const Case& one) { return !one.fails && one.is_known; });
  const std::string loss = LossOf(source.head());
  const bool loss_fails = !loss.empty() && source.head()["gate"]["failed_for_loss"].IsTrue();
  if (loss_fails) ++failures;
  const size_t tests = std::max<size_t>(cases.size() + (loss.empty() ? 0 : 1), 1);
  const std::string sums = fmt::format("tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{:.3f}\"",
                                       tests, failures, skipped, source.head()["session"]["duration_s"].Real());
  sink(fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
      "  <testsuite name=\"fdaudit\" {} timestamp=\"{}\" hostname=\"{}\">\n",
      sums, TextOf(source.head()["session"], "started").substr(0, 19), TextOf(source.head()["session"], "host")));
  for (const Case& one : cases) sink(TestCase(source, one, options));
  if (!loss.empty()) {
    sink(fmt::format(
        "    <testcase classname=\"fdaudit\" name=\"evidence lost\" time=\"0\">\n      {}\n    </testcase>\n",
        loss_fails ? fmt::format("<failure type=\"error\" message=\"{}\"/>", loss)
                   : fmt::format("<system-out>{}</system-out>", loss)));
  } else if (cases.empty()) {
    sink("    <testcase classname=\"fdaudit\" name=\"no findings\" time=\"0\"/>\n");
  }
  sink("  </testsuite>\n</testsuites>\n");
}

}  // namespace fdaudit::analyzer
