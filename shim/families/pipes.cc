// Pipes.

#include <unistd.h>

#include "shim/events/events.h"
#include "shim/families/new_descriptors.h"

extern "C" int __pipe(int*);

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("opens both ends of a pipe", int, pipe, int* fds) noexcept {
  return OpenedPair(NewPipe(0), fds, real::pipe, fds);
}
INTERPOSE("opens both ends of a pipe", int, __pipe, int* fds) { return OpenedPair(NewPipe(0), fds, real::__pipe, fds); }
INTERPOSE("opens both ends of a pipe", int, pipe2, int* fds, int flags) noexcept {
  return OpenedPair(NewPipe(flags), fds, real::pipe2, fds, flags);
}
