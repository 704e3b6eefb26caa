// Kernel objects that are used by a descriptor: event, signal and timer counters, watchers of files, processes and
// mounts; and what an epoll set watches.
//
// Some of these are younger than the oldest libc that we run on. A program that looks with dlsym whether libc has one
// finds ours there, which fails with ENOSYS: the answer of a kernel without it, for which such a program is prepared.

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "shim/events/events.h"
#include "shim/families/means.h"
#include "shim/families/new_descriptors.h"

// Declared only by newer headers, or by ones that clash with the kernel's.
extern "C" {
int eventfd(unsigned int, int) noexcept;
int timerfd_create(int, int) noexcept;
int inotify_init() noexcept;
int inotify_init1(int) noexcept;
int fanotify_init(unsigned int, unsigned int) noexcept;
int pidfd_open(int, unsigned int) noexcept;
int pidfd_getfd(int, int, unsigned int) noexcept;
int open_tree(int, const char*, unsigned int) noexcept;
int fsopen(const char*, unsigned int) noexcept;
int fsmount(int, unsigned int, unsigned int) noexcept;
int fspick(int, const char*, unsigned int) noexcept;
}

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("opens an epoll set", int, epoll_create, int size) noexcept {
  return Opened(NewEpollSet(0), real::epoll_create, size);
}
INTERPOSE("opens an epoll set", int, epoll_create1, int flags) noexcept {
  return Opened(NewEpollSet(flags), real::epoll_create1, flags);
}
INTERPOSE("registers a descriptor in an epoll set, or takes it out" CHECKED, int, epoll_ctl, int set, int operation,
          int fd, epoll_event* event)
noexcept {
  return Registered(set, operation, fd, real::epoll_ctl, set, operation, fd, event);
}

INTERPOSE("opens an event counter", int, eventfd, unsigned int initial, int flags) noexcept {
  return Opened([=](TargetText& text) { return NewEvent(initial, flags, text); }, real::eventfd, initial, flags);
}
INTERPOSE("opens a receiver of signals, or changes which it receives" CHECKED, int, signalfd, int fd,
          const sigset_t* mask, int flags)
noexcept {
  const auto what = [=](TargetText& text) { return NewSignals(mask, flags, text); };
  return fd < 0 ? Opened(what, real::signalfd, fd, mask, flags) : Retargeted(fd, what, real::signalfd, fd, mask, flags);
}
INTERPOSE("opens a timer", int, timerfd_create, int clock, int flags) noexcept {
  return Opened(NewTimer(clock, flags), real::timerfd_create, clock, flags);
}

INTERPOSE("opens a watcher of files", int, inotify_init) noexcept { return Opened(NewInotify(0), real::inotify_init); }
INTERPOSE("opens a watcher of files", int, inotify_init1, int flags) noexcept {
  return Opened(NewInotify(flags), real::inotify_init1, flags);
}
INTERPOSE("opens a watcher of files", int, fanotify_init, unsigned int flags, unsigned int event_flags) noexcept {
  return Opened(NewFanotify(flags), real::fanotify_init, flags, event_flags);
}

INTERPOSE("opens a descriptor of a process", int, pidfd_open, int pid, unsigned int flags) noexcept {
  return Opened([=](TargetText& text) { return NewProcess(pid, flags, text); }, real::pidfd_open, pid, flags);
}
INTERPOSE("copies another process's descriptor" CHECKED, int, pidfd_getfd, int process, int fd, unsigned int flags)
noexcept {
  // The number is one of that process's, which may be this one.
  return OpenedFrom(
      UsedNumbers{process, IsOwnProcess(process) ? fd : kNoDescriptor, false},
      [=](TargetText&) { return NewCopyFrom(process); }, real::pidfd_getfd, process, fd, flags);
}

INTERPOSE("opens a mount, or a copy of one" CHECKED, int, open_tree, int directory, const char* path,
          unsigned int flags)
noexcept {
  return OpenedFrom(UsedNumbers{directory, kNoDescriptor, false}, NewMount(path, (flags & O_CLOEXEC) != 0),
                    real::open_tree, directory, path, flags);
}
INTERPOSE("opens a filesystem's configuration", int, fsopen, const char* filesystem, unsigned int flags) noexcept {
  return Opened(NewMount(filesystem, (flags & kMountCloseOnExec) != 0), real::fsopen, filesystem, flags);
}
INTERPOSE("opens a mount" CHECKED, int, fsmount, int filesystem, unsigned int flags, unsigned int attributes) noexcept {
  return OpenedFrom(
      UsedNumbers{filesystem, kNoDescriptor, false},
      [=](TargetText& text) { return NewMountOf(filesystem, (flags & kMountCloseOnExec) != 0, text); }, real::fsmount,
      filesystem, flags, attributes);
}
INTERPOSE("opens a filesystem's configuration" CHECKED, int, fspick, int directory, const char* path,
          unsigned int flags)
noexcept {
  return OpenedFrom(UsedNumbers{directory, kNoDescriptor, false}, NewMount(path, (flags & kMountCloseOnExec) != 0),
                    real::fspick, directory, path, flags);
}
