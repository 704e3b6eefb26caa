#include "shim/trace/recorder.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

#include "shim/base/clock.h"
#include "shim/base/large.h"
#include "shim/base/options.h"
#include "shim/base/raw_io.h"
#include "shim/base/surroundings.h"
#include "shim/base/text.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14; this libc is older
#endif

namespace fdaudit::shim {
namespace {

using trace::kMaxWindows;
using trace::kPageSize;
using trace::kStartWindows;
using trace::Layout;
using trace::Region;
using trace::RegionKind;

constexpr uint64_t kLeastPages = 96;  // less than that can't hold one process's story

uint64_t Least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/// How much address space the trace may take: it must not be missed by a program that limits its own.
uint64_t AddressSpaceLimit() { return SoftLimit(RLIMIT_AS) / 8; }

/// How many pages may ever be backed: a share of what file system and control group have left.
uint64_t PageLimit(int fd, uint32_t* features) {
  uint64_t room = 0;
  bool memory_backed = false;
  if (!FileSystemRoom(fd, &room, &memory_backed)) room = UINT64_MAX;
  if (memory_backed) *features |= trace::kMemoryBacked;
  const uint64_t bytes = Least(Least(room == UINT64_MAX ? room : room / 8, CgroupRoom() / 16), trace::kMaxFileSize);
  return bytes / kPageSize;
}

/// The largest layout within the limits. False when not even the smallest is.
bool ChooseLayout(uint64_t journal_bytes, Layout* layout, uint32_t* shift) {
  // Beyond RLIMIT_FSIZE, ftruncate would raise SIGXFSZ in the program: never ask for more.
  const uint64_t file_limit = Least(SoftLimit(RLIMIT_FSIZE), trace::kMaxFileSize);
  const uint64_t start_limit = AddressSpaceLimit();
  for (*shift = 0; *shift <= trace::kSmallestShift; ++*shift) {
    uint64_t blocks = (journal_bytes >> *shift) / sizeof(trace::JournalBlock);
    if (blocks == 0 && journal_bytes != 0) blocks = 1;
    *layout = Layout{};
    LayOut(*shift, blocks, layout);
    if (layout->pages * kPageSize <= file_limit && layout->start_pages * kPageSize <= start_limit) return true;
  }
  return false;
}

constexpr uint64_t UsualStartPages() {
  Layout layout = {};
  LayOut(0, (uint64_t{16} << 20) / sizeof(trace::JournalBlock), &layout);
  return layout.start_pages;
}

bool IsSame(const Region& found, const Region& expected) {
  return found.kind == expected.kind && found.element_size == expected.element_size &&
         found.first_log2 == expected.first_log2 && found.capacity == expected.capacity &&
         memcmp(found.windows, expected.windows, sizeof found.windows) == 0;
}

/// Computes the layout of a file that this shim could have made. False: it is another version's, or damaged.
bool FindLayout(trace::Header& found, uint64_t file_size, Layout* layout) {
  const bool is_ours = memcmp(found.magic, trace::kMagic, sizeof found.magic) == 0 &&
                       found.major_version == trace::kMajorVersion && found.minor_version == trace::kMinorVersion &&
                       found.header_size == sizeof(trace::Header) && found.file_size == file_size;
  const uint32_t shift = Atomic(found.layout_shift).load();
  const uint64_t journal = Atomic(found.regions[static_cast<uint32_t>(RegionKind::kJournal)].capacity).load();
  if (!is_ours || shift > trace::kSmallestShift || journal > trace::kMaxFileSize / sizeof(trace::JournalBlock)) {
    return false;
  }
  LayOut(shift, journal, layout);
  if (layout->pages * kPageSize != file_size) return false;
  for (uint32_t kind = 0; kind < trace::kMaxRegions; ++kind) {
    if (!IsSame(found.regions[kind], layout->regions[kind])) return false;
  }
  return true;
}

/// Its name can be guessed, and the folder may be another user's meanwhile: what lies there may be anybody's.
bool IsTrusted(const struct stat& status, bool roots_too) {
  const bool is_own = static_cast<long>(status.st_uid) == raw::Call(SYS_geteuid);
  return S_ISREG(status.st_mode) && (status.st_mode & 077) == 0 && (is_own || (roots_too && status.st_uid == 0));
}

/// What stands for elements that are not there. Read as zeros until something is lost.
FDAUDIT_LARGE __attribute__((aligned(16))) constinit char nowhere[kPageSize] = {};

}  // namespace

/// Maps what every writer maps. nullptr: this is no file to join.
void* Recorder::MapStart(int fd, uint64_t file_size, const char* family, Layout* layout) {
  uint64_t size = Least(file_size, UsualStartPages() * kPageSize);
  for (;;) {
    if (size > AddressSpaceLimit()) return nullptr;
    void* memory = raw::Map(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    if (memory == nullptr) return nullptr;
    auto& found = *static_cast<trace::Header*>(memory);
    *layout = Layout{};
    // Another version of the shim may number its calls otherwise: it gets a file of its own.
    const bool fits = FindLayout(found, file_size, layout) &&
                      (family == nullptr || (strncmp(found.family, family, sizeof found.family) == 0 &&
                                             found.pid_namespace == PidNamespace()));
    const uint64_t wanted = layout->start_pages * kPageSize;
    if (fits && size >= wanted) {
      if (size > wanted) raw::Unmap(static_cast<char*>(memory) + wanted, size - wanted);
      return memory;
    }
    raw::Unmap(memory, size);
    if (!fits || size == file_size) return nullptr;
    size = Least(wanted, file_size);
  }
}

bool Recorder::Join(int directory, const char* path, const char* family) {
  const int fd = raw::OpenAt(directory, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return false;
  struct stat status = {};
  void* memory = nullptr;
  Layout layout;
  if (raw::Fstat(fd, &status) == 0 && status.st_size >= kPageSize * 2 && IsTrusted(status, family == nullptr)) {
    memory = MapStart(fd, static_cast<uint64_t>(status.st_size), family, &layout);
  }
  raw::Close(fd);
  if (memory == nullptr) return false;
  Adopt(static_cast<char*>(memory), layout);
  page_limit_ = Least(Atomic(header().page_limit).load(), layout.pages);
  stamps_are_tsc = (header().features & trace::kStampsAreTsc) != 0;
  if (stamps_are_tsc && IsCounterForbidden()) EstimateCounter(header().started, header().latest);
  return true;
}

bool Recorder::Create(int directory, const char* name, const char* family, const char** problem) {
  const int fd = raw::OpenAt(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  *problem = "the trace file can't be created";
  if (fd < 0) return false;
  Layout layout;
  uint32_t shift = 0;
  uint32_t features = 0;
  page_limit_ = PageLimit(fd, &features);
  // A quarter of the room at most: the ring would overwrite itself only after it had taken the findings' room.
  const uint64_t journal = Least(options.journal, page_limit_ / 4 * kPageSize);
  if (!ChooseLayout(journal, &layout, &shift)) {
    *problem = "the limits on file size or address space (ulimit -f, -v) are too small for a trace";
    raw::Close(fd);
    raw::Call(SYS_unlinkat, directory, raw::Address(name), 0);
    return false;
  }
  page_limit_ = Least(page_limit_, layout.pages);
  const uint64_t size = layout.pages * kPageSize;
  const uint64_t start_size = layout.start_pages * kPageSize;
  const bool sized = raw::Call(SYS_ftruncate, fd, static_cast<long>(size)) == 0;
  void* memory = sized ? raw::Map(start_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd) : nullptr;
  *problem = "there is not enough room for a trace (file system, memory control group or address space)";
  bool usable = memory != nullptr && page_limit_ >= kLeastPages;
  uint64_t backed_pages = layout.bitmap_page + 1;
  if (usable) {
    const int backed = raw::Advise(memory, backed_pages * kPageSize, MADV_POPULATE_WRITE);
    // Before Linux 5.14 pages can't be asked for one by one without risking SIGBUS: reserve a small file as a whole.
    const bool is_old = backed == -EINVAL && layout.pages <= page_limit_ &&
                        raw::Call(SYS_fallocate, fd, 0, 0, static_cast<long>(size)) == 0;
    if (is_old) backed_pages = layout.pages;
    usable = backed == 0 || is_old;
  }
  raw::Close(fd);
  if (!usable) {
    if (memory != nullptr) raw::Unmap(memory, start_size);
    raw::Call(SYS_unlinkat, directory, raw::Address(name), 0);
    return false;
  }
  Adopt(static_cast<char*>(memory), layout);
  for (uint64_t page = 0; page < backed_pages; ++page) page_bits_[page / 64] |= uint64_t{1} << (page % 64);
  trace::Header& h = header();
  h.features = features | (InvariantTsc() && !IsCounterForbidden() ? trace::kStampsAreTsc : 0u);
  stamps_are_tsc = (h.features & trace::kStampsAreTsc) != 0;
  h.major_version = trace::kMajorVersion;
  h.minor_version = trace::kMinorVersion;
  h.header_size = sizeof(trace::Header);
  h.region_count = trace::kMaxRegions;
  h.file_size = size;
  h.layout_shift = shift;
  h.page_limit = page_limit_;
  h.pages_backed = backed_pages;
  memcpy(h.regions, layout.regions, sizeof h.regions);
  h.started = Now();
  h.latest = h.started;
  h.started_realtime_ns = static_cast<int64_t>(raw::Nanoseconds(CLOCK_REALTIME));
  ReadSmallFile("/proc/sys/kernel/random/boot_id", h.boot_id, sizeof h.boot_id);
  HostName(h.host, sizeof h.host);
  TextBuilder(h.family, sizeof h.family).Add(family);
  h.depth = options.depth;
  h.run_token = options.token;
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

void Recorder::Adopt(char* base, const Layout& layout) {
  for (uint32_t kind = 0; kind < trace::kMaxRegions; ++kind) {
    const Region& region = layout.regions[kind];
    View& view = views_[kind];
    view.element_size = region.element_size;
    view.first_log2 = region.first_log2;
    memcpy(view.pages, region.windows, sizeof view.pages);
    for (uint32_t window = 0; window < kStartWindows && region.windows[window] != 0; ++window) {
      view.windows[window] = base + region.windows[window] * kPageSize - view.Begin(window) * view.element_size;
    }
    view.capacity = region.capacity;
  }
  page_bits_ = reinterpret_cast<uint64_t*>(base + layout.bitmap_page * kPageSize);
  start_pages_ = layout.start_pages;
  base_ = base;
}

void* Recorder::AtFar(RegionKind kind, uint64_t index) {
  View& view = views_[static_cast<uint32_t>(kind)];
  if (index >= view.capacity) return nowhere;
  char* window = MapWindow(view, trace::WindowOf(index, view.first_log2));
  return window == nullptr ? nowhere : window + index * view.element_size;
}

/// The last mapped page before `page` of the file, or one that is near it. The start is before every other window.
char* Recorder::NearestMapped(uint64_t page, uint64_t* mapped_page) {
  *mapped_page = start_pages_ - 1;
  char* nearest = base_ + *mapped_page * kPageSize;
  for (View& view : views_) {
    for (uint32_t window = kStartWindows; window < kMaxWindows; ++window) {
      char* start = StartOf(view, window);
      const uint64_t pages = view.PagesOf(window);
      const uint64_t last = view.pages[window] + pages - 1;
      if (start == nullptr || last >= page || last <= *mapped_page) continue;
      *mapped_page = last;
      nearest = start + (pages - 1) * kPageSize;
    }
  }
  return nearest;
}

/// Maps the file anew from a mapped page on, to the window's end, and gives back what lies before the window. Returns
/// what View::windows holds, nullptr where there is no room. Whoever else does so meanwhile, one mapping stays.
__attribute__((noinline)) char* Recorder::MapWindow(View& view, uint32_t window) {
  char* known = Atomic(view.windows[window]).load(std::memory_order_acquire);
  if (known != nullptr || !SystemCallsAllowed()) return known;
  // Asking takes a microsecond, and the answer seldom changes.
  constexpr uint32_t kPatience = 256;
  const uint32_t refusals = Atomic(view.refusals).load(std::memory_order_relaxed);
  if (refusals != 0) Atomic(view.refusals).store((refusals + 1) % kPatience, std::memory_order_relaxed);
  if (refusals != 0) return nullptr;
  uint64_t nearest_page = 0;
  char* nearest = NearestMapped(view.pages[window], &nearest_page);
  const uint64_t size = view.PagesOf(window) * kPageSize;
  const uint64_t before = (view.pages[window] - nearest_page) * kPageSize;
  const uint64_t in_use = start_pages_ * kPageSize + Atomic(windows_bytes_).load(std::memory_order_relaxed);
  long mapped = -ENOMEM;
  if (in_use + before + size <= AddressSpaceLimit()) {
    mapped = raw::Call(SYS_mremap, raw::Address(nearest), 0, static_cast<long>(before + size), MREMAP_MAYMOVE);
  }
  if (raw::Failed(mapped)) {
    Atomic(view.refusals).store(1, std::memory_order_relaxed);
    return nullptr;
  }
  raw::Unmap(reinterpret_cast<void*>(mapped), before);
  char* start = reinterpret_cast<char*>(mapped) + before;
  char* made = start - view.Begin(window) * view.element_size;
  if (Atomic(view.windows[window]).compare_exchange_strong(known, made)) {
    Atomic(windows_bytes_).fetch_add(size, std::memory_order_relaxed);
    return made;
  }
  raw::Unmap(start, size);
  return known;
}

int64_t Recorder::Claim(RegionKind kind, uint64_t count) {
  Region& r = region(kind);
  View& view = views_[static_cast<uint32_t>(kind)];
  for (int attempts = 0; attempts < 2; ++attempts) {
    const uint64_t first = Atomic(r.used).fetch_add(count, std::memory_order_relaxed);
    if (first >= view.capacity || count > view.capacity - first) break;
    const uint64_t last = first + count - 1;
    if (trace::WindowOf(first, view.first_log2) != trace::WindowOf(last, view.first_log2)) continue;
    // What is known to be backed need not be mapped here.
    if (!Back(kind, first, count, 15) || MapWindow(view, trace::WindowOf(first, view.first_log2)) == nullptr) break;
    return static_cast<int64_t>(first);
  }
  NoteLost(kind);
  return -1;
}

void Recorder::NoteLost(RegionKind kind, uint64_t count) {
  Region& r = region(kind);
  if (Atomic(r.lost).fetch_add(count, std::memory_order_relaxed) == 0) Atomic(r.first_lost).store(Stamp());
}

/// Pages of the limit that a region leaves to others: findings come first, then what they refer to.
uint64_t Recorder::PagesLeftBy(RegionKind kind) const {
  switch (kind) {
    case RegionKind::kFindings:
      return 0;
    case RegionKind::kStackIndex:
    case RegionKind::kStackWords:
    case RegionKind::kModules:
    case RegionKind::kImages:
      return page_limit_ / 16;
    default:
      return page_limit_ / 8;
  }
}

bool Recorder::Back(RegionKind kind, uint64_t index, uint64_t count, uint32_t ahead) {
  View& view = views_[static_cast<uint32_t>(kind)];
  const bool grows = ahead != 0;
  if (grows && index + count <= Atomic(view.known_backed).load(std::memory_order_relaxed)) return true;
  if (index >= view.capacity || count > view.capacity - index) return false;
  const uint32_t window = trace::WindowOf(index, view.first_log2);
  if (MapWindow(view, window) == nullptr) return false;
  const uint64_t first = view.PageOf(index);
  const uint64_t last = view.PageOf(index + count - 1, view.element_size - 1);
  uint64_t missing = first;
  while (missing <= last && IsMarkedBacked(missing)) ++missing;
  if (missing > last) {
    if (grows) NoteBacked(view, window, last);
    return true;
  }
  const uint64_t end = view.pages[window] + view.PagesOf(window);
  return BackPages(view, window, missing, Least(last + ahead, end - 1)) ||
         (ahead != 0 && BackPages(view, window, missing, last));
}

/// A growing region has no holes: all up to page `last` is backed, and what follows it as far as the bitmap says.
void Recorder::NoteBacked(View& view, uint32_t window, uint64_t last) {
  const uint64_t end = view.pages[window] + view.PagesOf(window);
  while (last + 1 < end && IsMarkedBacked(last + 1)) ++last;
  const uint64_t elements = view.Begin(window) + (last + 1 - view.pages[window]) * kPageSize / view.element_size;
  Atomic(view.known_backed).store(Least(elements, view.End(window)), std::memory_order_relaxed);
}

/// Backs pages [first, last] of a mapped window. Two threads may do so for the same pages: harmless, but counted twice.
bool Recorder::BackPages(View& view, uint32_t window, uint64_t first, uint64_t last) {
  trace::Header& h = header();
  const uint64_t count = last - first + 1;
  const uint64_t backed = Atomic(h.pages_backed).fetch_add(count, std::memory_order_relaxed);
  char* start = StartOf(view, window) + (first - view.pages[window]) * kPageSize;
  const uint64_t limit = page_limit_ - PagesLeftBy(static_cast<RegionKind>(&view - views_));
  if (!SystemCallsAllowed() || backed >= limit || count > limit - backed ||
      raw::Advise(start, count * kPageSize, MADV_POPULATE_WRITE) != 0) {
    Atomic(h.pages_backed).fetch_sub(count, std::memory_order_relaxed);
    Atomic(h.pages_refused).fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  for (uint64_t page = first; page <= last; ++page) {
    Atomic(page_bits_[page / 64]).fetch_or(uint64_t{1} << (page % 64), std::memory_order_release);
  }
  return true;
}

bool Recorder::IsBacked(RegionKind kind, uint64_t index) const {
  const View& view = views_[static_cast<uint32_t>(kind)];
  return index < view.capacity && IsMarkedBacked(view.PageOf(index));
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
    const View& view = views_[static_cast<uint32_t>(room.kind)];
    const uint64_t used = Atomic(region(room.kind).used).load(std::memory_order_relaxed);
    const bool ring = room.kind == RegionKind::kJournal;
    const bool table = room.kind == RegionKind::kModules || room.kind == RegionKind::kStackIndex ||
                       room.kind == RegionKind::kCloseCounts || room.kind == RegionKind::kPythonCode;
    uint64_t first = table ? 0 : ring && view.capacity != 0 ? used % view.capacity : used;
    // Window by window.
    for (uint64_t left = room.elements; left != 0 && first < view.capacity;) {
      const uint64_t here = Least(left, view.End(trace::WindowOf(first, view.first_log2)) - first);
      Back(room.kind, first, here);
      first += here;
      left -= here;
    }
  }
}

char* Recorder::Rewritable(trace::Text text) {
  const View& view = views_[static_cast<uint32_t>(RegionKind::kText)];
  if (text.offset == 0 || text.offset >= view.capacity || text.length == 0 ||
      text.length > view.capacity - text.offset) {
    return nullptr;
  }
  const uint32_t window = trace::WindowOf(text.offset, view.first_log2);
  const bool is_in_one = trace::WindowOf(text.offset + text.length - 1, view.first_log2) == window;
  if (!is_in_one || !Back(RegionKind::kText, text.offset, text.length)) return nullptr;
  return At<char>(RegionKind::kText, text.offset);
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
