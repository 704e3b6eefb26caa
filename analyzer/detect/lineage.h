#pragma once

// What a duplicate was made from, as far as the ledger still knows it: a number keeps its last two lives, and a process
// that never touched what it inherited has it in the ledger of the one that it sprang from.

#include <optional>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

struct Original {
  ProcessIndex process;  ///< in whose ledger it was found
  int fd;
  trace::Incarnation life;
};

inline bool IsDuplicate(const trace::Incarnation& life) { return (life.opened.flags & trace::kActDuplicated) != 0; }

/// What `duplicate`, a life of a number of `process`, was made from.
std::optional<Original> FindOriginal(const Model& model, ProcessIndex process, const trace::Incarnation& duplicate);

}  // namespace fdaudit::analyzer
