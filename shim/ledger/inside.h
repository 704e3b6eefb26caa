#pragma once

// Which thread is inside a call that may block, on which number: so that a close of it by another thread is noticed,
// after which the first waits for what nobody can name any more, or goes on with whatever has got the number since.
// Noted in processes that have had threads, for numbers below kInsideNumbers: two stores before a call and one after
// it. Of several threads inside calls on one number the latest counts.
//
// A thread that never returns (cancelled, or a handler jumped out of the call) leaves its mark, until its next such
// call at the latest, or its end.
//
// Any thread, any signal context, no locks, errno untouched.

#include <cstdint>

#include "shim/ledger/ledger.h"
#include "shim/stack/walk.h"

namespace fdaudit::shim {

inline constexpr uint32_t kInsideNumbers = 1024;

/// Before a call on `fd` that may block. False: nothing was noted.
bool EnterCall(const CallerRegisters& caller, uint16_t call, int fd);
/// It has returned.
void LeaveCall(const CallerRegisters& caller, int fd);

/// Around such a call; for the interposer itself, as FDAUDIT_CALLER_REGISTERS is.
class InsideCall {
 public:
  InsideCall(const CallerRegisters& caller, uint16_t call, int fd)
      : caller_(caller),
        fd_(fd),
        is_noted_(static_cast<uint32_t>(fd) < kInsideNumbers && EnterCall(caller, call, fd)) {}
  ~InsideCall() {
    if (__builtin_expect(is_noted_, 0)) LeaveCall(caller_, fd_);
  }
  InsideCall(const InsideCall&) = delete;
  InsideCall& operator=(const InsideCall&) = delete;

 private:
  CallerRegisters caller_;
  int fd_;
  bool is_noted_;
};

/// `close` is about to close the life of `fd` that `ticket` says: where another thread is inside a call on it, that is
/// a finding.
void NoteClosedInside(int fd, const CloseTicket& ticket, const trace::Act& close);

}  // namespace fdaudit::shim
