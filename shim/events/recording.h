#pragma once

// What all verbs do to record. For the files that define them alone (opens.cc, closes.cc …).

#include "shim/base/guard.h"
#include "shim/base/raw_io.h"
#include "shim/base/thread.h"
#include "shim/events/events.h"
#include "shim/ledger/lifetime.h"
#include "shim/process/descriptor_table.h"
#include "shim/stack/table.h"
#include "shim/trace/journal.h"

namespace fdaudit::shim {

/// Stands for the state of who records nothing, and may have none.
inline constinit ThreadState nobody = {};

/// One recording: holds the guard, knows image and thread, has captured the stack. False where nothing is recorded.
class Recording {
 public:
  explicit Recording(const CallSite& site) : site_(site), image_(CurrentImage()), thread_(StateOf(image_)) {
    // What the walk remembers lies in the TLS, on which a guest may run at this moment.
    if (image_ != 0) stack_ = StackNumber(site.caller, guard_.nested() || thread_state.guests != 0);
  }

  explicit operator bool() const { return image_ != 0; }
  /// The caller's descriptor table may not be the one whose ledger lies in this memory.
  bool owns_ledger() const { return thread_.UsesLedger(); }
  /// It is the table of a program to come (vfork and the like).
  bool arranges_exec() const { return !owns_ledger() && IsGuestProcess(thread_); }
  bool nested() const { return guard_.nested(); }
  ThreadState& thread() { return thread_; }

  trace::Act MakeAct(uint64_t stamp, unsigned flags = 0) const {
    if (SingleThreaded() || InVforkChild()) flags |= trace::kActSingleThreaded;
    if (guard_.nested()) flags |= trace::kActInSignalHandler;
    if (!owns_ledger()) flags |= trace::kActOwnTable;
    return {stamp, image_, thread_.thread, stack_, site_.call, static_cast<uint16_t>(flags)};
  }

  uint64_t Journal(trace::EventKind kind, const trace::Act& act, int fd, int other, uint32_t incarnation = 0,
                   int error = 0) {
    if (IsStranger(thread_)) return 0;
    return WriteEvent(thread_, trace::Event{.stamp = act.stamp,
                                            .stack = act.stack,
                                            .fd = fd,
                                            .other = other,
                                            .incarnation = incarnation,
                                            .call = act.call,
                                            .tag = 0,
                                            .error = static_cast<int16_t>(error),
                                            .kind = kind,
                                            .flags = static_cast<uint8_t>(act.flags)});
  }

  /// Puts back what a close of this thread that never returned has taken out of the ledger (see ThreadState).
  void SettleUnreturnedClose() {
    const int fd = thread_.closing_fd;
    if (fd < 0 || site_.caller.sp < thread_.closing_frame || OnAlternateStack()) return;
    thread_.closing_fd = -1;
    if (raw::DescriptorFlags(fd) >= 0) LedgerCloseUndo(fd, thread_.closing_count);
  }

 private:
  static ThreadState& StateOf(uint32_t image) { return image == 0 ? nobody : ThreadOf(image); }

  const CallSite& site_;
  Guard guard_;
  uint32_t image_;
  ThreadState& thread_;
  uint32_t stack_ = 0;
};

}  // namespace fdaudit::shim
