// See context.h.

#include "shim/context.h"

#include <cstring>

#include "shim/clock.h"
#include "shim/guard.h"
#include "shim/process.h"
#include "shim/recorder.h"
#include "shim/text.h"
#include "shim/thread.h"

namespace fdaudit::shim {
namespace {

using trace::RegionKind;

/// A test is named several times, once for each of its phases: its text is kept once. A data race here, which two
/// threads that change the environment at once make in libc too, costs no more than a text kept twice.
struct LastContext {
  uint64_t hash;
  trace::Text text;
};
constinit LastContext last = {};

/// "tests/test_app.py::test_reload (call)": the phase is no part of the context.
size_t LengthWithoutPhase(const char* value) {
  const size_t length = strlen(value);
  for (const char* phase : {" (setup)", " (call)", " (teardown)"}) {
    const size_t tail = strlen(phase);
    if (length > tail && memcmp(value + length - tail, phase, tail) == 0) return length - tail;
  }
  return length;
}

trace::Text Keep(const char* value) {
  constexpr size_t kLongest = 1024;
  size_t length = LengthWithoutPhase(value);
  if (length > kLongest) length = kLongest;
  const uint64_t hash = HashBytes(value, length);
  if (length != 0 && last.hash == hash && last.text.length == length) return last.text;
  last = {hash, recorder.AddText(value, length)};
  return last.text;
}

}  // namespace

void NoteContext(const char* value) {
  const Guard guard;
  const uint32_t image = CurrentImage();
  if (image == 0 || ThreadOf(image).vfork_depth != 0) return;
  const trace::Text text = value == nullptr ? trace::Text{} : Keep(value);
  const int64_t index = recorder.Claim(RegionKind::kContexts);
  if (index < 0) return;
  auto* change = recorder.At<trace::ContextChange>(RegionKind::kContexts, static_cast<uint64_t>(index));
  change->stamp = Stamp();
  change->text = text;
  Atomic(change->image).store(image, std::memory_order_release);
}

void NoteEnvironmentEntry(const char* entry) {
  constexpr size_t kLength = sizeof kContextVariable - 1;
  if (entry == nullptr || strncmp(entry, kContextVariable, kLength) != 0) return;
  if (entry[kLength] == '=') NoteContext(entry + kLength + 1);
  if (entry[kLength] == '\0') NoteContext(nullptr);
}

}  // namespace fdaudit::shim
