#pragma once

// The trace file: the contract between the shim, which writes it from inside the audited programs, and the analyzer,
// which may read it at any moment, alive or after a kill, cut short, on another machine. docs/trace-format.md is its
// page for readers in other languages.
//
// One sparse file serves a process tree. It is a header and a handful of regions; a region is an array of fixed-size
// elements that is only ever appended to (four are hash tables, one is a ring; see RegionKind). All integers are
// little-endian, in the machine's natural alignment. Elements are addressed by index, never by pointer.
//
//   0        4096
//   +--------+---------------------+-------------+---------------------+---------------------+--- …
//   | Header | window 0 of regions | page bitmap | window 1 of regions | window 2 of regions | window 3 …
//   +--------+---------------------+-------------+---------------------+---------------------+--- …
//   what every writer maps ------------------------------------------------------------------>  mapped when needed
//
// A region lies in up to eight windows, each of which makes it four times as large as those before it: so what a
// writer maps follows from what is used, and not from what may ever be (trace/layout.h). The page bitmap has one bit
// for each 4 KiB page of the file: set once the page is backed by storage.
//
// Writers never lock. An element is claimed with one atomic add on Region::used, filled, and made visible by the one
// field that is named in its comment; a reader takes what is not yet visible as absent. A writer may be killed between
// any two stores, so a reader must bear every combination.
//
// This file is freestanding: no library, no functions that need one.

#include <cstddef>
#include <cstdint>

namespace fdaudit::trace {

inline constexpr char kMagic[8] = {'f', 'd', 'a', 'u', 'd', 'i', 't', '\n'};

// Version rule: a change that an old reader would misread raises the major version (readers refuse it, exit code 3); a
// change that it can ignore (a new region kind, a new enumerator, a field in reserved space) raises the minor one.
inline constexpr uint16_t kMajorVersion = 2;
inline constexpr uint16_t kMinorVersion = 1;

inline constexpr uint32_t kPageSize = 4096;
inline constexpr uint32_t kNoIndex = 0;  // indices of images and stacks in records are 1-based: 0 means none

/// What a region's elements are. The element type is named behind each.
enum class RegionKind : uint32_t {
  kNone = 0,
  kCalls = 1,         ///< CallName: names of the intercepted functions; Act::call indexes it
  kImages = 3,        ///< ImageRecord: image N is element N-1
  kModules = 4,       ///< ModuleRecord: found by key; filled in no particular order
  kStackIndex = 5,    ///< StackEntry: found by key; filled in no particular order; stack N is element N-1
  kStackWords = 6,    ///< uint64_t: frames, see StackEntry. Word 0 is never used
  kText = 7,          ///< char: see Text. Byte 0 is never used
  kSlots = 8,         ///< SlotBlock
  kFindings = 9,      ///< FindingRecord
  kJournal = 10,      ///< JournalBlock: a ring; block number N lies at N mod capacity
  kCloseCounts = 11,  ///< CloseCount: found by key; filled in no particular order
  kPythonCode = 12,   ///< PythonCode: found by key; filled in no particular order; code N is element N-1
  kContexts = 13,     ///< ContextChange
  kNotes = 14,        ///< NoteKey: found by key; filled in no particular order
};

inline constexpr uint32_t kMaxWindows = 8;

/// Where a region lies and how far it is filled. Elements are numbered through its windows. The first window has
/// 1 << first_log2 elements, each further one three times as many as all before it; the last ends with the capacity.
/// An element lies in one window as a whole, and so do elements that belong together (a text, a stack's words).
struct Region {
  RegionKind kind;
  uint32_t element_size;          ///< bytes
  uint32_t windows[kMaxWindows];  ///< where each begins, in pages from the file's start; 0 = there is none
  uint32_t first_log2;
  uint32_t reserved0;
  uint64_t capacity;    ///< elements
  uint64_t used;        ///< elements claimed so far, atomically; may exceed capacity (what exceeds it was lost). Hash
                        ///< tables: entries made. Journal: blocks ever claimed
  uint64_t lost;        ///< claims that found no room
  uint64_t free_list;   ///< released elements (slots, findings, images): index + 1 of the first below, a count of
                        ///< changes above
  uint64_t first_lost;  ///< stamp of the first claim that found no room; 0 = there was none
  uint64_t notes;       ///< findings: records that are notes, which never take more than half of the room
};
static_assert(sizeof(Region) == 96);

/// The window that element `index` lies in: 0 below 1 << first_log2, 1 below four times as much, …
inline constexpr uint32_t WindowOf(uint64_t index, uint32_t first_log2) {
  const uint64_t times = index >> first_log2;
  return times == 0 ? 0 : static_cast<uint32_t>(65 - __builtin_clzll(times)) / 2;
}
/// The first element of a window. `first_log2` is at most kLargestFirst, so that nothing overflows.
inline constexpr uint64_t WindowBegin(uint32_t window, uint32_t first_log2) {
  return window == 0 ? 0 : uint64_t{1} << (first_log2 + 2 * (window - 1));
}
inline constexpr uint32_t kLargestFirst = 48;

/// A moment on both clocks. Stamps are the CPU's time-stamp counter where it is invariant (Header::feature bit
/// kStampsAreTsc), else nanoseconds of CLOCK_MONOTONIC. Two pairs give the rate.
struct ClockPair {
  uint64_t stamp;
  uint64_t monotonic_ns;
};

enum FeatureBits : uint32_t {
  kStampsAreTsc = 1u << 0,
  kMemoryBacked = 1u << 1,  ///< the file lies on tmpfs: it does not survive a reboot
};

inline constexpr uint32_t kMaxRegions = 16;
inline constexpr uint32_t kPidBuckets = 512;
inline constexpr size_t kFamilySize = 112;

/// The file's first page. `magic` is written last: a file without it was never finished.
struct Header {
  char magic[8];
  uint16_t major_version;
  uint16_t minor_version;
  uint32_t header_size;  ///< sizeof(Header) of the writer
  uint32_t features;     ///< FeatureBits
  uint32_t region_count;
  uint64_t file_size;      ///< bytes, sparse
  uint64_t page_limit;     ///< pages that may be backed by storage: what memory, disk and limits allowed at the start
  uint64_t pages_backed;   ///< pages backed so far, atomically
  uint64_t pages_refused;  ///< page requests refused by page_limit or by a full disk, atomically
  int64_t started_realtime_ns;  ///< CLOCK_REALTIME at `started`
  ClockPair started;
  ClockPair latest;  ///< refreshed now and then by any writer; may be torn while writers live
  char boot_id[40];  ///< /proc/sys/kernel/random/boot_id, NUL-terminated
  char host[64];     ///< nodename of uname(2)
  uint8_t shim_build_id[20];
  uint32_t depth;  ///< frames kept at most
  int32_t creator_pid;
  uint32_t layout_shift;   ///< by how many powers of two the regions are smaller than planned (trace/layout.h)
  uint64_t pid_namespace;  ///< inode of the creator's pid namespace
  uint64_t nr_open;        ///< fs.nr_open: no descriptor number ever reaches it
  /// Filled by `fdaudit run` when its child has ended.
  uint32_t run_ended;       ///< 1 = run_wait_status is valid
  int32_t run_wait_status;  ///< as of waitpid(2)
  int32_t run_pid;          ///< whose status it is
  uint32_t removed;         ///< 1 = `fdaudit run` has reported and removed the file: there is no further reader
  ClockPair run_end;
  /// Name of the family's first file, where this one was made by an image that could not join it; else empty.
  char family[kFamilySize];
  /// Images that have ended with nothing to report, and whose records serve others: how many, and their sums.
  uint64_t folded_images;
  uint64_t folded_opened;
  uint64_t folded_closed;
  uint64_t index_busy;  ///< the shim's own: 1 = a record is being taken out of its chain of newest_image
  uint64_t run_token;   ///< by which `fdaudit run` knows the files of its program; 0 = none
  uint64_t reserved;
  Region regions[kMaxRegions];
  /// Newest image of each process, by (pid mod kPidBuckets); ImageRecord::next_with_pid_hash leads to older ones.
  uint32_t newest_image[kPidBuckets];
};
static_assert(sizeof(Header) <= kPageSize);
static_assert(offsetof(Header, regions) % 8 == 0);

struct CallName {
  char name[32];  ///< NUL-terminated
};

// ---------------------------------------------------------------------------------------------------------------------
// Text

/// A reference into the text region: `length` bytes from `offset`, no terminator. offset 0 = none.
struct Text {
  uint32_t offset;
  uint32_t length;
};

// ---------------------------------------------------------------------------------------------------------------------
// Images

enum class StartedBy : uint8_t { kUnknown = 0, kRun = 1, kFork = 2, kVfork = 3, kClone = 4, kSpawn = 5, kExec = 6 };

/// How an image ended, as recorded by itself. kNone: not recorded; it still runs, or was killed.
enum class EndedBy : uint8_t {
  kNone = 0,
  kExit = 1,      ///< exit(3), _exit(2) or return from main; ImageRecord::status holds the status
  kExec = 2,      ///< it called exec and exec did not return; `successor` is the next image, if that is audited
  kFinished = 3,  ///< reserved
};

/// Reasons why the ledger may know less than the kernel, or why something was not recorded.
enum CoverageReason : uint32_t {
  kReasonNoRoom = 1u << 0,             ///< the trace was full
  kReasonDescriptorTooHigh = 1u << 1,  ///< numbers beyond the ledger's reach
  kReasonSharedTable = 1u << 2,        ///< another process shares the descriptor table
  kReasonSeccomp = 1u << 3,            ///< the program entered seccomp: the shim makes no system calls any more
  kReasonExecUnaudited = 1u << 4,      ///< the image that exec started was not audited (exec_problem says why)
  kReasonStartedLate = 1u << 5,        ///< descriptors were opened before the shim was there
  kReasonExitUnchecked = 1u << 6,      ///< the ledger could not be compared with the kernel's table at the end
  kReasonIoUring = 1u << 7,            ///< io_uring opens and closes without a call
  kReasonOwnTable =
      1u << 8,  ///< a thread, or a child in this memory, has a table of its own, whose changes are not recorded
  kReasonPythonUnknown = 1u << 9,  ///< a Python interpreter whose structures are not known: no Python frames
};

/// Why an exec'd program could not be audited.
enum class ExecProblem : uint8_t {
  kNone = 0,
  kStatic = 1,
  kSetId = 2,
  kForeign = 3,
  kShimUnreachable = 4,
  kSkipped = 5,
  kNoFollow = 6,
  kSandboxed = 7,
  kEnvironment = 8,       ///< libc passes an environment on that lacks the shim (system, popen in a threaded program)
  kTraceUnreachable = 9,  ///< it may not open the trace file, and has perhaps begun one of its own (Header::family)
  kOwnSession = 10,       ///< its environment names a trace of its own: `fdaudit run` within an audited program
};

/// Where a number of a program came from, where that was arranged before it began (file actions of posix_spawn, dup2 in
/// a vfork child, popen). One that stays where it is, on purpose (close-on-exec taken off it), has from == fd.
struct Placement {
  int32_t fd;
  int32_t from;  ///< number in the parent's table, or kPlacedOpened
};
inline constexpr int32_t kPlacedOpened = -2;  ///< opened for the program, by ImageRecord::placed_by
inline constexpr uint32_t kMaxPlacements = 30;

/// Who did something, where and when.
struct Act {
  uint64_t stamp;   ///< when it was recorded: a close before the system call, an open after it
  uint32_t image;   ///< ImageRecord::id; may be another image than the ledger's owner for what was inherited
  uint32_t thread;  ///< tid; 0 = unknown
  uint32_t stack;   ///< stack number; 0 = none recorded
  uint16_t call;    ///< index in kCalls
  uint16_t flags;   ///< ActFlags
};
static_assert(sizeof(Act) == 24);

/// A read of a pipe that has not returned.
struct WaitingRead {
  uint64_t stamp;  ///< 0 = none; set before the system call
  uint32_t thread;
  uint32_t stack;
  int32_t fd;
  uint16_t call;
  uint16_t reserved;
};
static_assert(sizeof(WaitingRead) == 24);

/// One process image: a process from its start, or from an exec, to its end or the next exec. Visible once `id` is set.
struct ImageRecord {
  uint32_t id;  ///< this element's index + 1
  int32_t pid;  ///< in its own pid namespace
  int32_t parent_pid;
  uint32_t parent;       ///< image that forked or spawned it; for an exec the predecessor's parent
  uint32_t predecessor;  ///< image that exec'd it in the same process
  uint32_t successor;
  uint32_t next_with_pid_hash;  ///< older image of the same (pid mod kPidBuckets)
  StartedBy started_by;
  EndedBy ended_by;
  ExecProblem exec_problem;
  uint8_t exec_looked_at;  ///< 1 = the program was looked at before; with kNone: it could be audited
  int32_t status;          ///< exit status (0–255) where ended_by is kExit
  uint32_t reasons;        ///< CoverageReason bits
  uint64_t pid_namespace;
  uint64_t descriptor_limit;  ///< RLIMIT_NOFILE (soft) at the start
  ClockPair started;
  ClockPair ended;   ///< valid where ended_by is not kNone
  Text exe;          ///< path of the executable; a forked child has its parent's
  Text argv;         ///< arguments, each followed by a NUL
  Text cwd;          ///< working directory at the start
  Text exec_target;  ///< what ended_by == kExec started
  // Sums. Valid at any time where marked (*), else once the image has ended by kExit or kExec (or never was checked).
  uint64_t opened;  ///< incarnations opened in this image (of released slot blocks only until the end, see SlotHead)
  uint64_t closed;
  uint32_t inherited;         ///< (*) descriptors open when the image began
  uint32_t peak;              ///< (*) highest count of open descriptors, as far as seen
  uint32_t open_at_end;       ///< open in the kernel's table at the end
  uint32_t untracked_opens;   ///< (*) descriptors found open that no recorded call opened
  uint32_t untracked_closes;  ///< (*) descriptors found closed that no recorded call closed
  uint32_t events_dropped;    ///< (*) acts not recorded in the ledger for lack of room
  uint32_t awaits_exec;       ///< 1 = made before the program began (posix_spawn, vfork); it has not joined so far
  uint32_t blocks;            ///< index + 1 of the newest slot block of this image; SlotBlock::next leads to the others
  uint32_t ledger_released;   ///< 1 = ended with nothing to report: its slot blocks were given to others
  uint32_t checked_at_end;    ///< 1 = the ledger was compared with the kernel's table at the end
  uint32_t indexed;           ///< 1 + the place in Header::newest_image that it is reachable from; 0 = none
  uint32_t begun;             ///< 1 = the process itself has recorded something; else its parent made this record
  uint32_t placement_count;   ///< in the order made; above kMaxPlacements: the rest is not kept
  uint32_t began_session;     ///< 1 = it began a session of its own as daemons do: setsid(2), daemon(3)
  Placement placements[kMaxPlacements];
  Act placed_by;  ///< the call that opened what is kPlacedOpened; stamp 0 = none
  /// The file in which the image that exec'd this one is, where it is another file than this one; and its number there,
  /// 0 = unknown.
  Text origin_file;
  uint32_t origin_image;
  /// User + 1 (as seen outside of user namespaces) as which what it exec'd goes on, where that may not join this file;
  /// 0 = none. Another user's file that names this one is taken for a part of the session where this names that user.
  uint32_t next_user;
  uint32_t
      references;    ///< the shim's own: records that name this one as parent or predecessor, and itself until it ends
  uint32_t is_kept;  ///< the shim's own: 1 = it has something to report, and its record is never given to another image
  Text room;         ///< the shim's own: bytes of the text region that this record's texts may take
  /// Of a process that was forked or has forked (else no process waits for another): the latest of its threads' reads.
  WaitingRead reading;
};
static_assert(sizeof(ImageRecord) == 512);

/// From `stamp` on, all that an image did happened while a test ran, as pytest's environment variable names it, or
/// behind a checkpoint of its own naming. An image begins in the context that its parent was in. Visible once `image`
/// is set.
struct ContextChange {
  uint64_t stamp;
  uint32_t image;
  Text text;      ///< the test; none = no test ran
  uint32_t left;  ///< descriptors above 2 that were opened in what ends here and are open still
};
static_assert(sizeof(ContextChange) == 24);

// ---------------------------------------------------------------------------------------------------------------------
// Modules and stacks

/// A mapped ELF file, once for all images that map the same build. Visible once `ready` is 1.
struct ModuleRecord {
  uint64_t key;  ///< hash of path and build ID, never 0; claims the element by compare-and-swap
  uint32_t ready;
  uint32_t build_id_size;
  uint8_t build_id[32];
  uint64_t size;  ///< bytes mapped, first to last segment
  uint16_t path_size;
  uint16_t reserved;
  uint32_t flags;  ///< ModuleFlags
  char path[448];  ///< as the dynamic linker knows it (the executable: its real path); the tail of longer ones
};
static_assert(sizeof(ModuleRecord) == 512);

enum ModuleFlags : uint32_t {
  kModuleIsMain = 1u << 0,
  kModuleIsVdso = 1u << 1,
  kModulePreloaded = 1u << 2,  ///< by LD_PRELOAD, in the image that first met it
};

/// A distinct call path. `key` (hash of its frames, never 0) claims the element; visible once `words` is not 0.
struct StackEntry {
  uint64_t key;
  uint32_t words;   ///< index of the first frame in kStackWords
  uint16_t frames;  ///< count
  uint16_t flags;   ///< StackFlags
};
static_assert(sizeof(StackEntry) == 16);

enum StackFlags : uint16_t {
  kStackCut = 1u << 0,     ///< more frames than Header::depth
  kStackBroken = 1u << 1,  ///< the walk ended before the outermost frame: no unwind rule, or unreadable memory
};

// A frame is one word: module index (0-based element of kModules) + 1 in the upper 20 bits, offset in the lower 44.
// The offset is the address less the module's load bias, i.e. an ELF virtual address. It is a *return* address, one
// past the call, except where the frame was interrupted by a signal (kFrameExact, the lowest bit of the module number
// is not touched: it is bit 43 of the offset). Module number 0: no module; the offset is a bare address (JIT code).
inline constexpr int kFrameOffsetBits = 44;
inline constexpr uint64_t kFrameExact = uint64_t{1} << 43;
inline constexpr uint64_t kFrameOffsetMask = kFrameExact - 1;

// The highest module number is none: the word is a frame of a Python function, which stands in the place of the
// interpreter's own frame that executes it. Below: the line in the upper 20 bits (0 = unknown), the number of its
// PythonCode in the lower 24 (0 = unknown).
inline constexpr uint64_t kPythonFrame = (uint64_t{1} << (64 - kFrameOffsetBits)) - 1;
inline constexpr int kPythonLineBits = 20;
inline constexpr int kPythonCodeBits = 24;

/// A Python code object, once for all that are equal in this. Visible once `ready` is 1.
struct PythonCode {
  uint64_t key;  ///< hash of the below, never 0; claims the element by compare-and-swap
  uint32_t ready;
  uint32_t first_line;
  Text file;      ///< co_filename in UTF-8; undecodable bytes of it as they were
  Text function;  ///< co_qualname; co_name before Python 3.11
};
static_assert(sizeof(PythonCode) == 32);

/// How many descriptors that one call path had opened another one has closed, in the image that opened them, over all
/// images: what the ledger, which keeps the last two lives of a number, has forgotten. One pair of call paths may have
/// several entries, whose counts are to be added up: threads keep out of each other's way. Visible once `key` is not 0.
struct CloseCount {
  uint64_t key;    ///< stack that opened << 32 | stack that closed; claims the element by compare-and-swap
  uint64_t count;  ///< atomically
};
static_assert(sizeof(CloseCount) == 16);

// ---------------------------------------------------------------------------------------------------------------------
// The ledger

enum class FdKind : uint8_t {
  kUnknown = 0,
  kFile = 1,
  kDirectory = 2,
  kPipe = 3,
  kSocket = 4,
  kEpoll = 5,
  kEventFd = 6,
  kTimerFd = 7,
  kSignalFd = 8,
  kInotify = 9,
  kFanotify = 10,
  kMemFd = 11,
  kPidFd = 12,
  kPty = 13,
  kMessageQueue = 14,
  kUserfaultFd = 15,
  kPerfEvent = 16,
  kIoUring = 17,
  kBpf = 18,
  kMount = 19,
  kLandlock = 20,
  kSharedMemory = 21,
  kCharacterDevice = 22,
  kBlockDevice = 23,
};

enum ActFlags : uint16_t {
  kActSingleThreaded = 1u << 0,  ///< the process never had a second thread until then
  kActOverwrote = 1u << 1,       ///< a close that dup2 or dup3 did on its way
  kActRange = 1u << 2,           ///< close_range, closefrom
  kActListed = 1u << 3,          ///< a close while this thread reads /proc/self/fd
  kActInherited =
      1u << 4,  ///< "opened" says how the image got it: by fork or exec; `image` and `stack` are the opener's
  kActSeenAtEnd = 1u << 5,        ///< not recorded when it happened, found at the end
  kActInSignalHandler = 1u << 6,  ///< on a signal stack or inside another recording
  kActOwnTable = 1u << 7,         ///< by a vfork child, or a thread or child in this memory with a table of its own
  kActSwept = 1u << 8,            ///< a close in a loop over all numbers
  kActKept = 1u << 9,             ///< an opening whose close-on-exec was taken off on purpose (F_SETFD)
  kActDuplicated = 1u << 10,  ///< an opening by dup and the like: Incarnation::related is the number it was made from
  kActOwned = 1u << 11,       ///< an opening of what has a declared owner now: Incarnation::owner is its tag
  kActLeftOpen = 1u << 12,    ///< an opening of what the program has declared to be left open on purpose
};

enum IncarnationFlags : uint8_t {
  kCloseOnExec = 1u << 0,
  kOwnedByFile = 1u << 1,       ///< a FILE* holds it
  kOwnedByDir = 1u << 2,        ///< a DIR* holds it
  kContested = 1u << 3,         ///< a stale close of the number was under way when it was opened
  kStaleHit = 1u << 4,          ///< closed by a stale close that raced with the opening
  kListsDescriptors = 1u << 5,  ///< /proc/self/fd or the like
  kReceived = 1u << 6,          ///< came over a socket: `related` is the sender's pid, 0 where unknown
  kKeptByLibc = 1u << 7,        ///< libc opened it for itself and keeps it (getpwent, openlog)
};

/// One life of a descriptor number.
struct Incarnation {
  Act opened;
  Act closed;       ///< stamp 0 = not closed
  uint64_t owner;   ///< FILE*, DIR* or walk (fts(3)) that holds it, as a bare address, or (kActOwned) the tag of a
                    ///< declared owner; 0 = none
  int32_t related;  ///< the number it was duplicated from, or the other end of its pair, or (kReceived) the sender's
                    ///< pid; -1 = none
  FdKind kind;
  uint8_t flags;    ///< IncarnationFlags
  uint16_t detail;  ///< socket: domain << 8 | SocketState bits | type; pipe: PipeState bits; file: FileAccess; else 0
};
static_assert(sizeof(Incarnation) == 64);

inline constexpr uint16_t kSocketTypeMask = 0xf;

enum PipeState : uint16_t {
  kPipeWriteEnd = 1u << 0,
  kPipeMoved = 1u << 1,  ///< this image has written to it, or read from it; known of processes that have relatives
};

/// What a file is open for: open(2)'s O_ACCMODE + 1.
enum FileAccess : uint16_t {
  kAccessUnknown = 0,
  kAccessRead = 1,
  kAccessWrite = 2,
  kAccessBoth = 3,
  kAccessNone = 4,  ///< O_PATH
};

enum SocketState : uint16_t {
  kSocketListening = 1u << 4,
  kSocketAccepted = 1u << 5,
  kSocketConnecting = 1u << 6,  ///< connect(2) had not ended when it returned
  kSocketPaired = 1u << 7,      ///< by socketpair(2)
};

enum class SlotState : uint8_t {
  kNever = 0,  ///< never open in this image
  kOpen = 1,
  kClosed = 2,
  kGone = 3,    ///< was open, and was found closed without a recorded close
  kUnseen = 4,  ///< was found open without a recorded open
};

struct SlotHead {
  uint32_t count;  ///< incarnations so far; the current one is lives[count & 1], the one before lives[(count - 1) & 1]
  SlotState state;
  uint8_t flags;  ///< the shim's own
  /// Number of the epoll set that watches it + 1; 0 = none, kRegisteredSomewhere = too high a number, or more than one.
  uint16_t registered_in;
  uint32_t opens;   ///< in this image: recorded opens (not what was inherited)
  uint32_t closes;  ///< in this image: recorded closes that did not fail
};
static_assert(sizeof(SlotHead) == 16);

inline constexpr uint16_t kRegisteredSomewhere = 0xffff;

inline constexpr size_t kTargetSize = 96;

/// What a descriptor number of one image is and was. Visible once head.count is not 0.
struct Slot {
  SlotHead head;
  Incarnation lives[2];
  /// What the current incarnation refers to (path as given or, found at the end, absolute; "tcp 127.0.0.1:80"; …),
  /// NUL-terminated where shorter than the field; a longer text keeps its tail, starting with "...".
  char target[kTargetSize];
};
static_assert(sizeof(Slot) == 240);

inline constexpr uint32_t kSlotsPerBlock = 16;

/// A use of a descriptor in one word: the stack in the lower half (of one frame, the caller's, unless whole ones were
/// asked for), the call above it.
struct Use {
  uint32_t stack;
  uint16_t call;
};
inline constexpr uint64_t PackUse(Use use) { return uint64_t{use.call} << 32 | use.stack; }
inline constexpr Use UnpackUse(uint64_t word) {
  return {static_cast<uint32_t>(word), static_cast<uint16_t>(word >> 32)};
}

/// Sixteen neighbouring numbers of one image. Visible once `image` is set; image 0 = free.
struct SlotBlock {
  uint32_t image;
  int32_t first_fd;  ///< a multiple of kSlotsPerBlock
  uint32_t next;     ///< index + 1 of the next block of the same image, or of the next free one
  /// By slot, where registered_in is set: SlotHead::count of that epoll set's number then. Another count now: that set
  /// is gone.
  uint32_t registered_life[kSlotsPerBlock];
  uint32_t reserved0;
  /// By slot, of the current incarnation: the latest call that used it, as far as uses are recorded; 0 = none. Stored
  /// by itself, at any time.
  uint64_t last_use[kSlotsPerBlock];
  uint32_t reserved[12];
  Slot slots[kSlotsPerBlock];
};
static_assert(sizeof(SlotBlock) == kPageSize);

// ---------------------------------------------------------------------------------------------------------------------
// Findings: what only the moment could prove

enum class FindingKind : uint32_t {
  kNone = 0,         ///< free, or taken back
  kFailedClose = 1,  ///< close & co. failed with EBADF. lives[0] is the number's last incarnation, lives[1] the one
                     ///< before (opened.stamp 0 = there was none: a number never open here)
  kStaleClose = 2,   ///< a close succeeded on a number that this process had closed, just while another thread opened
                     ///< it: lives[0] is the incarnation it hit, lives[1] the closer's own
  kStdReused = 5,    ///< an ordinary open was given 0, 1 or 2 that this image had closed: lives[0] the new one
  kCloseError = 6,   ///< close reported `error` and has closed lives[0] all the same
  kExhausted = 7,    ///< the table was full: `error` is EMFILE or ENFILE, 0 = four fifths of the limit were passed; fds
                     ///< holds kMaxHolders pairs (stack, open descriptors), fd the limit, count the calls that failed
  kOverwriteClosed = 8,  ///< a close of lives[0], which dup2 had put over lives[1]
  kCrossedExec = 9,  ///< lives[0] was inherited by the program that exec started, and the child had not placed it there
  kOwnedClose = 4,   ///< a close of what a FILE*, DIR* or declared owner held, by another: lives[0]; act = the close
  kFailedUse = 3,    ///< read & co. failed with EBADF on a number closed before; lives as for kFailedClose
  kClosedInUse = 12,   ///< lives[0] was closed while another thread was inside a call on it: `act`, of that moment. Its
                       ///< stack is the caller's frame alone, until the call returns
  kUnfoundedUse = 10,  ///< the same on a number never open here; no lives
  kMisuse = 11,  ///< a use of lives[0], which is open, failed because that is not open for it (EBADF), or is no socket
                 ///< (ENOTSOCK): `error`, `access`. lives[1] is the life before
};

inline constexpr uint32_t kMaxFindingFds = 100;
inline constexpr uint32_t kMaxHolders = kMaxFindingFds / 2;

/// Equal events (same image, stacks, story) share one record. Visible once `kind` is set.
struct FindingRecord {
  FindingKind kind;
  uint32_t image;
  uint32_t count;     ///< how many times
  uint32_t fd_count;  ///< entries used in fds
  uint64_t key;       ///< hash of what makes it equal to another
  Act act;            ///< the deciding call, first time
  int32_t fd;         ///< its number
  int32_t error;      ///< its errno
  Incarnation lives[2];
  char target[kTargetSize];  ///< of lives[0]
  uint32_t next_in_run;      ///< the shim's own
  uint32_t reserved0;
  uint64_t latest_closed;  ///< the shim's own: lives[0].closed.stamp of the latest one; of kCrossedExec opened.stamp
  uint64_t closer;         ///< of kOwnedClose: the tag by which it was closed; 0 = by its number
  uint64_t latest_left;    ///< the shim's own: opened.stamp of the latest one that left_behind counts
  uint32_t left_behind;    ///< of kCrossedExec: how many of them had been opened by the same process, two images ago or
                           ///< earlier
  uint32_t access;         ///< of kMisuse: what lives[0] is open for, a FileAccess
  uint32_t asked;      ///< of kFailedClose: stack by which the thread had just asked for the number in vain (F_DUPFD)
  uint32_t placed;     ///< of kFailedClose: stack by which it then put something on the number (dup2 and the like)
  uint32_t unwritten;  ///< of kStdReused: 1 = nothing had been written there when it was closed, or at the end
  uint32_t reserved[9];
  int32_t fds[kMaxFindingFds];  ///< distinct numbers, in the order met
};
static_assert(sizeof(FindingRecord) == 768);

/// Which record stands for equal notes of all images. Visible once `finding` is set.
struct NoteKey {
  uint64_t key;      ///< FindingRecord::key, never 0; claims the element by compare-and-swap
  uint32_t finding;  ///< index + 1
  uint32_t reserved;
};
static_assert(sizeof(NoteKey) == 16);

// ---------------------------------------------------------------------------------------------------------------------
// The journal

enum class EventKind : uint8_t {
  kNone = 0,
  kOpened = 1,
  kDuplicated = 2,  ///< other = the number it was made from
  kClosed = 3,
  kCloseFailed = 4,  ///< error; a run of failures over consecutive numbers is one event, other = the last of them
  kRangeClosed = 5,  ///< fd to other (as unsigned numbers, inclusive)
  kRangeCloseOnExec = 6,
  kOverwritten = 7,  ///< fd was closed by dup2 from `other`
  kAdopted = 8,      ///< a FILE* or DIR* took the number over
  kFlagChanged = 9,  ///< other = close-on-exec now
  kOpenFailed = 10,  ///< error (EMFILE and ENFILE only)
  kForked = 11,      ///< other = child's pid
  kImageStarted = 12,
  kExec = 13,
  kExecFailed = 14,
  kExited = 15,       ///< other = status
  kUnseenOpen = 16,   ///< found open at the end
  kUnseenClose = 17,  ///< found closed at the end, or reopened without a close
  kStaleClose = 18,
  kReceived = 19,  ///< other = the sender's pid, 0 = unknown
  kModuleUnloaded = 20,
  kRegistered = 21,    ///< fd is watched by the epoll set `other`
  kUnregistered = 22,  ///< and no more
  kSpawned = 23,       ///< posix_spawn, system, popen: other = child's pid
  kUnshared = 24,      ///< the calling thread has a table of its own from now on
  kSessionBegun = 25,  ///< by setsid, daemon
  kAddressed = 26,     ///< bind, listen, connect: fd's addresses or state are known now
};

struct Event {
  uint64_t stamp;
  uint32_t stack;
  int32_t fd;  ///< -1 = none
  int32_t other;
  uint32_t incarnation;  ///< SlotHead::count
  uint16_t call;
  uint16_t tag;    ///< low 16 bits of JournalBlock::sequence: an event whose tag differs is an older lap's, ignore it
  int16_t error;   ///< errno of a failed call
  EventKind kind;  ///< written last
  uint8_t flags;   ///< low 8 bits of ActFlags
};
static_assert(sizeof(Event) == 32);

inline constexpr uint32_t kEventsPerBlock = 31;

/// Thirty-one consecutive events of one thread. A block is claimed by one thread and may stay partly filled.
struct JournalBlock {
  uint64_t sequence;  ///< number of the block + 1; 0 = never used
  uint32_t image;
  uint32_t thread;
  uint64_t reserved[2];
  Event events[kEventsPerBlock];
};
static_assert(sizeof(JournalBlock) == 1024);

}  // namespace fdaudit::trace
