#include "analyzer/detect/judge/judge.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

namespace fdaudit::analyzer {
namespace {

constexpr size_t kMostDoors = 4;
/// One in so many of what two functions did may speak for the other history and still be chance: while threads race, a
/// number's last two lives may be anybody's.
constexpr int64_t kFewOf = 12;
constexpr size_t kMostReasons = 3;  ///< of one ruling's text

/// A close that nobody recorded (a raw system call) is coverage: nobody is accused of having done it twice.
bool IsWhole(const trace::Incarnation& life) {
  return life.closed.stamp != 0 && (life.closed.flags & trace::kActSeenAtEnd) == 0;
}

/// What a range or a dup2 closed was not meant as this descriptor: no owner's second close.
bool IsPlainClose(const trace::Incarnation& life) {
  return IsWhole(life) && life.opened.stamp != 0 &&
         (life.closed.flags & (trace::kActRange | trace::kActOverwrote)) == 0;
}

/// Whether a life of this kind, closed since, allowed what the open one that follows it has refused.
bool WouldHaveAllowed(const trace::Incarnation& life, const trace::FindingRecord& refused) {
  if (refused.error == ENOTSOCK) return life.kind == trace::FdKind::kSocket;
  if (refused.access == trace::kAccessUnknown) return false;
  const bool reads = refused.access != trace::kAccessRead;    // what was refused may have been a read
  const bool writes = refused.access != trace::kAccessWrite;  // … a write
  switch (life.kind) {
    case trace::FdKind::kFile:
      return life.detail == trace::kAccessBoth || (reads && life.detail == trace::kAccessRead) ||
             (writes && life.detail == trace::kAccessWrite);
    case trace::FdKind::kPipe:
      return (life.detail & trace::kPipeWriteEnd) != 0 ? writes : reads;
    case trace::FdKind::kUnknown:
    case trace::FdKind::kDirectory:
      return false;
    default:
      return true;
  }
}

std::span<const int> NumbersOf(const trace::FindingRecord& record) {
  return std::span(record.fds).first(std::min(record.fd_count, trace::kMaxFindingFds));
}

}  // namespace

bool CulpritJudge::Dispute::Has(Clue clue) const {
  return std::any_of(clues.begin(), clues.end(), [clue](const Found& found) { return found.clue == clue; });
}

void CulpritJudge::Dispute::Add(Clue clue, uint64_t count) {
  clues.push_back({clue, count});
  points += kWeights[static_cast<size_t>(clue)].points;
}

CulpritJudge::CulpritJudge(Model& model, const std::vector<Proof>& proofs, const Closings& closings)
    : model_(model), proofs_(proofs), functions_(model), rulings_(proofs.size()) {
  if (proofs.empty()) return;
  for (const auto& [pair, count] : closings) {
    const FunctionId opener = functions_.IdOf(pair.first);
    const Way& closing = functions_.WayOf(pair.second);
    if (opener == 0 || closing.function() == 0) continue;
    for (size_t depth = 0; depth <= kMostDoors && closing.function(depth) != 0; ++depth)
      closed_[{opener, closing.function(depth), depth}] += count;
    closed_of_[opener] += count;
  }
  for (const Proof& proof : proofs) {
    const trace::Incarnation& life = proof.last();
    if (proof.is_error() && proof.record.error == EINTR)
      interrupted_.insert({proof.process, proof.record.fd, life.opened.stamp});
  }
  for (size_t i = 0; i < proofs.size(); ++i) MakeDispute(i);
  ForgetDisputed();
  for (const Dispute& dispute : disputes_) NoteTwice(dispute);
  struct Sum {
    int64_t points = 0;
    int64_t count = 0;
    int64_t contradicted = 0;  ///< of which something speaks for the other history
  };
  std::map<Pair, Sum> sums;  // between the same functions
  for (Dispute& dispute : disputes_) {
    Weigh(&dispute);
    const int64_t count = std::max<uint32_t>(proofs_[dispute.index].record.count, 1);
    if (dispute.may_have_before) continue;
    Sum& sum = sums[{dispute.c0.function(), dispute.o0.function()}];
    sum.points += dispute.points * count;
    sum.count += count;
    const bool contradicted = std::any_of(dispute.clues.begin(), dispute.clues.end(), [](const Found& found) {
      return kWeights[static_cast<size_t>(found.clue)].points < 0;
    });
    if (contradicted) sum.contradicted += count;
  }
  for (const Dispute& dispute : disputes_) {
    const auto sum = sums.find({dispute.c0.function(), dispute.o0.function()});
    const bool alone = sum == sums.end();
    Decide(dispute, alone ? dispute.points : static_cast<int>(sum->second.points / sum->second.count),
           alone || sum->second.contradicted * kFewOf > sum->second.count);
  }
  FindConsequences();
}

CulpritJudge::Deed CulpritJudge::DeedOf(const Proof& proof, const trace::Act& act) {
  const PathId path = act.stamp == 0 ? kNoPath : model_.PathOf(model_.processes()[proof.process].file, act);
  return {path == kNoPath ? nullptr : &functions_.WayOf(path), act.thread};
}

/// Which life of the number did the failing act mean? Usually the last one. Others may have got the number and closed
/// it properly since; then the one before is meant, and it was luck that nothing was hit.
size_t CulpritJudge::MeantLife(const Proof& proof, const Deed& act) {
  if (!IsWhole(proof.before()) || !act) return 0;
  const Deed later_open = DeedOf(proof, proof.last().opened);
  const Deed later_close = DeedOf(proof, proof.last().closed);
  const Deed earlier_open = DeedOf(proof, proof.before().opened);
  if (act.function() == later_open.function() || act.function() == later_close.function()) return 0;
  if (earlier_open.function() == later_open.function()) return 0;
  // A function that closes for everybody (an interpreter's) says nothing; its whole call path does.
  const bool same_path = HaveSamePath(proof.before().closed, proof.record.act);
  const bool is_openers = act.function() == earlier_open.function();
  const bool is_custom = Closed(earlier_open, act) != 0 && Closed(later_open, act) == 0;
  const bool is_named = BelongsWith(act, earlier_open, {}) && !BelongsWith(act, later_open, {});
  const bool is_threads = act.thread != 0 && act.thread == earlier_open.thread && act.thread != later_open.thread &&
                          act.thread != later_close.thread;
  return same_path || is_openers || is_custom || is_named || is_threads ? 1 : 0;
}

/// The number is open, and what is there now forbids the call: the one before would not have, and the caller has
/// nothing to do with who opened this one.
bool CulpritJudge::MeansLifeBefore(const Proof& proof, const Deed& act) {
  if (!IsPlainClose(proof.before()) || !WouldHaveAllowed(proof.before(), proof.record)) return false;
  const Deed now = DeedOf(proof, proof.last().opened);
  const Deed before = DeedOf(proof, proof.before().opened);
  if (!act || !now || !before || now.function() == before.function()) return false;
  const bool had_it = act.LeadsThrough(now.function()) && !before.LeadsThrough(now.function());
  const bool asked_for_it = now.LeadsThrough(act.function()) && !before.LeadsThrough(act.function());
  return act.function() != now.function() && !had_it && !asked_for_it;
}

void CulpritJudge::MakeDispute(size_t index) {
  const Proof& proof = proofs_[index];
  const bool is_caught = proof.record.kind == trace::FindingKind::kStaleClose;
  if (!proof.is_close() && !proof.is_use() && !proof.is_misuse() && !is_caught) return;
  Dispute dispute;
  dispute.index = index;
  if (!is_caught) dispute.a = DeedOf(proof, proof.record.act);
  if (proof.is_misuse() ? !MeansLifeBefore(proof, dispute.a) : !IsWhole(proof.last())) return;
  dispute.life = is_caught ? 0 : proof.is_misuse() ? 1 : MeantLife(proof, dispute.a);
  const trace::Incarnation& life = proof.record.lives[dispute.life];
  dispute.o0 = DeedOf(proof, life.opened);
  dispute.c0 = DeedOf(proof, life.closed);
  if (dispute.life == 0 && IsPlainClose(proof.before())) {
    dispute.has_before = true;
    dispute.o1 = DeedOf(proof, proof.before().opened);
    dispute.c1 = DeedOf(proof, proof.before().closed);
    dispute.one_opener = dispute.o1.function() == dispute.o0.function();
  }
  dispute.may_have_before = dispute.life == 1;
  PassDoor(&dispute);
  disputes_.push_back(std::move(dispute));
}

/// Both came by one call of one function, which others called. Where that is inlined, its line decides.
bool CulpritJudge::IsDoor(const Deed& first, const Deed& again) {
  if (!first || !again || first.depth + 1 >= first.way->steps.size() || again.depth + 1 >= again.way->steps.size())
    return false;
  const Way::Step& one = first.way->steps[first.depth];
  const Way::Step& other = again.way->steps[again.depth];
  if (one.function != other.function || one.function == 0) return false;
  if (one.address == other.address) return true;
  return one.is_innermost && other.is_innermost && (one.is_inlined || other.is_inlined) && one.line != 0 &&
         one.line == other.line;
}

/// Where both closes came through one door, so did what others did by it.
void CulpritJudge::PassDoor(Dispute* dispute) {
  if (!dispute->c0 || !dispute->a || dispute->c0.way == dispute->a.way) return;
  for (size_t doors = 0; doors < kMostDoors && IsDoor(dispute->c0, dispute->a); ++doors) {
    const FunctionId door = dispute->c0.function();
    for (Deed* deed : {&dispute->o1, &dispute->c1, &dispute->o0, &dispute->c0, &dispute->a}) {
      if (*deed && deed->function() == door && deed->depth + 1 < deed->way->steps.size()) ++deed->depth;
    }
  }
}

/// A close that failed with nobody's descriptor in danger teaches who closes twice.
void CulpritJudge::NoteTwice(const Dispute& dispute) {
  const Proof& proof = proofs_[dispute.index];
  const bool is_first_life = proof.before().opened.stamp == 0;
  const FunctionId closer = dispute.c0.function();
  const FunctionId again = dispute.a.function();
  if (!proof.is_close() || closer == 0 || again == 0 || dispute.may_have_before) return;
  if (dispute.has_before && dispute.c0.thread != dispute.a.thread) return;
  if (closer == again || is_first_life) twice_[{closer, again}] += std::max<uint32_t>(proof.record.count, 1);
}

uint64_t CulpritJudge::Closed(const Deed& opener, const Deed& closer) const {
  const auto found = closed_.find({opener.function(), closer.function(), closer.depth});
  return found == closed_.end() ? 0 : found->second;
}

uint64_t CulpritJudge::ClosedByOthers(const Deed& opener, const Deed& closer) const {
  const auto all = closed_of_.find(opener.function());
  return all == closed_of_.end() ? 0 : all->second - std::min(all->second, Closed(opener, closer));
}

/// Closes that made somebody fail, or hit what another thread was opening, are no habit of anybody. Two proofs of one
/// life are one dispute.
void CulpritJudge::ForgetDisputed() {
  std::map<std::tuple<ProcessIndex, int, uint64_t>, std::pair<const Dispute*, uint64_t>> lives;
  for (const Dispute& dispute : disputes_) {
    const Proof& proof = proofs_[dispute.index];
    auto& [known, count] = lives[{proof.process, proof.record.fd, proof.record.lives[dispute.life].opened.stamp}];
    known = &dispute;
    count = std::max<uint64_t>(count, std::max<uint32_t>(proof.record.count, 1));
  }
  for (const auto& [life, one] : lives) {
    const auto& [dispute, count] = one;
    if (!dispute->o0 || !dispute->c0) continue;
    const FunctionId opener = dispute->o0.way->function();
    for (size_t depth = 0; depth <= kMostDoors; ++depth) {
      const auto found = closed_.find({opener, dispute->c0.way->function(depth), depth});
      if (found != closed_.end()) found->second -= std::min(found->second, count);
    }
    uint64_t& all = closed_of_[opener];
    all -= std::min(all, count);
  }
}

/// The functions that lead to every act: main, an event loop, a request handler. They tie nobody to anybody.
std::set<FunctionId> CulpritJudge::Common(const Dispute& dispute) const {
  std::set<FunctionId> common;
  for (const Way::Step& step : dispute.c0.way->steps) common.insert(step.function);
  for (const Deed* deed : {&dispute.o1, &dispute.c1, &dispute.o0, &dispute.a}) {
    if (*deed) std::erase_if(common, [deed](FunctionId function) { return !deed->LeadsThrough(function); });
  }
  return common;
}

bool CulpritJudge::IsRetry(const Proof& proof) const {
  const trace::Act& first = proof.before().closed;
  const trace::Act& again = proof.last().closed;
  return HaveSamePath(first, again) && first.thread == again.thread && first.image == again.image &&
         interrupted_.contains({proof.process, proof.record.fd, proof.before().opened.stamp});
}

void CulpritJudge::Weigh(Dispute* dispute) {
  if (!dispute->c0 || !dispute->o0) return;
  const Proof& proof = proofs_[dispute->index];
  if (dispute->life == 0 && (proof.last().flags & trace::kStaleHit) != 0 && dispute->has_before)
    dispute->Add(Clue::kCaught);
  const std::string& object = dispute->o0.way->object;
  if (!object.empty() && dispute->a && dispute->a.way->object == object && dispute->c0.way->object != object)
    dispute->Add(Clue::kObjectHeld);
  const std::set<FunctionId> common = Common(*dispute);
  if (dispute->has_before) {
    if (IsRetry(proof)) dispute->Add(Clue::kRetried);
    WeighHistory(dispute, common);
  }
  WeighTies(dispute, common);
  WeighHabits(dispute);
}

/// What ties the disputed close to the number's earlier life.
void CulpritJudge::WeighHistory(Dispute* d, const std::set<FunctionId>& common) const {
  const FunctionId closer = d->c0.function();
  const bool is_victims_function = closer == d->o0.function() || (d->a && closer == d->a.function());
  const bool is_tie = closer != 0 && !common.contains(closer) && !is_victims_function && !d->one_opener;
  if (is_tie && d->o1.function() == closer) d->Add(Clue::kOpenedBefore);
  if (is_tie && d->c1.function() == closer) d->Add(Clue::kClosedBefore);
  const auto known = twice_.find({d->c1.function(), closer});
  if (known != twice_.end() && !d->one_opener && !is_victims_function) d->Add(Clue::kTwiceElsewhere, known->second);
  const uint32_t thread = d->c0.thread;
  const bool is_victims = thread == d->o0.thread || (d->a && thread == d->a.thread);
  if (thread != 0 && !is_victims && d->o1.thread == thread && d->c1.thread == thread) d->Add(Clue::kThreadOfBefore);
}

/// Whether a class, or what their names are about, ties two acts.
bool CulpritJudge::BelongsWith(const Deed& one, const Deed& other, const std::set<FunctionId>& common) const {
  constexpr size_t kNear = 3;
  for (size_t i = 0; one && i < kNear; ++i) {
    const FunctionId first = one.way->function(one.depth + i);
    if (first == 0 || common.contains(first)) break;
    for (size_t j = 0; other && j < kNear; ++j) {
      const FunctionId second = other.way->function(other.depth + j);
      if (second == 0 || common.contains(second)) break;
      const Function& a = functions_[first];
      const Function& b = functions_[second];
      if (!a.owner.empty() && a.owner == b.owner && a.module == b.module) return true;
      const bool same_word = std::any_of(a.words.begin(), a.words.end(), [&b](const std::string& word) {
        return std::find(b.words.begin(), b.words.end(), word) != b.words.end();
      });
      if (same_word) return true;
    }
  }
  return false;
}

/// Ties that the disputed close may have with either side.
void CulpritJudge::WeighTies(Dispute* d, const std::set<FunctionId>& common) const {
  const auto leads = [&](size_t from, const auto& there, const auto& not_there) {
    for (size_t i = d->c0.depth + from; i < d->c0.way->steps.size(); ++i) {
      const FunctionId function = d->c0.way->steps[i].function;
      if (function != 0 && !common.contains(function) && there(function) && !not_there(function)) return true;
    }
    return false;
  };
  const auto before = [&](FunctionId f) { return d->o1.LeadsThrough(f) || d->c1.LeadsThrough(f); };
  const auto both_before = [&](FunctionId f) { return d->o1.LeadsThrough(f) && d->c1.LeadsThrough(f); };
  const auto here = [&](FunctionId f) { return d->o0.LeadsThrough(f) || d->a.LeadsThrough(f); };
  const FunctionId closer = d->c0.function();
  const bool has_ties_before = d->has_before && !d->one_opener;
  if (has_ties_before && leads(1, both_before, here)) d->Add(Clue::kLedThere);
  if (leads(1, here, before)) d->Add(Clue::kLedHere);

  const bool own_thread = d->Has(Clue::kThreadOfBefore);
  if (!own_thread && closer == d->o0.function()) d->Add(Clue::kOpenedIt);
  if (!own_thread && d->a && closer == d->a.function()) d->Add(Clue::kSameFunction);
  if (closer != d->o0.function() && closer == d->o0.caller()) d->Add(Clue::kWasGiven);
  const FunctionId caller = d->c0.caller();
  const bool was_called = caller != 0 && (caller == d->o0.function() || (d->a && caller == d->a.function()));
  if (was_called && !d->Has(Clue::kSameFunction)) d->Add(Clue::kWasCalled);
  if (d->a && (d->a.function() == d->o0.caller() || d->a.function() == d->o0.function()) && closer != d->o0.caller())
    d->Add(Clue::kVictimHeld);
  const bool thread_here = d->c0.thread != 0 && d->c0.thread == d->o0.thread && d->a && d->c0.thread == d->a.thread;
  if (d->has_before && thread_here && d->o1.thread != d->c0.thread && d->c1.thread != d->c0.thread)
    d->Add(Clue::kThreadHere);

  const bool named_before = has_ties_before && (BelongsWith(d->c0, d->o1, common) || BelongsWith(d->c0, d->c1, common));
  const bool named_here = BelongsWith(d->c0, d->o0, common);
  if (named_before && !named_here) d->Add(Clue::kNamedAsBefore);
  if (named_here && !named_before && !d->one_opener) d->Add(Clue::kNamedAsHere);

  const auto place = [&](const Deed& deed, auto member) { return deed ? functions_[deed.function()].*member : ""; };
  const auto compare = [&](auto member, Clue there, Clue here_clue) {
    const std::string mine = place(d->c0, member);
    const std::string victim = place(d->o0, member);
    const std::string later = d->a ? place(d->a, member) : victim;
    if (mine.empty()) return;
    const bool is_before = has_ties_before && (mine == place(d->o1, member) || mine == place(d->c1, member));
    if (is_before && mine != victim && mine != later) d->Add(there);
    if (has_ties_before && !is_before && (mine == victim || mine == later)) d->Add(here_clue);
  };
  const std::string module = place(d->c0, &Function::module);
  if (!d->has_before && d->a && !module.empty() && module != place(d->o0, &Function::module) &&
      module != place(d->a, &Function::module))
    d->Add(Clue::kForeign);
  compare(&Function::file, Clue::kFileOfBefore, Clue::kFileHere);
  compare(&Function::module, Clue::kModuleOfBefore, Clue::kModuleHere);
}

/// What undisputed closes have taught.
void CulpritJudge::WeighHabits(Dispute* d) const {
  const uint64_t regular = Closed(d->o0, d->c0);
  const uint64_t victims = d->a ? Closed(d->o0, d->a) : 0;
  const uint64_t others = ClosedByOthers(d->o0, d->c0);
  // Of a function that is known to close twice, some hits go unnoticed and look like a habit.
  const bool is_custom = regular != 0 && !(d->Has(Clue::kTwiceElsewhere) && regular < others);
  if (is_custom) d->Add(Clue::kClosesRegularly, regular);
  const bool is_victims_function =
      d->c0.function() == d->o0.function() || (d->a && d->c0.function() == d->a.function());
  if (d->has_before && !is_custom && !d->one_opener && !is_victims_function) {
    if (const uint64_t own = Closed(d->o1, d->c0); own != 0) d->Add(Clue::kOnlyCloses, own);
  }
  if (d->a && d->c0.function() != d->a.function()) {
    if (victims != 0) d->Add(Clue::kVictimCloses, victims);
    if (others > victims && !is_custom) d->Add(Clue::kOthersClose, others - victims);
    const auto late = twice_.find({d->c0.function(), d->a.function()});
    if (late != twice_.end() && d->has_before) d->Add(Clue::kLateElsewhere, late->second);
  }
}

/// `points`: of all disputes between these functions.
void CulpritJudge::Decide(const Dispute& d, int points, bool contradicted) {
  const Proof& proof = proofs_[d.index];
  Ruling& ruling = rulings_[d.index];
  ruling.life = d.life;
  const bool is_known = d.c0 && d.o0;
  const auto frames = [](const Deed& deed) {
    return deed && deed.depth != 0 ? deed.way->steps[deed.depth].frame : size_t{0};
  };
  const bool for_stale = std::any_of(d.clues.begin(), d.clues.end(), [](const Found& found) {
    return kWeights[static_cast<size_t>(found.clue)].points > 0;
  });
  const bool is_certain = d.Has(Clue::kRetried) || d.Has(Clue::kObjectHeld);
  // Without an earlier life nobody can have closed it twice: that takes an object that held it.
  // Or a function that closes what it was lent, where its owner is known to close it.
  const bool may_be_stale = d.has_before || d.may_have_before || is_certain || d.Has(Clue::kVictimCloses);
  const bool is_stale = is_known && may_be_stale && points >= kOneOfFrom && IsPlainClose(proof.record.lives[d.life]);
  if (!d.a) {
    ruling.history = is_stale ? History::kStale : History::kRight;
  } else {
    ruling.history = is_stale ? History::kStale : History::kLate;
  }
  if (is_stale) {
    // Being caught in a race (kCaught) proves that the close hit, and not by whom: the lives' acts may be of both
    // threads.
    const bool victim_closes = d.Has(Clue::kVictimCloses) || d.Has(Clue::kTwiceElsewhere);
    const bool is_proven = is_certain || (points >= kProvenFrom && victim_closes && !contradicted);
    ruling.certainty = is_proven && !proof.is_misuse()                                ? Certainty::kProven
                       : points >= kLikelyFrom && (d.has_before || d.may_have_before) ? Certainty::kLikely
                                                                                      : Certainty::kOneOf;
    Deed door = d.c0;
    if (d.c1 && d.c1.way != d.c0.way) {
      const std::set<FunctionId> common = Common(d);
      Deed before = d.c1;
      for (size_t doors = 0; doors < 2 && !common.contains(door.caller()) && IsDoor(before, door); ++doors) {
        ++door.depth;
        ++before.depth;
      }
      ruling.first_seen_through = frames(before);
    }
    ruling.seen_through = frames(door);
  } else {
    // Without symbols a helper is no more than the call through which both closes came.
    const FunctionId door = d.a && d.a.depth != 0 ? d.a.way->function(d.a.depth - 1) : 0;
    if (door != 0 && !functions_[door].has_name) {
      ruling.seen_through = frames(d.a);
      ruling.first_seen_through = frames(d.c0);
    }
    const bool one_did_both = d.Has(Clue::kSameFunction);
    const bool is_alone = !d.has_before && !d.may_have_before;
    const bool proven = !proof.is_misuse() && (one_did_both || (is_alone && points < kOneOfFrom));
    ruling.certainty = proven                                         ? Certainty::kProven
                       : points >= kOneOfLateFrom && for_stale && d.a ? Certainty::kOneOf
                                                                      : Certainty::kLikely;
  }
  ruling.why = Why(d, is_stale);
}

/// One thread opened it, closed it and closed it again, all in one function: nobody else can be meant. While that goes
/// on beside other threads, the numbers it frees are theirs for moments, and whose the last two lives of a number were
/// is chance. So what befalls a function that is not known for it, on a number of the one that is, follows from it.
void CulpritJudge::FindConsequences() {
  constexpr uint64_t kRare = 20;  // so many times less often it is what the race made of others' acts
  struct Repeater {
    size_t cause;  // the proof
    uint64_t count = 0;
    std::set<int> fds = {};
  };
  std::map<ProcessIndex, std::map<FunctionId, Repeater>> repeaters;
  for (const Dispute& d : disputes_) {
    const Proof& proof = proofs_[d.index];
    const bool is_alone = proof.is_close() && d.a.thread == d.c0.thread && d.a.thread == d.o0.thread;
    const FunctionId function = d.a.function();
    if (!is_alone || function == 0 || function != d.c0.function() || function != d.o0.function()) continue;
    Repeater& repeater = repeaters[proof.process].try_emplace(function, Repeater{d.index}).first->second;
    repeater.count += std::max<uint32_t>(proof.record.count, 1);
    const std::span<const int> fds = NumbersOf(proof.record);
    repeater.fds.insert(fds.begin(), fds.end());
  }
  for (const Dispute& d : disputes_) {
    const Proof& proof = proofs_[d.index];
    const auto here = repeaters.find(proof.process);
    if (here == repeaters.end() || (proof.record.act.flags & trace::kActSingleThreaded) != 0) continue;
    const bool is_late = rulings_[d.index].history == History::kLate;
    const FunctionId accused = is_late ? d.a.function() : d.c0.function();
    const std::span<const int> fds = NumbersOf(proof.record);
    const auto known = here->second.find(accused);
    const uint64_t own = known == here->second.end() ? 0 : known->second.count;
    for (const auto& [function, repeater] : here->second) {
      const bool is_involved =
          d.o0.function() == function || d.c0.function() == function || d.o1.function() == function ||
          d.c1.function() == function ||
          std::any_of(fds.begin(), fds.end(), [&repeater = repeater](int fd) { return repeater.fds.contains(fd); });
      const bool is_rare = std::max<uint64_t>(own, 1) * kRare <= repeater.count;
      if (accused == 0 || function == accused || !is_involved || !is_rare) continue;
      rulings_[d.index].history = History::kConsequence;
      rulings_[repeater.cause].consequences.push_back(d.index);
      break;
    }
  }
}

std::string CulpritJudge::Why(const Dispute& d, bool stale) const {
  std::vector<Found> reasons;
  for (const Found& found : d.clues) {
    if ((kWeights[static_cast<size_t>(found.clue)].points > 0) == stale) reasons.push_back(found);
  }
  std::stable_sort(reasons.begin(), reasons.end(), [](const Found& a, const Found& b) {
    return std::abs(kWeights[static_cast<size_t>(a.clue)].points) >
           std::abs(kWeights[static_cast<size_t>(b.clue)].points);
  });
  if (reasons.size() > kMostReasons) reasons.resize(kMostReasons);
  const std::pair<std::string_view, const Deed*> names[] = {
      {"{A}", &d.a}, {"{C0}", &d.c0}, {"{O0}", &d.o0}, {"{C1}", &d.c1}, {"{O1}", &d.o1}};
  std::string why;
  for (const Found& reason : reasons) {
    std::string text = kWeights[static_cast<size_t>(reason.clue)].sentence;
    const auto fill = [&text](std::string_view mark, const std::string& with) {
      for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + with.size()))
        text.replace(at, mark.size(), with);
    };
    for (const auto& [mark, deed] : names) {
      const FunctionId function = deed->function();
      fill(mark, function == 0 ? "an unknown function" : functions_[function].name);
    }
    fill("{n}", std::to_string(reason.count));
    why += (why.empty() ? "" : "; ") + text;
  }
  return why;
}

}  // namespace fdaudit::analyzer
