#pragma once

// What speaks for whom, and how much. A dispute is five acts of one number:
//
//   O1, C1   the life before: opened, closed
//   O0, C0   the disputed life: opened, closed
//   A        the close or use that then failed
//
// Points above 0 speak for a stale C0: the owner of the life before closed it twice and hit somebody else's descriptor.
// Points below 0 speak for a late A: C0 was right. docs/findings.md has the same table in words;
// tests/unit/judge_test.cc pins it.

#include <cstddef>
#include <iterator>

namespace fdaudit::analyzer {

enum class Clue {
  kRetried,
  kObjectHeld,
  kCaught,
  kTwiceElsewhere,
  kOpenedBefore,
  kClosedBefore,
  kLedThere,
  kThreadOfBefore,
  kNamedAsBefore,
  kFileOfBefore,
  kModuleOfBefore,
  kOnlyCloses,
  kVictimCloses,
  kOthersClose,
  kVictimHeld,
  kForeign,
  kClosesRegularly,
  kOpenedIt,
  kSameFunction,
  kWasGiven,
  kWasCalled,
  kLedHere,
  kThreadHere,
  kNamedAsHere,
  kFileHere,
  kModuleHere,
  kLateElsewhere,
};

struct Weight {
  Clue clue;
  int points;
  /// {A}, {C0}, {O0}, {C1}, {O1}: the functions; {n}: how many times.
  const char* sentence;
};

inline constexpr Weight kWeights[] = {
    {Clue::kRetried, 20, "the close before was interrupted (EINTR), and the same call path closed once more"},
    {Clue::kObjectHeld, 20, "{C0} closed by its number what an object of the runtime held"},
    {Clue::kCaught, 6, "the close succeeded on a number that was closed, just while it was being opened"},
    {Clue::kTwiceElsewhere, 6, "{C0} closed its own number twice {n} times where nobody else had it"},
    {Clue::kOpenedBefore, 3, "{C0} had opened the number before"},
    {Clue::kClosedBefore, 3, "{C0} had closed the number before"},
    {Clue::kLedThere, 3, "one caller leads to the number's earlier life and to this close, not to {A}"},
    {Clue::kThreadOfBefore, 3, "the thread of the number's earlier life closed it again, another thread had it"},
    {Clue::kNamedAsBefore, 2, "{C0} belongs with {O1} by its class or name"},
    {Clue::kFileOfBefore, 2, "{C0} is in the source file of the number's earlier life, {O0} and {A} are not"},
    {Clue::kModuleOfBefore, 2, "{C0} is in the module of the number's earlier life, {O0} and {A} are not"},
    {Clue::kOnlyCloses, 3, "{C0} closes what {O1} opens ({n} times), and never rightly what {O0} opens"},
    {Clue::kVictimCloses, 4, "{A} closes what {O0} opens ({n} times)"},
    {Clue::kOthersClose, 2, "others close what {O0} opens ({n} times)"},
    {Clue::kVictimHeld, 1, "{A} had the descriptor from {O0}"},
    {Clue::kForeign, 5, "{C0} is of another module than {O0} and {A}, which had the descriptor"},
    {Clue::kClosesRegularly, -8, "{C0} closes what {O0} opens ({n} times)"},
    {Clue::kOpenedIt, -6, "{C0} had opened it itself"},
    {Clue::kSameFunction, -6, "{C0} made both closes"},
    {Clue::kWasGiven, -4, "{C0} had it from {O0}"},
    {Clue::kWasCalled, -3, "{C0} was called by the function that had the descriptor"},
    {Clue::kLedHere, -3, "one caller leads to {O0} and to {C0}, and not to the number's earlier life"},
    {Clue::kThreadHere, -3, "one thread opened it, closed it and came back to it"},
    {Clue::kNamedAsHere, -2, "{C0} belongs with {O0} by its class or name"},
    {Clue::kFileHere, -2, "{C0} is in the source file of {O0}, the number's earlier life is not"},
    {Clue::kModuleHere, -2, "{C0} is in the module of {O0}, the number's earlier life is not"},
    {Clue::kLateElsewhere, -6, "{A} closed the same twice {n} times where the number had no earlier life of others"},
};

constexpr bool IsInOrder() {
  size_t index = 0;
  for (const Weight& weight : kWeights) {
    if (static_cast<size_t>(weight.clue) != index++) return false;
  }
  return true;
}
static_assert(IsInOrder());

/// What a sum means. Proven takes more than points: nothing speaks for the other history, and the victim is known to
/// close its own.
inline constexpr int kProvenFrom = 9;     ///< C0 was stale
inline constexpr int kLikelyFrom = 5;     ///< C0 was stale
inline constexpr int kOneOfFrom = 3;      ///< one of two, rather C0
inline constexpr int kOneOfLateFrom = 0;  ///< one of two, rather A, if anything speaks for C0 at all; below, A was late

}  // namespace fdaudit::analyzer
