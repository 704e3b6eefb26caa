// Pipes.

#include <fcntl.h>
#include <unistd.h>

#include "shim/events.h"

extern "C" int __pipe(int*);

namespace fdaudit::shim {
namespace {

NewDescriptor NewPipe(int flags) {
  NewDescriptor what;
  what.kind = trace::FdKind::kPipe;
  if ((flags & O_CLOEXEC) != 0) what.flags |= trace::kCloseOnExec;
  return what;
}

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("opens both ends of a pipe", int, pipe, int* fds) noexcept {
  return OpenedPair(NewPipe(0), fds, real::pipe, fds);
}
INTERPOSE("opens both ends of a pipe", int, __pipe, int* fds) { return OpenedPair(NewPipe(0), fds, real::__pipe, fds); }
INTERPOSE("opens both ends of a pipe", int, pipe2, int* fds, int flags) noexcept {
  return OpenedPair(NewPipe(flags), fds, real::pipe2, fds, flags);
}
