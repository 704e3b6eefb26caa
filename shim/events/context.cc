// See context.h.

#include "shim/events/context.h"

#include <cstring>
#include <initializer_list>

#include "shim/base/clock.h"
#include "shim/base/guard.h"
#include "shim/base/text.h"
#include "shim/base/thread.h"
#include "shim/ledger/ledger.h"
#include "shim/ledger/lifetime.h"
#include "shim/process/records.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {
namespace {

using trace::RegionKind;

/// What the process is at. A data race here, which two threads that change it at once make in libc too, costs no more
/// than a text kept twice.
struct Current {
  uint64_t hash;
  trace::Text text;
  uint32_t image;  ///< that said so; a forked child's is its parent's
  uint64_t began;
};
constinit Current current = {};

/// "tests/test_app.py::test_reload (call)": the phase is no part of the context.
size_t LengthWithoutPhase(const char* value) {
  const size_t length = strlen(value);
  for (const char* phase : {" (setup)", " (call)", " (teardown)"}) {
    const size_t tail = strlen(phase);
    if (length > tail && memcmp(value + length - tail, phase, tail) == 0) return length - tail;
  }
  return length;
}

size_t LengthKept(const char* value) {
  constexpr size_t kLongest = 1024;
  const size_t length = value == nullptr ? 0 : LengthWithoutPhase(value);
  return length > kLongest ? kLongest : length;
}

}  // namespace

void NoteContext(const char* value) {
  const Guard guard;
  const uint32_t image = CurrentImage();
  if (image == 0 || InVforkChild()) return;
  const size_t length = LengthKept(value);
  const uint64_t hash = HashBytes(value, length);
  const bool same = current.hash == hash && current.text.length == length;
  if (same && current.image == image) return;  // a test's next phase
  const int64_t index = recorder.Claim(RegionKind::kContexts);
  if (index < 0) return;
  auto* change = recorder.At<trace::ContextChange>(RegionKind::kContexts, static_cast<uint64_t>(index));
  change->stamp = Stamp();
  if (current.text.length != 0) change->left = LedgerCountOpenedSince(current.image == image ? current.began : 0);
  if (!same) current.text = length == 0 ? trace::Text{} : recorder.AddText(value, length);
  current = {hash, current.text, image, change->stamp};
  change->text = current.text;
  Keep(image);
  Atomic(change->image).store(image, std::memory_order_release);
}

void NoteEnvironmentEntry(const char* entry) {
  constexpr size_t kLength = sizeof kContextVariable - 1;
  if (entry == nullptr || strncmp(entry, kContextVariable, kLength) != 0) return;
  if (entry[kLength] == '=') NoteContext(entry + kLength + 1);
  if (entry[kLength] == '\0') NoteContext(nullptr);
}

}  // namespace fdaudit::shim
