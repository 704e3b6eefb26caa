#include "analyzer/output/gate_text.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "analyzer/detect/fingerprint.h"
#include "analyzer/detect/kinds.h"
#include "analyzer/output/coverage.h"
#include "analyzer/output/escape.h"

namespace fdaudit::analyzer {
namespace {

constexpr size_t kMostGone = 20;

std::string Plural(uint64_t count, const char* word) {
  return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

bool FailsOnErrorsAndWarnings(const Verdict& verdict) {
  return verdict.fail_on == std::vector<std::string>{"error", "warning"};
}

std::string Judgement(const Verdict& verdict, uint64_t failing) {
  const bool is_usual = FailsOnErrorsAndWarnings(verdict);
  const std::string rule = is_usual ? "" : fmt::format(" ({})", fmt::join(verdict.fail_on, " or "));
  const char* where = verdict.scope == Scope::kOwn ? "in your code" : "in any code";
  if (failing != 0) return fmt::format("gate failed: {}{} {}", Plural(failing, "new finding"), rule, where);
  if (verdict.failed_for_loss) return "gate failed: evidence was lost";
  return fmt::format("gate passed: no new {}{} {}", is_usual ? "errors or warnings" : "findings", rule, where);
}

std::string VersionOf(const std::string& id) { return id.substr(0, id.find(':')); }

/// A baseline by other rules of fingerprints recognises nothing.
std::string OutdatedBaseline(const Baseline& gone, const std::vector<Subject>& subjects) {
  std::set<std::string> now = {std::to_string(kFingerprintVersion)};
  for (const Subject& subject : subjects) now.insert(VersionOf(subject.id));
  const auto outdated = std::find_if(gone.begin(), gone.end(),
                                     [&now](const auto& known) { return !now.contains(VersionOf(known.first)); });
  if (outdated == gone.end()) return "";
  return fmt::format(
      "the baseline has ids of version {}, and this is version {}: nothing of it can be recognised; write it anew "
      "(--write-baseline)\n",
      EscapeControls(VersionOf(outdated->first)), kFingerprintVersion);
}

}  // namespace

std::string RenderVerdict(const Verdict& verdict, const std::vector<Subject>& subjects) {
  const auto failing = static_cast<uint64_t>(
      std::count_if(subjects.begin(), subjects.end(), [](const Subject& subject) { return subject.gates; }));
  std::string out = Judgement(verdict, failing);
  const uint64_t others = verdict.new_findings - failing;
  if (others != 0) out += fmt::format("; {} tolerated", Plural(others, "other"));
  if (verdict.known != 0) out += fmt::format("; {} known by the baseline", verdict.known);
  if (verdict.suppressed != 0) out += fmt::format("; {} suppressed", verdict.suppressed);
  out += '\n';
  if (verdict.lost.Any()) {
    out += fmt::format("{} ({})\n", DescribeLosses(verdict.lost),
                       verdict.failed_for_loss ? "--allow-loss tolerates this" : "tolerated");
  }
  out += OutdatedBaseline(verdict.gone, subjects);
  if (!verdict.gone.empty()) {
    out += fmt::format("{} of the baseline {} gone:\n", verdict.gone.size(), verdict.gone.size() == 1 ? "is" : "are");
    size_t listed = 0;
    for (const auto& [id, known] : verdict.gone) {
      if (listed++ == kMostGone) break;
      out +=
          fmt::format("  {}: {}  {}\n", EscapeControls(known.kind), EscapeControls(known.message), EscapeControls(id));
    }
    if (verdict.gone.size() > kMostGone) out += fmt::format("  and {} more\n", verdict.gone.size() - kMostGone);
  }
  if (!verdict.remark.empty()) out += EscapeForTerminal(verdict.remark) + '\n';
  for (const std::string& unused : verdict.unused_suppressions) {
    out += fmt::format("unused suppression: {}\n", EscapeForTerminal(unused));
  }
  return out;
}

std::string RenderGateText(const Verdict& verdict, const std::vector<Subject>& subjects) {
  std::string out;
  for (const Subject& subject : subjects) {
    if (!subject.gates) continue;
    out += fmt::format("{}: {}  {}\n  {}\n", Name(subject.severity), Name(subject.kind), subject.id,
                       EscapeControls(subject.message));
    if (subject.message.find(subject.place) == std::string::npos) {
      out += fmt::format("  at {}\n", EscapeControls(subject.place));
    }
    out += fmt::format("  fix  {}\n", Info(subject.kind).fix);
  }
  return out + RenderVerdict(verdict, subjects);
}

std::string RenderSuppressions(const std::vector<Subject>& subjects) {
  std::string out;
  std::set<std::string> written;
  for (const Subject& subject : subjects) {
    if (!subject.gates) continue;
    const std::string line = SuppressionFor(subject.kind, subject.traits);
    const std::string why = EscapeControls(subject.message);
    if (line.empty()) {
      out += fmt::format("# {}: no name to suppress it by\n", why);
    } else if (written.insert(line).second) {
      out += fmt::format("# {}\n{}\n", why, line);
    }
  }
  return out;
}

}  // namespace fdaudit::analyzer
