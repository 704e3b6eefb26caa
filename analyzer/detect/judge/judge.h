#pragma once

// One judge for all evidence of a session. A dispute (a close or use that failed, a stale close that was caught) fits
// two histories: the close before was stale, or the failing act was late. What speaks for which is in weights.h; what
// undisputed closes have taught is in closings.h; one function that is known to close its own twice explains other
// hits, and disputes between the same functions are decided alike. A call path that was not recorded decides nothing.

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "analyzer/detect/judge/closings.h"
#include "analyzer/detect/judge/functions.h"
#include "analyzer/detect/judge/proof.h"
#include "analyzer/detect/judge/ruling.h"
#include "analyzer/detect/judge/weights.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

class CulpritJudge {
 public:
  CulpritJudge(Model& model, const std::vector<Proof>& proofs, const Closings& closings);

  /// Of the proof with this index.
  const Ruling& operator[](size_t index) const { return rulings_[index]; }

 private:
  /// One act, as far as it was recorded.
  struct Deed {
    const Way* way = nullptr;
    uint32_t thread = 0;
    size_t depth = 0;  ///< steps that are only a door through which several acts came

    explicit operator bool() const { return way != nullptr && !way->steps.empty(); }
    FunctionId function() const { return way == nullptr ? 0 : way->function(depth); }
    FunctionId caller() const { return way == nullptr ? 0 : way->function(depth + 1); }
    bool LeadsThrough(FunctionId function) const { return way != nullptr && way->LeadsThrough(function); }
  };
  struct Found {
    Clue clue;
    uint64_t count;
  };
  struct Dispute {
    size_t index = 0;  ///< of the proof
    size_t life = 0;   ///< which of its lives is the disputed one
    Deed o1, c1, o0, c0, a;
    bool has_before = false;       ///< there was an earlier life, and its closing was seen
    bool one_opener = false;       ///< of both lives: that ties nobody to either
    bool may_have_before = false;  ///< there was one, and it is forgotten
    std::vector<Found> clues;
    int points = 0;

    bool Has(Clue clue) const;
    void Add(Clue clue, uint64_t count = 0);
  };
  using Pair = std::pair<FunctionId, FunctionId>;

  Deed DeedOf(const Proof& proof, const trace::Act& act);
  void MakeDispute(size_t index);
  size_t MeantLife(const Proof& proof, const Deed& act);
  bool MeansLifeBefore(const Proof& proof, const Deed& act);
  static bool IsDoor(const Deed& first, const Deed& again);
  static void PassDoor(Dispute* dispute);
  void ForgetDisputed();
  void NoteTwice(const Dispute& dispute);

  void Weigh(Dispute* dispute);
  void WeighHistory(Dispute* dispute, const std::set<FunctionId>& common) const;
  void WeighTies(Dispute* dispute, const std::set<FunctionId>& common) const;
  void WeighHabits(Dispute* dispute) const;
  std::set<FunctionId> Common(const Dispute& dispute) const;
  bool BelongsWith(const Deed& one, const Deed& other, const std::set<FunctionId>& common) const;
  bool IsRetry(const Proof& proof) const;

  void Decide(const Dispute& dispute, int points, bool contradicted);
  void FindConsequences();
  std::string Why(const Dispute& dispute, bool stale) const;
  /// How many descriptors that the opener's function opened the closer's has closed, without dispute.
  uint64_t Closed(const Deed& opener, const Deed& closer) const;
  uint64_t ClosedByOthers(const Deed& opener, const Deed& closer) const;

  Model& model_;
  const std::vector<Proof>& proofs_;
  Functions functions_;
  std::map<std::tuple<FunctionId, FunctionId, size_t>, uint64_t> closed_;  ///< opener, closer, doors to pass to it
  std::map<FunctionId, uint64_t> closed_of_;                               ///< by opener
  std::map<Pair, uint64_t> twice_;                                 ///< closer, closer again, where nobody was hit
  std::set<std::tuple<ProcessIndex, int, uint64_t>> interrupted_;  ///< lives whose close reported EINTR
  std::vector<Dispute> disputes_;
  std::vector<Ruling> rulings_;
};

}  // namespace fdaudit::analyzer
