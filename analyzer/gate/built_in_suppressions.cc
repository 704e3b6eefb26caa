// What widely used programs do on purpose, or at least always, found by running them (docs/field-notes.md). None of it
// gates by default, because it is nobody's own code; under --scope all it would drown what is new.

#include <utility>

#include "analyzer/gate/suppressions.h"

namespace fdaudit::analyzer {
namespace {

constexpr const char* kLines[] = {
    "double-close:/bash$",  // closes both ends of its pipes once more after a pipeline
    "leak:/bash$",          // the script it runs stays open to the end
    "leak:/dash$",          // likewise
    "leak:/tar$",           // its working folder
    "leak:/make$",          // the broken standard input for parallel jobs
};

}  // namespace

const std::vector<Suppression>& BuiltInSuppressions() {
  static const std::vector<Suppression> kSuppressions = [] {
    std::vector<Suppression> list;
    for (const char* line : kLines) {
      std::string problem;
      if (auto read = Suppression::Read(line, "", &problem)) list.push_back(std::move(*read));
    }
    return list;
  }();
  return kSuppressions;
}

}  // namespace fdaudit::analyzer
