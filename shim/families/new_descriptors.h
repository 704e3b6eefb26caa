#pragma once

// What a call's arguments say about the descriptor that it opens: one definition for a function and for the number of
// its system call. Nothing here looks at the program's memory but where it takes a TargetText&: such a function is
// called once the call has succeeded (see Opened in events.h).

#include <fcntl.h>
#include <sys/socket.h>

#include <cstdint>

#include "shim/events/events.h"
#include "shim/ledger/channel_text.h"

namespace fdaudit::shim {

inline NewDescriptor NewObject(trace::FdKind kind, bool close_on_exec, const char* target = nullptr) {
  NewDescriptor what;
  what.kind = kind;
  if (close_on_exec) what.flags |= trace::kCloseOnExec;
  what.target = target;
  return what;
}

/// `flags` are open(2)'s. O_TMPFILE names a directory, and opens a file in it.
inline NewDescriptor NewFile(const char* path, int flags) {
  const bool directory = (flags & O_TMPFILE) == O_DIRECTORY;
  NewDescriptor what =
      NewObject(directory ? trace::FdKind::kDirectory : trace::FdKind::kFile, (flags & O_CLOEXEC) != 0, path);
  if (!directory) what.detail = (flags & O_PATH) != 0 ? trace::kAccessNone : (flags & O_ACCMODE) + 1;
  return what;
}

/// A path relative to a directory is recorded with what is known of that.
NewDescriptor NewFileAt(int directory, const char* path, int flags, TargetText& text);

/// openat2(2)'s struct open_how begins with its flags, in all its versions.
inline NewDescriptor NewFileAt(int directory, const char* path, const void* how, TargetText& text) {
  return NewFileAt(directory, path, static_cast<int>(*static_cast<const uint64_t*>(how)), text);
}

inline NewDescriptor NewPipe(int flags) { return NewObject(trace::FdKind::kPipe, (flags & O_CLOEXEC) != 0); }

inline NewDescriptor NewSocket(int domain, int type) {
  NewDescriptor what = NewObject(trace::FdKind::kSocket, (type & SOCK_CLOEXEC) != 0);
  what.detail = SocketDetail(domain, type);
  return what;
}
/// The same in words, as yet without addresses.
NewDescriptor NewSocket(int domain, int type, TargetText& text);
/// socketpair(2): its ends are recorded by RecordOpenedPair.
NewDescriptor NewSocketPair(int domain, int type);

/// Room that accept's caller has for an address, known before the call: what the kernel writes to `size` is the whole
/// address's, also where it had to be cut.
struct AddressRoom {
  const sockaddr* address;
  const socklen_t* size;
  socklen_t room;  ///< 0 = none, or unknown
};
/// `frame`: an address on this thread's stack. The program's memory is only read where that is known to be possible.
AddressRoom RoomFor(const sockaddr* address, const socklen_t* size, uintptr_t frame);
NewDescriptor NewConnection(int listener, const AddressRoom& from, int flags, TargetText& text);

/// `name` as the caller gave it.
NewDescriptor NewMemoryFile(const char* name, unsigned flags, TargetText& text);

/// shm_open's. libc makes it close-on-exec in any case, and takes names with any number of leading slashes.
NewDescriptor NewSharedMemory(const char* name, TargetText& text);

/// The kernel makes it close-on-exec in any case.
inline NewDescriptor NewMessageQueue(const char* name) { return NewObject(trace::FdKind::kMessageQueue, true, name); }

// ---------------------------------------------------------------------------------------------------------------------
// Kernel objects

inline NewDescriptor NewEpollSet(int flags) { return NewObject(trace::FdKind::kEpoll, (flags & O_CLOEXEC) != 0); }
NewDescriptor NewEvent(unsigned initial, int flags, TargetText& text);
NewDescriptor NewSignals(const void* mask, int flags, TargetText& text);
NewDescriptor NewTimer(int clock, int flags);
inline NewDescriptor NewInotify(int flags) { return NewObject(trace::FdKind::kInotify, (flags & O_CLOEXEC) != 0); }
NewDescriptor NewFanotify(unsigned flags);
/// getsockopt(SO_PEERPIDFD), which opens a descriptor that stands for the process at the other end of a socket.
bool AsksForPeerProcess(int level, int name);
NewDescriptor NewPeerProcess(int socket, TargetText& text);
template <typename Function, typename... A>
__attribute__((always_inline)) inline int OpenedPeerProcess(int socket, const int* opened, Function& function,
                                                            A... arguments) {
  const int result = static_cast<int>(Used(socket, function, arguments...));
  if (result != 0) return result;
  TargetText text;
  RecordOpened(FDAUDIT_CALL_SITE(function), *opened, NewPeerProcess(socket, text));
  return result;
}

/// A descriptor that stands for the process `pid`; `flags` are pidfd_open's.
NewDescriptor NewProcess(int pid, unsigned flags, TargetText& text);
/// A copy of another process's descriptor; `process` stands for that one.
NewDescriptor NewCopyFrom(int process);
inline constexpr unsigned kMountCloseOnExec = 1;  // FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC, FSPICK_CLOEXEC

/// `name`: of a mount point or a filesystem type.
inline NewDescriptor NewMount(const char* name, bool close_on_exec) {
  return NewObject(trace::FdKind::kMount, close_on_exec, name);
}
/// `filesystem`: the descriptor that fsopen returned.
NewDescriptor NewMountOf(int filesystem, bool close_on_exec, TargetText& text);

}  // namespace fdaudit::shim
