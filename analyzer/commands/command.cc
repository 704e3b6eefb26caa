#include "analyzer/commands/command.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "analyzer/output/escape.h"

namespace fdaudit::analyzer {

const std::vector<Command>& Commands() {
  static const std::vector<Command> kCommands = {
      {"run", "run a program and report on its descriptors", RunCommand},
      {"report", "report on a recorded trace", ReportCommand},
      {"gate", "fail where a trace or report has findings that should stop a build", GateCommand},
      {"diff", "compare two reports: what is new, what is gone", DiffCommand},
      {"dump", "print every recorded event, one JSON object a line", DumpCommand},
      {"view", "write a page to look at in a browser, and say where it is", ViewCommand},
      {"archive", "copy the programs and libraries of a trace beside it", ArchiveCommand},
      {"watch", "live table of a running program's descriptors, refreshed every second", WatchCommand},
      {"doctor", "check that programs can be audited here; explain why a recording is empty", DoctorCommand},
      {"explain", "what a kind of finding means, what proves it, how to fix it", ExplainCommand},
  };
  return kCommands;
}

int Complain(const std::string& message, int status) {
  std::fprintf(stderr, "fdaudit: %s\n", EscapeForTerminal(message).c_str());
  return status;
}

namespace {

/// Levenshtein's.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j + 1] + 1, row[j] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string Closest(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr size_t kLongest = 64;  // nobody mistypes more than that
  std::string best;
  size_t best_distance = std::max<size_t>(word.size() / 3, 2) + 1;
  for (const std::string& candidate : candidates) {
    if (word.empty() || word.size() > kLongest) break;
    // Half a word is the commonest slip of all.
    const size_t distance = candidate.compare(0, word.size(), word) == 0 ? 1 : Distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace fdaudit::analyzer
