#include "analyzer/detect/kinds.h"

namespace fdaudit::analyzer {
namespace {

constexpr KindInfo kTable[kKinds] = {
    {Kind::kLeak,
     "leak",
     Severity::kWarning,
     "a descriptor was never closed",
     "The program opened a descriptor and never closed it: it was still open when the process exited or was killed. "
     "One "
     "leak at exit costs little, the kernel closes what is left. It is a warning because a longer run usually "
     "repeats the same call path, until the process runs out of descriptors. It is an error when the leak grows: 8 "
     "or more calls on one call path left their descriptors open (\"growing\"). It is a note if a signal ended the "
     "process, so that it could not close anything; a growing leak is then a note only if an epoll set watches it. "
     "What "
     "only the end of the program closed (an interpreter's shutdown, static destructors) counts as well: as a note, as "
     "a warning when growing, and as a warning where a test left it.",
     "The ledger's entry at the end: opened by this very process image (not inherited, not 0, 1 or 2), never closed, "
     "or "
     "closed below exit or an interpreter's shutdown, and by nobody's own code. "
     "Exec is not an end: what close-on-exec closes is no leak, and what survives belongs to the next image as "
     "inherited. In a process that still runs, only growing leaks are reported, as likely. Descriptors that fdaudit "
     "did "
     "not see being opened are counted under coverage and are never reported as leaks.",
     "close it on every path out of the opening function, including error paths, or let a guard object (RAII, with, "
     "defer) own it",
     "descriptors of every request pile up until accept fails with EMFILE, hours after deployment",
     "one exit label that closes, reached by every error path",
     "an owning type: std::ifstream, or a std::unique_ptr whose deleter closes",
     "with open(path) as file: …",
     {775, 773, 404}},
    {Kind::kDoubleClose,
     "double-close",
     Severity::kError,
     "a number was closed twice",
     "The program closed a number that it had closed already. This time, the second close failed with EBADF. If "
     "another "
     "thread had opened something in between, it would have got the same number, and the second close would have "
     "closed it: a lost connection, or data written into the wrong file. It is a warning if one thread made all the "
     "calls and no other thread could have come in between.",
     "close, fclose, closedir or pclose failed with EBADF on a number whose opening and first close in this process "
     "were "
     "both recorded, and the number was not reopened in between. Closing a number that was never open is a bad-close. "
     "Sweeps (close_range, closefrom, a daemon's loop over all numbers, closing what /proc/self/fd lists) are no "
     "findings.",
     "give the descriptor one owner that closes it; set the variable to -1 where it is closed, so that a second close "
     "fails with EBADF instead of hitting someone else's descriptor",
     "fclose, then close of the stream's number (courier-libs#27, async-profiler#514)",
     "close(fd); fd = -1; in one place",
     "a move-only type that owns the number; release() to hand it on",
     "close the object, never os.close(file.fileno())",
     {1341, 675}},
    {Kind::kWrongClose,
     "wrong-close",
     Severity::kError,
     "a close hit someone else's descriptor",
     "A piece of code closed a number that it had closed before. Meanwhile other code had got the number, and "
     "its descriptor is closed now. The victim's later close, read or write fails, or hits the next owner in turn: the "
     "error appears far from its cause.",
     "The victim's own close or use failed with EBADF, and what is known of the session says that the close before was "
     "stale: its owner had closed the number before, and other code had opened it since. Or the race was seen "
     "directly: a close succeeded on a closed number while another thread was opening it. Or the number belonged to a "
     "stream, a declared owner or an object of the language's runtime. If a hand-over of the descriptor would explain "
     "it as well, the certainty is one-of, and the message names both.",
     "fix the culprit named here, not the victim: close once, then forget the number (fd = -1)",
     "a TLS thread closes 10 twice; between the two closes, 10 has become another thread's file (rsyslog#3406)",
     "close once and set the variable to -1 under the lock that guards it",
     "give the number one owner; pass references to others",
     "os.close only what os.open returned, and only once; file objects close themselves",
     {672, 1341}},
    {Kind::kUseAfterClose,
     "use-after-close",
     Severity::kError,
     "a closed number was used",
     "read, write, send, mmap or the like was called with a number that the program had closed earlier, and failed "
     "with "
     "EBADF. If the number had been reused, the call would have read or written someone else's data.",
     "The failed call, with the recorded close of that number before it. Calls that ask whether a number is open "
     "(fstat, "
     "fcntl F_GETFD, dup, isatty …) are no findings.",
     "let the last user close it; don't keep copies of the number after its owner has closed it",
     "a crash handler writes to a number that was closed, and then recycled (KSCrash#907)",
     "stop and join the users before close; set the number to -1",
     "let users share the owner (std::shared_ptr), so that the last one closes",
     "keep the file object, not its fileno()",
     {910, 672}},
    {Kind::kCollateralClose,
     "collateral-close",
     Severity::kWarning,
     "a sweep closed a descriptor that was in use",
     "close_range, closefrom or a closing loop closed a descriptor that other code had opened, and that code "
     "used or closed it later.",
     "The sweep, and the owner's later use or close that failed with EBADF.",
     "sweep before anything is opened, or skip the numbers that other code still needs",
     "a daemon's close_range at startup closes a descriptor in use (rsyslog#5254, #4061)",
     "sweep first, open afterwards; or sweep in the child, before exec",
     "the same; mark what you open O_CLOEXEC and sweep nothing",
     "subprocess closes for the child by itself (close_fds); no os.closerange in the parent",
     {404, 672}},
    {Kind::kOverwrite,
     "overwrite",
     Severity::kWarning,
     "dup2 closed a descriptor that was in use",
     "dup2 or dup3 silently closed a live descriptor (3 or above) that other code had opened, and that code used or "
     "closed it later.",
     "The dup2, and the owner's later use or close of that number.",
     "let the kernel choose the number (dup, F_DUPFD_CLOEXEC) instead of a fixed one",
     "dup2 onto a number that was free when the code was written",
     "fcntl(fd, F_DUPFD_CLOEXEC, 3), and use the number that it returns",
     "the same",
     "os.dup(fd); os.dup2 only onto 0, 1 and 2",
     {404, 672}},
    {Kind::kBadUse,
     "bad-use",
     Severity::kWarning,
     "a number was used that was never open, or not for this",
     "The program read, wrote or otherwise used a number that was never open in this process: an uninitialised "
     "variable, "
     "a number from another process, or the result of an opening call that failed and was not checked. The call did "
     "nothing. It is a note for negative numbers (read(-1) after an unchecked open), and where the number is open but "
     "its access mode forbids the call (a write to a file opened for reading only).",
     "The call failed with EBADF, and the recording has no opening of that number in this process; or the kernel says "
     "that the number is open, and for what. Calls that ask whether a number is open are no findings (docs/uses.md), "
     "nor is a loop of calls over consecutive numbers.",
     "check the result of the opening call before using it; open for what you mean to do",
     "an event loop polls a descriptor that was never opened, and spins on POLLNVAL",
     "int fd = open(…); if (fd < 0) return -1;",
     "throw where the opening call fails, so that no object holds -1",
     "nothing to do: open() raises; check what os.environ or argv say about numbers before os.fdopen",
     {252}},
    {Kind::kBadClose,
     "bad-close",
     Severity::kWarning,
     "a number was closed that was never open",
     "The program closed a number that was never open in this process: an uninitialised variable, a number from "
     "another "
     "process, or an error result taken for a descriptor. It is a note for negative numbers (close(-1) on an error "
     "path) "
     "and for those beyond what the kernel could ever hand out.",
     "close failed with EBADF, and the recording has no opening of that number in this process. A run of closes "
     "over "
     "consecutive numbers is a sweep and no finding, nor is a close that makes room for what the same function then "
     "puts on the number.",
     "check the result of the opening call before keeping it; initialise descriptor variables to -1 and test before "
     "closing",
     "a descriptor field of zeroed memory, or an error result, is closed without a check",
     "int fd = -1; … if (fd >= 0) close(fd);",
     "a default of -1 in the owning type, which its destructor ignores",
     "fd = None; close in a finally after the open",
     {252}},
    {Kind::kCloseError,
     "close-error",
     Severity::kWarning,
     "close reported lost data or was interrupted",
     "close reported EIO, ENOSPC, EDQUOT or EINTR. The descriptor is closed in any case; data may be lost, and a retry "
     "after EINTR closes whatever has the number by then.",
     "The errno of the recorded close.",
     "fsync before close where the data matters; never call close again after EINTR",
     "a loop that repeats close on EINTR closes what another thread has opened meanwhile (beast#1445)",
     "if (fsync(fd) != 0) …; close(fd); and no second close, whatever close returned",
     "the same before the owner's destructor, which can't report it",
     "os.fsync(file.fileno()) before the with block ends",
     {404}},
    {Kind::kExhausted,
     "exhausted",
     Severity::kError,
     "the process ran out of descriptors",
     "A call failed with EMFILE or ENFILE: the table was full. The finding shows which call paths held the "
     "descriptors at that moment.",
     "The errno, and the ledger at that moment.",
     "close what the largest holder leaves open; raise the limit (ulimit -n) only when all of them are needed",
     "a server that leaks a descriptor now and then finally stops accepting",
     "close what the first holder of the list leaves open; on EMFILE stop accepting for a while",
     "the same",
     "the same; ResourceWarning (python -X dev) names what was never closed",
     {774, 775}},
    {Kind::kStdReused,
     "std-reused",
     Severity::kWarning,
     "standard input, output or error became something else",
     "0, 1 or 2 was closed, and ordinary opens got that number later: everything printed from then on goes into their "
     "files. One close is one finding.",
     "The close, and the open that got the number. Redirections (dup2, /dev/null, a terminal, close and open in one "
     "function) are no findings, nor is what nothing was ever written to.",
     "redirect 0, 1 and 2 to /dev/null with dup2 instead of closing them",
     "a daemon closes 0-2, opens its database, and a library's perror writes into it",
     "int null = open(\"/dev/null\", O_RDWR); dup2(null, 0); dup2(null, 1); dup2(null, 2);",
     "the same",
     "os.dup2(os.open(os.devnull, os.O_RDWR), 1)",
     {404}},
    {Kind::kExecLeak,
     "exec-leak",
     Severity::kNote,
     "a descriptor leaked into another program by exec",
     "A descriptor (3 or above) without FD_CLOEXEC was passed to another program by accident.",
     "The ledger at the exec, without what the child placed there on purpose.",
     "open with O_CLOEXEC (\"e\" in fopen, SOCK_CLOEXEC, pipe2)",
     "lock files and sockets stay open in the programs that an editor or database starts (node-pty#657, leveldb#623)",
     "O_CLOEXEC, SOCK_CLOEXEC, EPOLL_CLOEXEC, pipe2, accept4, fopen with \"e\"",
     "the same; std::fstream can't: open by number",
     "nothing to do: Python's descriptors are not inheritable unless os.set_inheritable makes them so",
     {403}},
    {Kind::kPipeHeld,
     "pipe-held",
     Severity::kNote,
     "a pipe's reader waits for an end of file that never comes",
     "A read from a pipe waited for half a second or more, and had not returned when its process was killed, or has "
     "not "
     "returned yet. The writer has written and closed its end. But processes that were forked meanwhile inherited the "
     "write end as well, without using it, and so the read waits until they write or end. Often the reader itself "
     "holds "
     "the write end.",
     "The read that has not returned, and the ledgers of all processes that had a write end then: each only inherited "
     "it and never wrote to it. Not reported: cases where the process that made the pipe has the write end itself; "
     "where "
     "the write end is 0-2, a duplicate or part of a stream; where its holder has closed the read end (as programs do "
     "that use a pipe to wait for the end of a process); and where nothing was ever written.",
     "close the write end in processes that only inherited it, or open the pipe with O_CLOEXEC",
     "a child is started with its own end of the pipe as well, and its parent waits forever (subprocess.h#114)",
     "pipe2(ends, O_CLOEXEC), and dup2 in the child, which clears the flag",
     "the same",
     "subprocess (close_fds is the default); after os.fork close the ends that are not yours",
     {403}},
    {Kind::kClosedInUse,
     "closed-in-use",
     Severity::kNote,
     "a number was closed while another thread used it",
     "A thread closed a number while another one was inside a blocking call on it: read, accept, poll, recv or write. "
     "The kernel does not end that call: it may wait forever. And its thread goes on with the number, which may belong "
     "to somebody else by then.",
     "The mark that a call which may block leaves while it has not returned, and the close by another thread. Noted in "
     "programs with threads, for numbers below 1024. Not reported: dup2 over the number, which leaves it open.",
     "end the call first (shutdown, or an eventfd that the thread waits for as well), join the thread, then close",
     "a server closes its listening socket while a thread waits in accept, which takes somebody else's connection next",
     "shutdown(fd, SHUT_RDWR); pthread_join(thread, NULL); close(fd);",
     "the same; the thread that waits owns the descriptor and closes it",
     "socket.shutdown(SHUT_RDWR), thread.join(), then close()",
     {672}},
};

}  // namespace

const KindInfo (&AllKinds())[kKinds] { return kTable; }

const KindInfo& Info(Kind kind) { return kTable[static_cast<size_t>(kind)]; }

std::string WeaknessesOf(const KindInfo& info) {
  std::string text;
  for (const uint16_t number : info.cwe) {
    if (number != 0) text += (text.empty() ? "CWE-" : ", CWE-") + std::to_string(number);
  }
  return text;
}

std::optional<Kind> FindKind(std::string_view name) {
  for (const KindInfo& info : kTable) {
    if (name == info.name) return info.kind;
  }
  return std::nullopt;
}

const char* Name(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    default:
      return "note";
  }
}

const char* Name(Certainty certainty) {
  switch (certainty) {
    case Certainty::kProven:
      return "proven";
    case Certainty::kLikely:
      return "likely";
    default:
      return "one-of";
  }
}

const char* Name(Role role) {
  constexpr const char* kNames[] = {"opened",   "duplicated",   "inherited", "received",           "closed",
                                    "reopened", "closed-again", "used",      "owner-close-failed", "overwritten",
                                    "exec",     "forked",       "exhausted"};
  return kNames[static_cast<size_t>(role)];
}

}  // namespace fdaudit::analyzer
