#pragma once

// Which descriptors processes had at a moment, through forks: what a forked process inherited and never touched is not
// in its own ledger, but was in its parent's.

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

struct HeldDescriptor {
  ProcessIndex process;
  int fd;
  trace::Incarnation life;
  std::string target;
};

class TableAt {
 public:
  TableAt(const Model& model, double moment) : model_(model), moment_(moment) {}

  /// What a number was; none where it was closed, or that is not known.
  std::optional<HeldDescriptor> Find(ProcessIndex process, int fd) const;

  /// Who held the other end of a pipe or socketpair then, whatever the numbers. Processes that had ended hold nothing.
  std::vector<HeldDescriptor> HoldersOfOtherEnd(const HeldDescriptor& end);

 private:
  /// An end of a pipe or pair, the same in all processes and for all duplicates.
  struct End {
    uint64_t stamp;
    uint32_t image;
    int32_t partner;  // the number of the other end, where the pair was made
    bool operator==(const End&) const = default;
  };
  std::optional<End> EndOf(const HeldDescriptor& held) const;
  std::vector<int> NumbersEverPaired() const;
  void FindEnds();

  using PairKey = std::tuple<uint32_t, uint64_t, uint32_t>;  // file; stamp and image of the call that made the pair

  const Model& model_;
  double moment_;
  bool has_ends_ = false;
  std::map<PairKey, std::vector<std::pair<End, HeldDescriptor>>> ends_;  // once they are asked for
};

/// Whether a process was there at a moment, as far as is known.
bool WasThere(const Process& process, double moment);

}  // namespace fdaudit::analyzer
