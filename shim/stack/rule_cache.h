#pragma once

// The process's memory of unwind rules, keyed by return address. Written by the thread that sees an address first, read
// by all threads, never locked: an entry is two words, the key xored with the rule, and the rule; an entry torn between
// two writers fails the comparison and is a miss. Private memory, so that a forked child has a copy and a vfork child
// adds to its parent's, harmlessly. Usable in every context.

#include <atomic>
#include <cstdint>

#include "shim/stack/objects.h"
#include "shim/stack/rule.h"

namespace fdaudit::shim {

/// Set in a code address that was interrupted by a signal: the instruction there has not run yet, so its rule is looked
/// up at the address itself, not at the call one byte before.
inline constexpr uint64_t kExactPc = uint64_t{1} << 63;

constexpr uintptr_t PlainPc(uint64_t pc) { return pc & ~kExactPc; }

/// Where rules come from: FindCfiRule's like, or libunwind_rules.h's. `pc` and `rip` as in FindCfiRule.
using RuleSource = Rule (*)(const Module& module, uintptr_t pc, uintptr_t rip);

/// To be called before the first walk, or followed by ForgetRules().
void SetRuleSource(RuleSource source);

/// Every rule is looked up afresh from now on: code addresses may mean other code (after dlclose).
void ForgetRules();

/// Changes with ForgetRules(); part of every stack's hash.
uint64_t RulesGeneration();

namespace internal {

struct RuleEntry {
  std::atomic<uint64_t> check;  ///< key ^ rule
  std::atomic<uint64_t> rule;
};

inline constexpr uint32_t kRuleEntries = 8192;  // 128 KiB of zero pages, touched as they fill
inline constexpr uint32_t kRulesPerPage = 256;
extern RuleEntry rule_entries[kRuleEntries];
extern std::atomic<uint64_t> rules_salt;  ///< distinct for every generation

/// Neighbouring code shares a page of the table: a short-lived process walks a few stacks, and pays some microseconds
/// for each page that it touches first.
inline uint32_t RuleIndex(uint64_t pc) {
  const uint64_t region = pc >> 16;
  const uint64_t page = (region ^ region >> 5) % (kRuleEntries / kRulesPerPage);
  return static_cast<uint32_t>(page * kRulesPerPage + (pc ^ pc >> 8) % kRulesPerPage);
}

Rule LookUpRule(uint64_t pc);

}  // namespace internal

/// The rule for a code address, see kExactPc.
inline Rule RuleFor(uint64_t pc) {
  const uint64_t key = pc ^ internal::rules_salt.load(std::memory_order_relaxed);
  const internal::RuleEntry& entry = internal::rule_entries[internal::RuleIndex(pc)];
  const uint64_t rule = entry.rule.load(std::memory_order_relaxed);
  if ((entry.check.load(std::memory_order_relaxed) ^ rule) == key) [[likely]]
    return Rule(rule);
  return internal::LookUpRule(pc);
}

/// Whether the bytes before `pc` are a call, and so `pc` can be a return address. Loads only what is known, or proven
/// by a probe, to be readable.
bool FollowsCall(uintptr_t pc);

}  // namespace fdaudit::shim
