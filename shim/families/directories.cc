// Directory streams, and walks through a tree of directories (fts(3)).

#include <dirent.h>
#include <fcntl.h>
#include <fts.h>

#include "shim/events/events.h"
#include "shim/families/means.h"
#include "shim/families/new_descriptors.h"

namespace fdaudit::shim {
namespace {

NewDescriptor NewDirectoryStream(const char* path) {
  NewDescriptor what = NewFile(path, O_DIRECTORY | O_CLOEXEC);
  what.flags |= trace::kOwnedByDir;
  return what;
}

int NumberOfDirectory(DIR* directory) { return directory == nullptr ? kNoDescriptor : dirfd(directory); }

/// Every directory stream has a descriptor, so one that holds none has been closed. Its memory was freed then, and
/// whatever stands for the number there now may be anybody's.
template <typename Function>
__attribute__((always_inline)) inline int DirectoryClosed(Function& function, DIR* directory) {
  constexpr uint8_t kOwner = trace::kOwnedByDir;
  const int fd = NumberOfDirectory(directory);
  if (directory != nullptr && !RecordedHolder(fd, kOwner, directory)) {
    const CallSite site = FDAUDIT_CALL_SITE(function);
    if (RecordClosedAgain(site, fd, kOwner, directory)) return function(directory);
  }
  return Closed<kItsStream>(fd, function, directory);
}

// A walk changes the working directory as it goes, unless FTS_NOCHDIR forbids it or the way back could not be kept. It
// keeps where it began, and where it followed a symbolic link on the program's word (fts_set FTS_FOLLOW): there ".."
// leads elsewhere.

NewDescriptor NewWayBack() { return NewFile(".", O_DIRECTORY); }

template <typename Walk>
int WayBackOfWalk(const Walk* walk) {
  return (walk->fts_options & FTS_NOCHDIR) != 0 ? kNoDescriptor : walk->fts_rfd;
}

template <typename Entry>
int WayBackOfLink(const Entry* entry) {
  const bool followed = entry != nullptr && entry->fts_info != FTS_INIT && (entry->fts_flags & FTS_SYMFOLLOW) != 0;
  return followed ? entry->fts_symfd : kNoDescriptor;
}

/// fts_read opens the way back of a link when it comes to what the link leads to, and closes it when it leaves that.
template <typename Entry, typename Function, typename Walk>
__attribute__((always_inline)) inline Entry* ReadNext(Function& function, Walk* walk) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const Entry* current = walk->fts_cur;
  const bool inside = current != nullptr && current->fts_info != FTS_INIT;
  const int kept[] = {WayBackOfLink(current), WayBackOfLink(inside ? current->fts_parent : nullptr)};
  Entry* next = function(walk);
  const bool forward = next != nullptr && next->fts_info == FTS_D;
  const int opened = forward ? WayBackOfLink(next) : kNoDescriptor;
  for (const int fd : kept) {
    if (fd != kNoDescriptor && fd != opened) RecordClosedInside(site, fd);
  }
  // Under seccomp its end could not be recorded.
  if (opened != kNoDescriptor && opened != kept[0] && SystemCallsAllowed()) {
    NewDescriptor what = NewWayBack();
    what.owner = next;
    RecordOpened(site, opened, what);
  }
  return next;
}

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("opens a directory stream, which owns its descriptor", DIR*, opendir, const char* path) {
  return OpenedOwner<DIR>(NewDirectoryStream(path), NumberOfDirectory, real::opendir, path);
}
INTERPOSE("makes a directory stream the descriptor's owner" CHECKED, DIR*, fdopendir, int fd) {
  return Adopted<DIR>(fd, fdaudit::trace::kOwnedByDir, real::fdopendir, fd);
}
INTERPOSE("closes a directory stream's descriptor", int, closedir, DIR* directory) {
  return DirectoryClosed(real::closedir, directory);
}

INTERPOSE("opens the working directory, as a walk's way back", FTS*, fts_open, char* const* paths, int flags,
          int (*compare)(const FTSENT**, const FTSENT**)) {
  return OpenedOwner<FTS>(NewWayBack(), WayBackOfWalk<FTS>, real::fts_open, paths, flags, compare);
}
INTERPOSE("opens the working directory, as a walk's way back", FTS64*, fts64_open, char* const* paths, int flags,
          int (*compare)(const FTSENT64**, const FTSENT64**)) {
  return OpenedOwner<FTS64>(NewWayBack(), WayBackOfWalk<FTS64>, real::fts64_open, paths, flags, compare);
}
INTERPOSE("opens and closes the way back from where a link led", FTSENT*, fts_read, FTS* walk) {
  return ReadNext<FTSENT>(real::fts_read, walk);
}
INTERPOSE("opens and closes the way back from where a link led", FTSENT64*, fts64_read, FTS64* walk) {
  return ReadNext<FTSENT64>(real::fts64_read, walk);
}
INTERPOSE("closes a walk's way back", int, fts_close, FTS* walk) {
  return Closed(WayBackOfWalk(walk), real::fts_close, walk);
}
INTERPOSE("closes a walk's way back", int, fts64_close, FTS64* walk) {
  return Closed(WayBackOfWalk(walk), real::fts64_close, walk);
}
