#include "tests/support/rich_trace.h"

#include "tests/support/trace_builder.h"

namespace fdaudit::testing {

std::string RichTrace() {
  TraceBuilder trace;
  const uint32_t app = trace.AddModule("/home/me/app");
  const uint32_t libc = trace.AddModule("/lib/x86_64-linux-gnu/libc.so.6", "0123456789abcdef0123");
  const uint32_t open = trace.AddStack({{app, 0x1100}, {app, 0x1200}, {libc, 0x27249}});
  const uint32_t close = trace.AddStack({{app, 0x1300}, {app, 0x1200}, {libc, 0x27249}});
  const uint32_t jit = trace.AddStack({{0, 0x7f1234}, {app, 0x1200}}, trace::kStackBroken);
  const uint32_t parent = trace.AddImage();
  const uint32_t child = trace.AddImage();
  trace.Image(child).started_by = trace::StartedBy::kFork;
  trace.Image(child).parent = parent;
  trace.Image(child).ended_by = trace::EndedBy::kNone;
  trace.Image(parent).untracked_opens = 2;
  trace.Image(parent).reasons = trace::kReasonNoRoom | trace::kReasonExecUnaudited;
  trace.Image(parent).exec_target = trace.AddText("/bin/static");

  for (int fd = 3; fd < 20; ++fd) {
    trace.AddOpenSlot(parent, fd, trace.MakeAct(parent, "open", open), "/tmp/odd\xff name");
    trace::Slot& inherited = trace.AddOpenSlot(child, fd, trace.MakeAct(parent, "open", open));
    inherited.lives[1].opened.flags = trace::kActInherited;
  }
  trace.AddOpenSlot(child, 40, trace.MakeAct(child, "socket", jit)).lives[1].kind = trace::FdKind::kSocket;

  for (int i = 0; i < 4; ++i) {
    trace::FindingRecord& record = trace.AddFailedClose(parent, 30 + i, trace.MakeAct(parent, "close", close));
    if (i > 0) record.lives[0].opened = trace.MakeAct(parent, "open", open);
    if (i > 0) record.lives[0].closed = trace.MakeAct(parent, "close", close);
    if (i > 1) record.lives[1] = record.lives[0];
    if (i > 2) record.kind = trace::FindingKind::kStaleClose;
  }
  trace.AddCloseCount(open, close, 31);
  trace.AddCloseCount(open, close, ~uint64_t{0});
  for (int i = 0; i < 100; ++i) {
    trace.AddEvent(i % 2 == 0 ? parent : child, static_cast<uint32_t>(1 + i % 3),
                   TraceBuilder::MakeEvent(trace.NextStamp(), static_cast<trace::EventKind>(1 + i % 20), i, open));
  }
  return trace.Bytes();
}

}  // namespace fdaudit::testing
