#pragma once

// One trace file: bytes to records, bounds-checked everywhere. Any field of the file may be anything, and the file may
// be cut at any byte; what is not there reads as absent, and only a header that can't be trusted is an error. Records
// are copied out, so a writer that is still alive can change them under nobody. Used by one thread.

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "analyzer/trace/byte_source.h"
#include "shim/trace/format.h"
#include "shim/trace/layout.h"

namespace fdaudit::analyzer {

class TraceFile {
 public:
  /// Opens and checks the header. Throws TraceError.
  static TraceFile Open(const std::string& path);
  TraceFile(std::unique_ptr<ByteSource> source, std::string name);

  const std::string& name() const { return name_; }
  /// Without its directory.
  std::string file_name() const { return name_.substr(name_.rfind('/') + 1); }
  /// Whose file it is; nothing where it is none.
  std::optional<uint32_t> owner() const { return source_->Owner(); }
  const trace::Header& header() const { return header_; }
  /// Where the file ends before its header says it should: the offset. 0 = it is whole.
  uint64_t cut_at() const { return cut_at_; }

  /// Elements of a region that may be read: what was claimed (hash tables and rings: the capacity), as far as the file
  /// reaches.
  uint64_t Count(trace::RegionKind kind) const { return regions_[static_cast<size_t>(kind)].count; }
  /// Claims that found no room in the region.
  uint64_t Lost(trace::RegionKind kind) const;
  /// Stamp of the first of them; 0 = there was none, or the shim was too old to note it.
  uint64_t FirstLost(trace::RegionKind kind) const;

  /// Copies element `index`; false where there is none.
  template <typename T>
  bool Get(trace::RegionKind kind, uint64_t index, T* out) const {
    return index < Count(kind) && ReadCached(OffsetOf(kind, index), out, sizeof(T));
  }

  /// Calls `visit(index, const T&)` for every element, without keeping them in memory. Holes of a sparse file are
  /// skipped: elements there are all zeros, and no record of that kind is visible.
  template <typename T, typename Visit>
  void ForEach(trace::RegionKind kind, Visit visit) const {
    Scan(kind, [&visit](uint64_t index, const char* bytes) {
      T element;
      memcpy(static_cast<void*>(&element), bytes, sizeof element);
      visit(index, element);
    });
  }

  /// The text's bytes; empty where the reference leads nowhere.
  std::string GetText(trace::Text text) const;

  /// Frames of stack number `stack` (1-based); false where there is none. `flags` gets StackFlags.
  bool GetStack(uint32_t stack, std::vector<uint64_t>* frames, uint16_t* flags) const;

  /// Name of the intercepted function; "?" where unknown.
  const std::string& CallName(uint16_t call) const;
  /// All of them; some may be empty.
  const std::vector<std::string>& CallNames() const { return call_names_; }

 private:
  static constexpr uint64_t kChunk = 16384;
  template <typename Visit>
  void Scan(trace::RegionKind kind, Visit visit) const;
  void ReadHeader();
  void TakeRegion(uint32_t index, const trace::Region& region);
  uint64_t Present(const trace::Region& region) const;
  void ReadCallNames();
  const trace::Region& RegionOf(trace::RegionKind kind) const { return regions_[static_cast<size_t>(kind)].region; }
  uint64_t OffsetOf(trace::RegionKind kind, uint64_t index) const {
    const trace::Region& region = RegionOf(kind);
    const uint32_t window = trace::WindowOf(index, region.first_log2);
    return uint64_t{region.windows[window]} * trace::kPageSize +  // TakeRegion made sure that it does not overflow
           (index - trace::WindowBegin(window, region.first_log2)) * region.element_size;
  }
  /// Elements from `index`, which is below Count(), to its window's end.
  uint64_t InOneWindow(trace::RegionKind kind, uint64_t index) const;
  bool ReadCached(uint64_t offset, void* to, size_t size) const;

  std::unique_ptr<ByteSource> source_;
  std::string name_;
  uint64_t size_ = 0;
  uint64_t cut_at_ = 0;
  trace::Header header_{};
  struct ReadableRegion {
    trace::Region region;  ///< element_size 0 = the file has none
    uint64_t count;        ///< elements that may be read
  };
  std::vector<ReadableRegion> regions_;  // by kind
  std::vector<std::string> call_names_;
  mutable std::unordered_map<uint64_t, std::unique_ptr<std::string>> chunks_;
};

/// Whether the file is a trace, or a pointer to one, by how it begins.
bool IsTrace(const std::string& path);

/// The trace files that `path` means: itself, or all *.fdaudit files of a directory, sorted. Throws TraceError where
/// there is none.
std::vector<std::string> FindTraceFiles(const std::string& path);

template <typename Visit>
void TraceFile::Scan(trace::RegionKind kind, Visit visit) const {
  const trace::Region& region = RegionOf(kind);
  const uint64_t count = Count(kind);
  if (count == 0) return;
  const uint64_t stride = region.element_size;
  const uint64_t batch = stride < 65536 ? 65536 / stride : 1;
  std::string buffer(batch * stride, '\0');
  for (uint64_t index = 0; index < count;) {
    const uint64_t offset = OffsetOf(kind, index);
    const uint64_t data = source_->NextData(offset);
    const uint64_t here = InOneWindow(kind, index);
    const uint64_t hole = data > offset ? (data - offset) / stride : 0;
    if (hole != 0) {
      index += hole < here ? hole : here;
      continue;
    }
    const uint64_t wanted = here < batch ? here : batch;
    const uint64_t got = source_->Read(offset, buffer.data(), wanted * stride) / stride;
    if (got == 0) break;  // the file became shorter meanwhile
    for (uint64_t i = 0; i < got; ++i) visit(index + i, buffer.data() + i * stride);
    index += got;
  }
}

}  // namespace fdaudit::analyzer
