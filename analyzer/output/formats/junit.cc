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
  std::string name;
  std::vector<const Json*> findings;
};

std::vector<Case> CasesOf(const Json& document) {
  std::vector<Case> cases;
  std::map<std::string, size_t> of_context;
  for (const Json& finding : document["findings"]) {
    const std::string context = finding["context"].Text();
    const auto [known, is_new] = of_context.try_emplace(context, cases.size());
    if (!context.empty() && !is_new) {
      cases[known->second].findings.push_back(&finding);
      continue;
    }
    const std::string id = " [" + TextOf(finding, "id") + "]";
    cases.push_back({context.empty() ? Message(finding) + id : Xml(EscapeControls(context)), {&finding}});
  }
  return cases;
}

std::string StoryText(const Json& document, const Json& finding, const FormatOptions& options) {
  const SourceLine source = SourceLineOf(finding["location"], options);
  std::string story = Xml(StoryOf(document, finding));
  if (source.file.empty()) return story;
  return fmt::format("{}{}\n{}", Xml(EscapeControls(source.file)),
                     source.line > 0 ? fmt::format(":{}", source.line) : "", story);
}

/// It fails for the first finding that does, and is skipped where all are known.
std::string TestCase(const Json& document, const Case& one, const FormatOptions& options) {
  const auto fails = [](const Json* finding) { return (*finding)["gates"].IsTrue(); };
  const auto is_known = [](const Json* finding) { return (*finding)["state"].Text() != "new"; };
  const auto failing = std::find_if(one.findings.begin(), one.findings.end(), fails);
  const Json& first = failing == one.findings.end() ? *one.findings.front() : **failing;
  std::string out =
      fmt::format("    <testcase classname=\"fdaudit.{}\" name=\"{}\" time=\"0\">\n", TextOf(first, "kind"), one.name);
  std::string stories;
  for (const Json* finding : one.findings) {
    if (one.findings.size() > 1) stories += Message(*finding) + "\n";
    stories += StoryText(document, *finding, options);
  }
  if (failing != one.findings.end()) {
    out += fmt::format("      <failure type=\"{}\" message=\"{}\">{}</failure>\n", TextOf(first, "severity"),
                       Message(first), stories);
  } else if (std::all_of(one.findings.begin(), one.findings.end(), is_known)) {
    out += fmt::format("      <skipped message=\"{}\"/>\n", TextOf(first, "state"));
  } else {
    out += fmt::format("      <system-out>{}\n{}</system-out>\n", TextOf(first, "severity"), stories);
  }
  return out + "    </testcase>\n";
}

}  // namespace

std::string RenderJunit(const Json& document, const FormatOptions& options) {
  size_t failures = 0;
  size_t skipped = 0;
  std::string cases;
  const std::vector<Case> all = CasesOf(document);
  for (const Case& one : all) {
    const std::string text = TestCase(document, one, options);
    failures += text.find("<failure ") != std::string::npos ? 1 : 0;
    skipped += text.find("<skipped ") != std::string::npos ? 1 : 0;
    cases += text;
  }
  size_t tests = all.size();
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
