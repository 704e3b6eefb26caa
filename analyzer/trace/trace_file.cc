#include "analyzer/trace/trace_file.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string_view>
#include <utility>

#include "analyzer/trace/file_text.h"
#include "analyzer/trace/memory_place.h"
#include "analyzer/trace/trace_error.h"
#include "shim/trace/pointer.h"

namespace fdaudit::analyzer {
namespace {

using trace::RegionKind;

constexpr char kTraceSuffix[] = ".fdaudit";
constexpr size_t kMostChunks = 2048;         // 32 MB
constexpr uint32_t kMaxTextBytes = 4 << 20;  // twice what execve(2) takes by default

/// nullptr: a kind that this version does not know.
const trace::RegionPlan* PlanOf(RegionKind kind) {
  for (const trace::RegionPlan& plan : trace::kRegionPlans) {
    if (plan.kind == kind) return &plan;
  }
  return nullptr;
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

TraceFile TraceFile::Open(const std::string& path) {
  const std::string place = ResolvePointer(path);
  return TraceFile(OpenFile(place), place);
}

TraceFile::TraceFile(std::unique_ptr<ByteSource> source, std::string name)
    : source_(std::move(source)), name_(std::move(name)), size_(source_->Size()) {
  ReadHeader();
  ReadCallNames();
}

void TraceFile::ReadHeader() {
  if (size_ == 0) throw TraceError(name_, "not a fdaudit trace: it is empty").MarkUnfinished();
  const size_t got = source_->Read(0, &header_, sizeof header_);
  if (got < sizeof header_.magic || memcmp(header_.magic, trace::kMagic, sizeof header_.magic) != 0) {
    if (got >= sizeof header_.magic && header_.magic[0] == '\0' && EndsWith(name_, kTraceSuffix)) {
      throw TraceError(name_, 0,
                       "not an fdaudit trace yet: the process that made it was stopped before it was complete")
          .MarkUnfinished();
    }
    throw TraceError(name_, 0, "not a fdaudit trace: it does not begin with \"fdaudit\"");
  }
  const uint64_t version_end = offsetof(trace::Header, header_size);
  if (got >= version_end && header_.major_version != trace::kMajorVersion) {
    const bool newer = header_.major_version > trace::kMajorVersion;
    throw TraceError(name_, offsetof(trace::Header, major_version),
                     "trace format " + std::to_string(header_.major_version) + "." +
                         std::to_string(header_.minor_version) + " is " + (newer ? "newer" : "older") +
                         " than this fdaudit understands (" + std::to_string(trace::kMajorVersion) + ".x)" +
                         (newer ? ": update fdaudit" : ": read it with the fdaudit that made it"));
  }
  if (got < sizeof header_) throw TraceError(name_, got, "the file is cut off inside its header");
  if (header_.header_size < sizeof header_ || header_.header_size > trace::kPageSize) {
    throw TraceError(name_, offsetof(trace::Header, header_size),
                     "damaged header: a header of " + std::to_string(header_.header_size) + " bytes is impossible");
  }
  if (header_.region_count > trace::kMaxRegions) {
    throw TraceError(name_, offsetof(trace::Header, region_count),
                     "damaged header: " + std::to_string(header_.region_count) + " regions are impossible");
  }
  regions_.assign(static_cast<size_t>(RegionKind::kNotes) + 1, {});
  for (uint32_t i = 0; i < header_.region_count; ++i) TakeRegion(i, header_.regions[i]);
  if (RegionOf(RegionKind::kImages).element_size == 0) {
    throw TraceError(name_, offsetof(trace::Header, regions), "damaged header: it names no region of process images");
  }
  if (size_ < header_.file_size) cut_at_ = size_;
  header_.boot_id[sizeof header_.boot_id - 1] = '\0';
  header_.host[sizeof header_.host - 1] = '\0';
}

void TraceFile::TakeRegion(uint32_t index, const trace::Region& region) {
  const trace::RegionPlan* plan = PlanOf(region.kind);
  if (plan == nullptr) return;
  const uint64_t at = offsetof(trace::Header, regions) + index * sizeof(trace::Region);
  const std::string what = "damaged header: region " + std::to_string(index) + " ";
  if (region.element_size < plan->element_size || region.element_size > (1u << 20)) {
    throw TraceError(name_, at,
                     what + "has elements of " + std::to_string(region.element_size) + " bytes, expected " +
                         std::to_string(plan->element_size));
  }
  // No place in a file overflows below this.
  const uint64_t limit = (uint64_t{1} << 62) / region.element_size;
  const bool has_place = region.capacity == 0 || uint64_t{region.windows[0]} * trace::kPageSize >= header_.header_size;
  if (!has_place || region.first_log2 > trace::kLargestFirst || region.capacity > limit ||
      region.capacity > trace::WindowBegin(trace::kMaxWindows, region.first_log2)) {
    throw TraceError(name_, at, what + "lies outside of every possible file");
  }
  ReadableRegion& readable = regions_[static_cast<size_t>(region.kind)];
  readable.region = region;
  const bool is_scattered = plan->order == trace::Order::kScattered;
  readable.count = std::min(is_scattered ? region.capacity : region.used, Present(region));
}

/// How many elements lie in the file, up to the first that does not.
uint64_t TraceFile::Present(const trace::Region& region) const {
  uint64_t present = 0;
  for (uint32_t window = 0; window < trace::kMaxWindows; ++window) {
    const uint64_t elements = trace::WindowElements(region, window);
    const uint64_t offset = uint64_t{region.windows[window]} * trace::kPageSize;
    if (elements == 0 || offset < header_.header_size || offset >= size_) break;
    const uint64_t here = std::min(elements, (size_ - offset) / region.element_size);
    present += here;
    if (here < elements) break;
  }
  return present;
}

void TraceFile::ReadCallNames() {
  ForEach<trace::CallName>(RegionKind::kCalls, [this](uint64_t index, const trace::CallName& call) {
    if (index > UINT16_MAX || call.name[0] == '\0') return;
    if (call_names_.size() <= index) call_names_.resize(index + 1);
    call_names_[index] = std::string(call.name, strnlen(call.name, sizeof call.name));
  });
}

uint64_t TraceFile::Lost(RegionKind kind) const { return RegionOf(kind).lost; }

uint64_t TraceFile::FirstLost(RegionKind kind) const { return RegionOf(kind).first_lost; }

uint64_t TraceFile::InOneWindow(RegionKind kind, uint64_t index) const {
  const trace::Region& region = RegionOf(kind);
  const uint32_t window = trace::WindowOf(index, region.first_log2);
  return std::min(Count(kind), trace::WindowBegin(window + 1, region.first_log2)) - index;
}

bool TraceFile::ReadCached(uint64_t offset, void* to, size_t size) const {
  auto* out = static_cast<char*>(to);
  while (size != 0) {
    if (chunks_.size() >= kMostChunks) chunks_.clear();
    std::unique_ptr<std::string>& chunk = chunks_[offset / kChunk];
    if (chunk == nullptr) {
      chunk = std::make_unique<std::string>(kChunk, '\0');
      chunk->resize(source_->Read(offset / kChunk * kChunk, chunk->data(), kChunk));
    }
    const size_t from = offset % kChunk;
    if (from >= chunk->size()) return false;
    const size_t n = std::min(size, chunk->size() - from);
    memcpy(out, chunk->data() + from, n);
    out += n;
    offset += n;
    size -= n;
  }
  return true;
}

std::string TraceFile::GetText(trace::Text text) const {
  const uint64_t count = Count(RegionKind::kText);
  if (text.offset == 0 || text.offset >= count) return "";
  const uint64_t length = std::min<uint64_t>({text.length, InOneWindow(RegionKind::kText, text.offset), kMaxTextBytes});
  std::string out(length, '\0');
  if (!ReadCached(OffsetOf(RegionKind::kText, text.offset), out.data(), length)) return "";
  return out;
}

bool TraceFile::GetStack(uint32_t stack, std::vector<uint64_t>* frames, uint16_t* flags) const {
  frames->clear();
  trace::StackEntry entry;
  if (stack == trace::kNoIndex || !Get(RegionKind::kStackIndex, stack - 1, &entry) || entry.words == 0) return false;
  const uint64_t count = Count(RegionKind::kStackWords);
  if (entry.words >= count) return false;
  frames->resize(std::min(uint64_t{entry.frames}, InOneWindow(RegionKind::kStackWords, entry.words)));
  if (!ReadCached(OffsetOf(RegionKind::kStackWords, entry.words), frames->data(), frames->size() * sizeof(uint64_t))) {
    frames->clear();
    return false;
  }
  *flags = entry.flags;
  return true;
}

const std::string& TraceFile::CallName(uint16_t call) const {
  static const std::string kUnknown = "?";
  return call < call_names_.size() && !call_names_[call].empty() ? call_names_[call] : kUnknown;
}

bool IsTrace(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  const FileText first_block = ReadFileText(path, 0);
  const std::string_view start = first_block.text;
  return start.starts_with(std::string_view(trace::kMagic, sizeof trace::kMagic)) ||
         start.starts_with(trace::kPointerMagic);
}

std::vector<std::string> FindTraceFiles(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) {
    throw TraceError(path, std::string("no such trace: ") + strerror(errno));
  }
  if (!S_ISDIR(status.st_mode)) return {path};
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) throw TraceError(path, std::string("cannot be read: ") + strerror(errno));
  std::vector<std::string> files;
  while (const dirent* entry = readdir(directory)) {
    const std::string file_name = entry->d_name;
    if (EndsWith(file_name, kTraceSuffix)) files.push_back(path + (path.back() == '/' ? "" : "/") + file_name);
  }
  closedir(directory);
  if (files.empty()) {
    throw TraceError(
        path, "no trace in it (no *.fdaudit file): nothing was recorded there; `fdaudit doctor PROGRAM` says why");
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace fdaudit::analyzer
