#include "shim/trace/recorder.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

#include "shim/base/clock.h"
#include "shim/base/options.h"
#include "shim/base/raw_io.h"
#include "shim/base/surroundings.h"
#include "shim/base/text.h"
#include "shim/trace/layout.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14; this libc is older
#endif

namespace fdaudit::shim {
namespace {

using trace::kPageSize;
using trace::Region;
using trace::RegionKind;

constexpr uint64_t kLeastPages = 96;  // less than that can't hold one process's story

uint64_t Least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/// How many pages may ever be backed: a share of what file system and control group have left.
uint64_t PageLimit(int fd, uint64_t file_size, uint32_t* features) {
  uint64_t room = 0;
  bool memory_backed = false;
  if (!FileSystemRoom(fd, &room, &memory_backed)) room = UINT64_MAX;
  if (memory_backed) *features |= trace::kMemoryBacked;
  const uint64_t bytes = Least(Least(room == UINT64_MAX ? room : room / 8, CgroupRoom() / 16), file_size);
  return bytes / kPageSize;
}

/// The largest layout that fits `size_limit`; 0 when not even the smallest does.
uint64_t ChooseLayout(uint64_t size_limit, uint64_t journal_bytes, Region (&regions)[trace::kMaxRegions]) {
  for (uint32_t shift = 0; shift <= kSmallestShift; ++shift) {
    uint64_t blocks = (journal_bytes >> shift) / sizeof(trace::JournalBlock);
    if (blocks == 0 && journal_bytes != 0) blocks = 1;
    memset(static_cast<void*>(regions), 0, sizeof regions);
    const uint64_t size = LayOut(shift, blocks, regions);
    if (size <= size_limit && size <= kMaxFileSize) return size;
  }
  return 0;
}

}  // namespace

namespace {

bool IsFormatOfThisShim(const trace::Header& found, uint64_t size) {
  return memcmp(found.magic, trace::kMagic, sizeof found.magic) == 0 && found.major_version == trace::kMajorVersion &&
         found.minor_version == trace::kMinorVersion && found.header_size == sizeof(trace::Header) &&
         found.file_size == size;
}

/// Its name can be guessed, so somebody else may have put it there.
bool IsOwn(const struct stat& status) {
  return static_cast<long>(status.st_uid) == raw::Call(SYS_geteuid) && (status.st_mode & 077) == 0;
}

}  // namespace

bool Recorder::Join(const char* path, const char* family) {
  const int fd = raw::Open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  struct stat status = {};
  void* memory = nullptr;
  if (raw::Fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size >= kPageSize * 2 &&
      (family == nullptr || IsOwn(status)) && static_cast<uint64_t>(status.st_size) <= SoftLimit(RLIMIT_AS) / 8) {
    memory = raw::Map(static_cast<size_t>(status.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd);
  }
  raw::Close(fd);
  if (memory == nullptr) return false;
  const auto& found = *static_cast<const trace::Header*>(memory);
  // Another version of the shim may number its calls otherwise: it gets a file of its own.
  const bool is_ours = family == nullptr || (strncmp(found.family, family, sizeof found.family) == 0 &&
                                             found.pid_namespace == PidNamespace());
  if (!is_ours || !IsFormatOfThisShim(found, static_cast<uint64_t>(status.st_size))) {
    raw::Unmap(memory, static_cast<size_t>(status.st_size));
    return false;
  }
  base_ = static_cast<char*>(memory);
  NoteStarts();
  page_bits_ = reinterpret_cast<uint64_t*>(base_ + kPageBitmapOffset);
  stamps_are_tsc = (found.features & trace::kStampsAreTsc) != 0;
  if (stamps_are_tsc && IsCounterForbidden()) EstimateCounter(found.started, found.latest);
  return true;
}

bool Recorder::Create(const char* path, const char* family, const char** problem) {
  // Beyond RLIMIT_FSIZE, ftruncate would raise SIGXFSZ in the program: never ask for more.
  Region regions[trace::kMaxRegions];
  const uint64_t limit = Least(SoftLimit(RLIMIT_AS) / 8, SoftLimit(RLIMIT_FSIZE));
  const uint64_t size = ChooseLayout(limit, options.journal, regions);
  *problem = "the limits on file size or address space (ulimit -f, -v) are too small for a trace";
  if (size == 0) return false;
  const int fd = raw::Open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  *problem = "the trace file can't be created";
  if (fd < 0) return false;
  const bool sized = raw::Call(SYS_ftruncate, fd, static_cast<long>(size)) == 0;
  void* memory = sized ? raw::Map(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd) : nullptr;
  uint32_t features = 0;
  const uint64_t page_limit = PageLimit(fd, size, &features);
  *problem = "there is not enough room for a trace (file system, memory control group or address space)";
  bool usable = memory != nullptr && page_limit >= kLeastPages;
  const uint64_t front_pages = 1 + (size / kPageSize + 8 * kPageSize - 1) / (8 * kPageSize);  // header and page bitmap
  if (usable) {
    const int backed = raw::Advise(memory, front_pages * kPageSize, MADV_POPULATE_WRITE);
    if (backed == -EINVAL) {
      // Before Linux 5.14 pages can't be asked for one by one without risking SIGBUS: reserve a small file as a whole.
      all_backed_ = size <= page_limit * kPageSize && raw::Call(SYS_fallocate, fd, 0, 0, static_cast<long>(size)) == 0;
    }
    usable = backed == 0 || all_backed_;
  }
  raw::Close(fd);
  if (!usable) {
    if (memory != nullptr) raw::Unmap(memory, size);
    raw::Unlink(path);
    return false;
  }
  base_ = static_cast<char*>(memory);
  page_bits_ = reinterpret_cast<uint64_t*>(base_ + kPageBitmapOffset);
  trace::Header& h = header();
  h.features = features | (InvariantTsc() && !IsCounterForbidden() ? trace::kStampsAreTsc : 0u);
  stamps_are_tsc = (h.features & trace::kStampsAreTsc) != 0;
  h.major_version = trace::kMajorVersion;
  h.minor_version = trace::kMinorVersion;
  h.header_size = sizeof(trace::Header);
  h.region_count = trace::kMaxRegions;
  h.file_size = size;
  h.page_limit = page_limit;
  h.pages_backed = front_pages;
  page_bits_[0] = (uint64_t{1} << front_pages) - 1;
  memcpy(h.regions, regions, sizeof regions);
  NoteStarts();
  h.started = Now();
  h.latest = h.started;
  h.started_realtime_ns = static_cast<int64_t>(raw::Nanoseconds(CLOCK_REALTIME));
  ReadSmallFile("/proc/sys/kernel/random/boot_id", h.boot_id, sizeof h.boot_id);
  HostName(h.host, sizeof h.host);
  TextBuilder(h.family, sizeof h.family).Add(family);
  h.depth = options.depth;
  h.creator_pid = raw::Pid();
  h.pid_namespace = PidNamespace();
  h.nr_open = NrOpen();
  // Index 0 means "none" in both.
  Atomic(region(RegionKind::kStackWords).used).store(1);
  Atomic(region(RegionKind::kText).used).store(1);
  created_here_ = true;
  std::atomic_thread_fence(std::memory_order_release);
  memcpy(h.magic, trace::kMagic, sizeof h.magic);
  return true;
}

void Recorder::NoteStarts() {
  for (uint32_t kind = 0; kind < trace::kMaxRegions; ++kind) starts_[kind] = base_ + header().regions[kind].offset;
}

int64_t Recorder::Claim(RegionKind kind, uint64_t count) {
  Region& r = region(kind);
  const uint64_t first = Atomic(r.used).fetch_add(count, std::memory_order_relaxed);
  if (first + count > r.capacity || !Back(kind, first, count, 15)) {
    Atomic(r.lost).fetch_add(count, std::memory_order_relaxed);
    return -1;
  }
  return static_cast<int64_t>(first);
}

bool Recorder::Back(RegionKind kind, uint64_t index, uint64_t count, uint32_t ahead) {
  uint64_t& known = known_backed_[static_cast<uint32_t>(kind)];
  const bool grows = ahead != 0;
  if (all_backed_ || (grows && index + count <= Atomic(known).load(std::memory_order_relaxed))) return true;
  const Region& r = region(kind);
  const uint64_t first = (r.offset + index * r.element_size) / kPageSize;
  const uint64_t last = (r.offset + (index + count) * r.element_size - 1) / kPageSize;
  uint64_t missing = first;
  while (missing <= last && (Atomic(page_bits_[missing / 64]).load(std::memory_order_acquire) >> (missing % 64) & 1)) {
    ++missing;
  }
  if (missing > last) {
    if (grows) NoteBacked(kind, last);
    return true;
  }
  const uint64_t end = (r.offset + r.capacity * r.element_size + kPageSize - 1) / kPageSize;
  return BackPages(missing, Least(last + ahead, end - 1)) || (ahead != 0 && BackPages(missing, last));
}

/// A growing region has no holes: all up to page `last` is backed, and what follows it as far as the bitmap says.
void Recorder::NoteBacked(RegionKind kind, uint64_t last) {
  const Region& r = region(kind);
  while (Atomic(page_bits_[(last + 1) / 64]).load(std::memory_order_relaxed) >> ((last + 1) % 64) & 1) ++last;
  const uint64_t elements = ((last + 1) * kPageSize - r.offset) / r.element_size;
  const uint64_t known = elements < r.capacity ? elements : r.capacity;
  Atomic(known_backed_[static_cast<uint32_t>(kind)]).store(known, std::memory_order_relaxed);
}

/// Backs pages [first, last]. Two threads may do so for the same pages: harmless, but counted twice.
bool Recorder::BackPages(uint64_t first, uint64_t last) {
  trace::Header& h = header();
  const uint64_t count = last - first + 1;
  const uint64_t backed = Atomic(h.pages_backed).fetch_add(count, std::memory_order_relaxed);
  if (!SystemCallsAllowed() || backed + count > h.page_limit ||
      raw::Advise(base_ + first * kPageSize, count * kPageSize, MADV_POPULATE_WRITE) != 0) {
    Atomic(h.pages_backed).fetch_sub(count, std::memory_order_relaxed);
    Atomic(h.pages_refused).fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  for (uint64_t page = first; page <= last; ++page) {
    Atomic(page_bits_[page / 64]).fetch_or(uint64_t{1} << (page % 64), std::memory_order_release);
  }
  return true;
}

void Recorder::BackAhead() {
  struct Room {
    RegionKind kind;
    uint64_t elements;
  };
  static constexpr Room kRooms[] = {
      {RegionKind::kModules, 64},       {RegionKind::kStackIndex, 4096}, {RegionKind::kStackWords, 32768},
      {RegionKind::kText, 16384},       {RegionKind::kSlots, 64},        {RegionKind::kFindings, 64},
      {RegionKind::kCloseCounts, 1024}, {RegionKind::kPythonCode, 128},  {RegionKind::kJournal, 1024}};
  for (const Room& room : kRooms) {
    const Region& r = region(room.kind);
    const bool ring = room.kind == RegionKind::kJournal;
    const bool table = room.kind == RegionKind::kModules || room.kind == RegionKind::kStackIndex ||
                       room.kind == RegionKind::kCloseCounts || room.kind == RegionKind::kPythonCode;
    const uint64_t first = table ? 0 : ring && r.capacity != 0 ? r.used % r.capacity : r.used;
    if (first < r.capacity) Back(room.kind, first, Least(room.elements, r.capacity - first));
  }
}

trace::Text Recorder::AddText(const char* text, size_t length) {
  if (length == 0) return {0, 0};
  const int64_t offset = Claim(RegionKind::kText, length);
  if (offset < 0) return {0, 0};
  memcpy(At<char>(RegionKind::kText, static_cast<uint64_t>(offset)), text, length);
  return {static_cast<uint32_t>(offset), static_cast<uint32_t>(length)};
}

void Recorder::ForgoCounter() {
  if (base_ == nullptr || !stamps_are_tsc) return;
  header().latest = Now();  // the programs that this one starts may not read the counter either, and need the rate
  EstimateCounter(header().started, header().latest);
}

void Recorder::NoteTime() {
  if (SystemCallsAllowed()) header().latest = Now();
}

}  // namespace fdaudit::shim
