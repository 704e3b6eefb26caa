// No disassembler: a call of one target is a pattern of five or six bytes of which four depend on where it stands. That
// other bytes happen to look so is a matter of one in four thousand million.

#include "analyzer/symbols/call_site.h"

#include <elf.h>

#include <cstring>
#include <optional>

namespace fdaudit::analyzer {
namespace {

constexpr size_t kMostCode = 1 << 20;
constexpr uint64_t kByPlace = uint64_t{1} << 63;

int32_t Word(std::string_view code, size_t at) {
  int32_t word = 0;
  memcpy(&word, code.data() + at, sizeof word);
  return word;
}

/// The target of a call that returns to `end`, and how it is made.
struct Target {
  bool is_slot;  ///< through the slot at `place`; else to the code there
  uint64_t place;
  friend bool operator==(const Target&, const Target&) = default;
};

/// call rel32 (E8), call *disp32(%rip) (FF 15): both relative to the next instruction.
std::optional<Target> TargetOnX86(std::string_view code, size_t end, uint64_t address) {
  if (end < 5) return std::nullopt;
  const uint64_t place = address + end + static_cast<uint64_t>(int64_t{Word(code, end - 4)});
  if (code[end - 5] == '\xe8') return Target{false, place};
  if (end >= 6 && code[end - 6] == '\xff' && code[end - 5] == '\x15') return Target{true, place};
  return std::nullopt;
}

/// bl imm26: in words, relative to itself.
std::optional<Target> TargetOnArm(std::string_view code, size_t end, uint64_t address) {
  if (end < 4 || end % 4 != 0) return std::nullopt;
  const auto word = static_cast<uint32_t>(Word(code, end - 4));
  if ((word & 0xfc000000) != 0x94000000) return std::nullopt;
  const int64_t offset = static_cast<int32_t>(word << 6) >> 4;
  return Target{false, address + end - 4 + static_cast<uint64_t>(offset)};
}

}  // namespace

uint64_t CallSite(uint16_t machine, std::string_view code, uint64_t address) {
  const auto target_at = machine == EM_X86_64 ? TargetOnX86 : machine == EM_AARCH64 ? TargetOnArm : nullptr;
  if (code.empty() || code.size() > kMostCode || target_at == nullptr) return 0;
  const std::optional<Target> target = target_at(code, code.size(), address);
  if (!target) return kByPlace | code.size();
  uint64_t ordinal = 0;
  for (size_t end = 1; end <= code.size(); ++end) {
    const std::optional<Target> other = target_at(code, end, address);
    if (other && *other == *target) ++ordinal;
  }
  return ordinal;
}

}  // namespace fdaudit::analyzer
