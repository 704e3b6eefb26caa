#include "shim/ledger/standards.h"

#include <stdio_ext.h>
#include <unistd.h>

#include <cstdio>

#include "shim/base/raw_io.h"
#include "shim/ledger/lifetime.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {
namespace {

using trace::FindingRecord;

struct Reuse {
  uint32_t image;
  uint32_t record;   ///< index + 1
  bool is_there;     ///< what was opened has not been closed yet
  bool was_written;  ///< to another one that the record stands for
};
constinit Reuse reused[STDERR_FILENO + 1] = {};

FindingRecord& RecordOf(const Reuse& reuse) {
  return *recorder.At<FindingRecord>(trace::RegionKind::kFindings, reuse.record - 1);
}

/// Its position is where an open leaves it, and nothing waits to be written.
bool IsUnwritten(int fd) {
  if (!SystemCallsAllowed() || raw::Call(SYS_lseek, fd, 0, SEEK_CUR) != 0) return false;
  return fd != STDOUT_FILENO || stdout == nullptr || __fpending(stdout) == 0;
}

}  // namespace

void FollowStandard(int fd, uint32_t image, uint32_t record) {
  Reuse& reuse = reused[fd];
  const bool is_same = reuse.record == record && reuse.image == image;
  const bool was_written = is_same && (reuse.was_written || RecordOf(reuse).unwritten == 0);
  reuse = {image, record, true, was_written};
  RecordOf(reuse).unwritten = 0;
}

void NoteStandardLeft(int fd) {
  if (static_cast<unsigned>(fd) > STDERR_FILENO) return;
  Reuse& reuse = reused[fd];
  if (!reuse.is_there || reuse.image != CurrentImage()) return;
  reuse.is_there = false;
  if (!reuse.was_written && IsUnwritten(fd)) RecordOf(reuse).unwritten = 1;
}

}  // namespace fdaudit::shim
