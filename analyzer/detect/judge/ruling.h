#pragma once

// What the judge decides about one piece of evidence.

#include <cstddef>
#include <string>
#include <vector>

namespace fdaudit::analyzer {

enum class Certainty { kProven, kLikely, kOneOf };  // the best first

enum class History {
  kNone,   ///< nothing to decide: a number never open, a close that nobody recorded
  kLate,   ///< the descriptor was closed rightly, and the failing close or use came too late
  kStale,  ///< the close before was a second close by the owner of an earlier life: it hit somebody else's descriptor
  kRight,  ///< a close that the shim suspected was its owner's
  kConsequence,  ///< follows from a function's closing its own twice, which has been proven elsewhere
};

struct Ruling {
  History history = History::kNone;
  Certainty certainty = Certainty::kProven;
  size_t life = 0;  ///< which of the record's two lives the failing act meant
  std::string why;  ///< what decided; empty = the events alone
  /// Frames of the deciding act's call path that are only a door through which both closes came.
  size_t seen_through = 0;
  size_t first_seen_through = 0;     ///< the same of the close before it
  std::vector<size_t> consequences;  ///< indices of the proofs that follow from this one
};

}  // namespace fdaudit::analyzer
