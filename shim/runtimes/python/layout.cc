// See layout.h.

#include "shim/runtimes/python/layout.h"

#include <cstring>

namespace fdaudit::shim::python {
namespace {

/// What an interpreter says about itself, from 3.13 on: groups of words, of which each version has some more. The ones
/// that matter here are found by what they must be.
class SelfDescription {
 public:
  explicit SelfDescription(const char* runtime) { memcpy(words_, runtime, sizeof words_); }

  bool IsOne() const { return memcmp(words_, "xdebugpy", 8) == 0; }
  bool IsFreeThreaded() const { return words_[2] != 0; }

  bool Read(uint16_t minor, Layout* out) const {
    const size_t thread = Find(16, [](const uint64_t* w) { return w[1] == 0 && w[2] == 8 && w[3] == 16; });
    const size_t frame = Find(thread + 7, [](const uint64_t* w) { return w[1] == 8 && w[2] == 0; });
    const size_t code = Find(frame + 6, [](const uint64_t* w) {
      return w[1] > 16 && w[2] == w[1] + 8 && w[3] == w[1] + 16 && w[4] == w[1] + 24;
    });
    if (code >= kWords) return false;
    *out = Layout();
    out->minor = minor;
    out->entry = Entry::kOnStack;
    out->lines = LineTable::kLocations;
    out->pointer_tag = minor >= 14 ? 7 : 0;
    out->first_entry_owner = 3;
    out->current_frame = Offset(thread + 4);
    out->thread_id = Offset(thread + 5);
    out->frame_previous = Offset(frame + 1);
    out->frame_code = Offset(frame + 2);
    out->frame_instruction = Offset(frame + 3);
    out->frame_entry = out->frame_owner = Offset(frame + 5);
    out->code_file = Offset(code + 1);
    out->code_name = Offset(code + 3);
    out->code_table = Offset(code + 4);
    out->code_first_line = Offset(code + 5);
    out->code_instructions = Offset(code + 9);
    // An int, before the pointer that lies before the instructions.
    out->code_first_traceable = static_cast<uint16_t>(out->code_instructions - 16);
    out->ascii_data = 40;
    out->compact_data = 56;
    return true;
  }

 private:
  static constexpr size_t kWords = 64;
  static constexpr size_t kLongestGroup = 10;

  template <typename Fits>
  size_t Find(size_t from, Fits fits) const {
    while (from + kLongestGroup <= kWords && !fits(words_ + from)) ++from;
    return from + kLongestGroup <= kWords ? from : kWords;
  }
  uint16_t Offset(size_t index) const { return static_cast<uint16_t>(words_[index]); }

  uint64_t words_[kWords];
};

/// Versions whose self-description was looked at by its maker's eyes.
constexpr uint32_t kNewestDescribed = 14;

}  // namespace

bool FindLayout(const char* runtime, uint32_t major, uint32_t minor, Layout* out) {
  if (major != 3 || minor > kNewestDescribed) return false;
  const SelfDescription description(runtime);
  if (description.IsOne()) return !description.IsFreeThreaded() && description.Read(static_cast<uint16_t>(minor), out);
  for (const Layout& layout : kLayouts) {
    if (layout.minor != minor) continue;
    *out = layout;
    return true;
  }
  return false;
}

}  // namespace fdaudit::shim::python
