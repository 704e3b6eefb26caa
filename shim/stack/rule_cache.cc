// See rule_cache.h.

#include "shim/stack/rule_cache.h"

#include "shim/base/large.h"
#include "shim/base/probe.h"
#include "shim/stack/cfi_rules.h"

namespace fdaudit::shim {
namespace internal {

FDAUDIT_LARGE constinit RuleEntry rule_entries[kRuleEntries] = {};
constinit std::atomic<uint64_t> rules_salt = 0x51ed270b1b7c9a35U;

}  // namespace internal

namespace {

using internal::RuleEntry;

// An odd multiple of an odd number never repeats within 2^64 generations. Bits are spread so that two generations'
// keys of different addresses do not meet.
constexpr uint64_t kSaltStep = 0x9e3779b97f4a7c15U;

Rule FromCfi(const Module& module, uintptr_t pc, uintptr_t rip) {
#if defined(__x86_64__)
  return FindCfiRule(module, pc, rip).rule;
#else
  // An architecture without its own register columns in cfi_program.cc: frame pointers, where they check out.
  static_cast<void>(module);
  static_cast<void>(pc);
  static_cast<void>(rip);
  return Rule::Of(CfaKind::kGuess);
#endif
}

constinit RuleSource rule_source = FromCfi;

/// Whether `size` bytes at `start`, fewer than a page, are mapped readable: by the module's headers, else by a probe.
bool CodeIsReadable(uintptr_t start, uintptr_t size) {
  Module module;
  if (FindModule(start, &module)) {
    const AddressRange segment = ReadableSegment(module, start);
    return start >= segment.start && start < segment.end && size <= segment.end - start;
  }
  return IsReadable(start & ~uintptr_t{7}) && IsReadable((start + size - 1) & ~uintptr_t{7});
}

/// mov $SYS_rt_sigreturn, %rax (or %eax); syscall: where a signal handler returns to. glibc's has CFI that says the
/// same; those of Go, musl and other runtimes have none, or none at the address less one.
bool IsSignalReturn(uintptr_t pc) {
  static constexpr uint8_t kLong[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
  static constexpr uint8_t kShort[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};
#if defined(__x86_64__)
  if (!CodeIsReadable(pc, sizeof(kLong))) return false;
  const auto* code = reinterpret_cast<const uint8_t*>(pc);
  return __builtin_memcmp(code, kLong, sizeof(kLong)) == 0 || __builtin_memcmp(code, kShort, sizeof(kShort)) == 0;
#else
  return false;
#endif
}

/// A return address at which a function begins, and before which there is neither a function nor a call, was put there
/// by hand: makecontext(3)'s __start_context, the bottom of a coroutine's stack.
bool IsStackBottom(const Module& module, uintptr_t pc) {
#if defined(__x86_64__)
  return FindCfiRule(module, pc, pc).rule.cfa() != CfaKind::kGuess && !FollowsCall(pc);
#else
  static_cast<void>(module);
  static_cast<void>(pc);
  return false;
#endif
}

void Store(RuleEntry* entry, uint64_t check, uint64_t rule) {
  entry->check.store(check, std::memory_order_relaxed);
  entry->rule.store(rule, std::memory_order_relaxed);
}

}  // namespace

namespace internal {

/// The second place of an address is its neighbour in the cache line. What is found nowhere goes to the first place,
/// and what lay there moves to the second.
__attribute__((noinline)) Rule LookUpRule(uint64_t pc) {
  const uint64_t key = pc ^ rules_salt.load(std::memory_order_relaxed);
  RuleEntry& first = rule_entries[RuleIndex(pc)];
  RuleEntry& second = rule_entries[RuleIndex(pc) ^ 1];
  const uint64_t second_rule = second.rule.load(std::memory_order_relaxed);
  if ((second.check.load(std::memory_order_relaxed) ^ second_rule) == key) return Rule(second_rule);

  const uintptr_t rip = PlainPc(pc);
  const uintptr_t instruction = (pc & kExactPc) != 0 ? rip : rip - 1;
  if (IsSignalReturn(rip)) return kSignalFrameRule;
  Module module;
  // Not kept: a library may be mapped there next.
  if (!FindModule(instruction, &module)) return Rule::Of(CfaKind::kGuess);
  Rule rule = rule_source(module, instruction, rip);
  if (rule.cfa() == CfaKind::kGuess && instruction != rip && IsStackBottom(module, rip)) rule = Rule::Of(CfaKind::kEnd);
  Store(&second, first.check.load(std::memory_order_relaxed), first.rule.load(std::memory_order_relaxed));
  Store(&first, key ^ rule.bits(), rule.bits());
  return rule;
}

}  // namespace internal

void SetRuleSource(RuleSource source) { rule_source = source; }

void ForgetRules() {
  internal::rules_salt.fetch_add(kSaltStep, std::memory_order_relaxed);
  ForgetModules();
}

uint64_t RulesGeneration() { return internal::rules_salt.load(std::memory_order_relaxed); }

bool FollowsCall(uintptr_t pc) {
  constexpr uintptr_t kLongestCall = 7;
  if (pc < kProbePage || !CodeIsReadable(pc - kLongestCall, kLongestCall)) return false;
#if defined(__x86_64__)
  const auto* code = reinterpret_cast<const uint8_t*>(pc);
  if (code[-5] == 0xe8) return true;  // call rel32
  for (const int length : {2, 3, 4, 6, 7}) {
    if (code[-length] == 0xff && (code[1 - length] >> 3 & 7) == 2) return true;  // call r/m64: opcode FF /2
  }
  return false;
#else
  return true;
#endif
}

}  // namespace fdaudit::shim
