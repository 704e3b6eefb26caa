#include "analyzer/detect/last_use.h"

#include <algorithm>
#include <string>
#include <utility>

#include "analyzer/detect/grouping.h"

namespace fdaudit::analyzer {

std::vector<LastUse> LastUsesOf(Model& model, ProcessIndex process, const UseCounts& counts) {
  const Process& user = model.processes()[process];
  const TraceFile& file = model.files()[user.file];
  std::vector<LastUse> uses;
  for (const auto& [word, count] : counts) {
    const trace::Use use = trace::UnpackUse(word);
    uses.push_back({file.CallName(use.call), model.paths().Intern(user.file, use.stack, process), count});
  }
  return uses;
}

void FoldLastUses(Model& model, std::vector<LastUse>* uses) {
  std::map<std::pair<std::string, std::string>, LastUse> folded;  // by call and line
  for (const LastUse& use : *uses) {
    const auto [known, is_new] = folded.try_emplace({use.call, LineOf(model.paths(), use.path, 0, "")}, use);
    if (!is_new) known->second.count += use.count;
  }
  uses->clear();
  for (auto& [key, use] : folded) uses->push_back(std::move(use));
  std::stable_sort(uses->begin(), uses->end(), [](const auto& a, const auto& b) { return a.count > b.count; });
}

}  // namespace fdaudit::analyzer
