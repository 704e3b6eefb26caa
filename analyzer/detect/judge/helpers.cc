#include "analyzer/detect/judge/helpers.h"

#include <algorithm>
#include <map>
#include <utility>

#include "analyzer/detect/judge/functions.h"

namespace fdaudit::analyzer {
namespace {

using Helper = CallPaths::Helper;

constexpr size_t kDeepest = 4;   ///< helpers that call each other
constexpr size_t kUnlike = 2;    ///< callers that close what different functions opened
constexpr size_t kManyLike = 3;  ///< callers, where all of it came through one function
constexpr size_t kFewLike = 2;   ///< the same, where its name is about nothing in particular

/// A path's functions that are not runtime code, from the innermost outwards. A frame without a name is nobody's
/// helper.
using Chain = std::vector<const Frame*>;

Helper KeyOf(const Frame& frame) { return {frame.function, frame.module, frame.file}; }

bool IsOneFunction(const Frame& a, const Frame& b) { return KeyOf(a) == KeyOf(b); }

class HelperFinder {
 public:
  HelperFinder(Model& model, const std::vector<Proof>& proofs, const Closings& closings) : model_(model) {
    std::set<PathPair> disputed;
    for (const Proof& proof : proofs) {
      if (!proof.is_close() && !proof.is_use()) continue;
      const uint32_t file = model.processes()[proof.process].file;
      const PathId opened = model.PathOf(file, proof.last().opened);
      disputed.insert({opened, model.PathOf(file, proof.last().closed)});
      if (proof.is_close()) pairs_.push_back({ChainOf(opened), ChainOf(model.PathOf(file, proof.record.act))});
    }
    for (const auto& [pair, count] : closings) {
      if (!disputed.contains(pair)) pairs_.push_back({ChainOf(pair.first), ChainOf(pair.second)});
    }
    for (const auto& [pair, count] : closings) closing_.push_back(&ChainOf(pair.second));
    for (const auto& [opening, closing] : pairs_) {
      for (const Frame* frame : opening) leads_to_opening_.insert(KeyOf(*frame));
      for (const Frame* frame : closing) leads_to_closing_.insert(KeyOf(*frame));
    }
  }

  std::set<Helper> Find() {
    for (const Chain* chain : closing_) AddDestructors(*chain);
    for (size_t round = 0; round < kDeepest; ++round) {
      const size_t before = helpers_.size();
      AddRound(false);
      AddRound(true);
      if (helpers_.size() == before) break;
    }
    return std::move(helpers_);
  }

 private:
  /// What one function did for its callers: for each of them whose descriptors they were.
  struct Served {
    std::map<Helper, std::set<Helper>> nearest;  ///< by caller: the functions at the other end
    std::map<Helper, std::set<Helper>> farther;  ///< by caller: those that called these
    std::set<Helper> inner;                      ///< the function and what it calls, up to the call itself
  };

  const Chain& ChainOf(PathId path) {
    const auto [known, is_new] = chains_.try_emplace(path);
    if (!is_new) return known->second;
    for (const Frame& frame : model_.paths().Frames(path)) {
      const bool again = !known->second.empty() && IsOneFunction(*known->second.back(), frame);
      if (!frame.is_runtime && !again) known->second.push_back(&frame);
    }
    return known->second;
  }

  bool IsKnown(const Frame& frame) const { return frame.is_helper || helpers_.contains(KeyOf(frame)); }

  /// Index of the innermost frame that is no helper.
  size_t Begin(const Chain& chain) const {
    const auto first =
        std::find_if(chain.begin(), chain.end(), [this](const Frame* frame) { return !IsKnown(*frame); });
    return static_cast<size_t>(first - chain.begin());
  }

  void AddDestructors(const Chain& closing);
  void AddRound(bool opening);
  static size_t Unlike(const std::map<Helper, std::set<Helper>>& by_caller);

  Model& model_;
  std::map<PathId, Chain> chains_;
  std::vector<const Chain*> closing_;
  std::vector<std::pair<Chain, Chain>> pairs_;  // opening, closing
  std::set<Helper> leads_to_opening_;
  std::set<Helper> leads_to_closing_;
  std::set<Helper> helpers_;
};

/// How many callers there are that have nothing in common with each other.
size_t HelperFinder::Unlike(const std::map<Helper, std::set<Helper>>& by_caller) {
  std::set<Helper> seen;
  size_t unlike = 0;
  for (const auto& [caller, others] : by_caller) {
    const bool is_new =
        std::none_of(others.begin(), others.end(), [&seen](const Helper& one) { return seen.contains(one); });
    if (is_new && !others.empty()) ++unlike;
    seen.insert(others.begin(), others.end());
  }
  return unlike;
}

/// What they close is closed by the code that ends the object's life, and the objects' that it is part of; so is what
/// other members close for them.
void HelperFinder::AddDestructors(const Chain& closing) {
  std::set<Helper> members;
  for (size_t i = 0; i < closing.size() && i < kDeepest; ++i) {
    const Frame& frame = *closing[i];
    if (leads_to_opening_.contains(KeyOf(frame))) return;
    members.insert(KeyOf(frame));
    const bool is_of_next = i + 1 < closing.size() && !Qualifier(frame.function).empty() &&
                            Qualifier(frame.function) == Qualifier(closing[i + 1]->function);
    if (IsDestructor(frame.function)) {
      helpers_.merge(members);
    } else if (!is_of_next) {
      return;
    }
  }
}

/// `opening`: looks for functions that open for others, else for those that close.
void HelperFinder::AddRound(bool opening) {
  const std::set<Helper>& impure = opening ? leads_to_closing_ : leads_to_opening_;
  std::map<Helper, Served> all;
  for (const auto& [opened, closed] : pairs_) {
    const Chain& mine = opening ? opened : closed;
    const Chain& other = opening ? closed : opened;
    const size_t other_at = Begin(other);
    // A function that a single one calls, which calls nothing else of the kind, may be the inside of a helper.
    const size_t begin = Begin(mine);
    for (size_t at = begin; at + 1 < mine.size() && at < begin + kDeepest; ++at) {
      const Frame& frame = *mine[at];
      if (frame.function.empty() || impure.contains(KeyOf(frame))) break;
      Served& served = all[KeyOf(frame)];
      const Helper caller = KeyOf(*mine[at + 1]);
      auto& nearest = served.nearest[caller];
      auto& farther = served.farther[caller];
      if (other_at < other.size()) nearest.insert(KeyOf(*other[other_at]));
      if (other_at + 1 < other.size()) farther.insert(KeyOf(*other[other_at + 1]));
      for (size_t i = begin; i <= at; ++i) served.inner.insert(KeyOf(*mine[i]));
    }
  }
  for (const auto& [function, served] : all) {
    const std::string& name = std::get<0>(function);
    const bool is_general = SubjectsOf(Unqualified(name)).empty();
    const bool is_helper = (Qualifier(name).empty() && IsGeneralName(Unqualified(name))) ||
                           Unlike(served.nearest) >= kUnlike ||
                           Unlike(served.farther) >= (is_general ? kFewLike : kManyLike);
    if (is_helper) helpers_.insert(served.inner.begin(), served.inner.end());
  }
}

}  // namespace

std::set<Helper> FindHelpers(Model& model, const std::vector<Proof>& proofs, const Closings& closings) {
  return HelperFinder(model, proofs, closings).Find();
}

}  // namespace fdaudit::analyzer
