#include "analyzer/target/elf_reader.h"

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace fdaudit::analyzer {
namespace {

constexpr size_t kMaxSegments = 1024;  // real programs have a dozen
constexpr size_t kMaxPath = 4096;      // PATH_MAX, the kernel's limit for PT_INTERP
constexpr size_t kMaxDynamicEntries = 65536;
constexpr size_t kMaxNeeded = 4096;
constexpr size_t kMaxNotes = 1 << 20;  // of all segments together
constexpr uint32_t kGoBuildId = 4;     // note type, owner "Go"

class Reader {
 public:
  explicit Reader(int fd) : fd_(fd) {
    struct stat status;
    if (fstat(fd, &status) == 0 && status.st_size > 0) size_ = static_cast<uint64_t>(status.st_size);
  }

  bool Holds(uint64_t offset, uint64_t size) const { return offset <= size_ && size <= size_ - offset; }

  // The bytes from `offset`, fewer at the end of the file.
  std::string Bytes(uint64_t offset, uint64_t size) const {
    if (offset >= size_) return "";
    std::string bytes(std::min(size, size_ - offset), '\0');
    ssize_t got = pread(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return bytes;
  }

  template <class Struct>
  std::optional<Struct> Get(uint64_t offset) const {
    std::string bytes = Bytes(offset, sizeof(Struct));
    if (bytes.size() < sizeof(Struct)) return std::nullopt;
    Struct result;
    std::memcpy(&result, bytes.data(), sizeof(Struct));
    return result;
  }

  // A NUL-terminated string; empty where it has no end.
  std::string Text(uint64_t offset) const {
    std::string bytes = Bytes(offset, kMaxPath);
    size_t end = bytes.find('\0');
    return end == std::string::npos ? "" : bytes.substr(0, end);
  }

 private:
  int fd_;
  uint64_t size_ = 0;
};

using Segments = std::vector<Elf64_Phdr>;

// Where a virtual address lies in the file.
std::optional<uint64_t> FileOffset(const Segments& segments, uint64_t address) {
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_LOAD || address < segment.p_vaddr) continue;
    uint64_t into = address - segment.p_vaddr;
    if (into < segment.p_filesz) return segment.p_offset + into;
  }
  return std::nullopt;
}

void ReadDynamic(const Reader& reader, const Segments& segments, const Elf64_Phdr& dynamic, ElfSummary* summary) {
  std::vector<uint64_t> needed;
  std::optional<uint64_t> strings, soname;
  size_t count = std::min<size_t>(dynamic.p_filesz / sizeof(Elf64_Dyn), kMaxDynamicEntries);
  for (size_t i = 0; i < count; ++i) {
    auto entry = reader.Get<Elf64_Dyn>(dynamic.p_offset + i * sizeof(Elf64_Dyn));
    if (!entry || entry->d_tag == DT_NULL) break;
    if (entry->d_tag == DT_NEEDED && needed.size() < kMaxNeeded) needed.push_back(entry->d_un.d_val);
    if (entry->d_tag == DT_SONAME) soname = entry->d_un.d_val;
    if (entry->d_tag == DT_STRTAB) strings = FileOffset(segments, entry->d_un.d_ptr);
  }
  if (!strings) return;
  for (uint64_t offset : needed) summary->needed.push_back(reader.Text(*strings + offset));
  if (soname) summary->soname = reader.Text(*strings + *soname);
}

bool HasGoNote(const Reader& reader, const Elf64_Phdr& segment, uint64_t most) {
  std::string notes = reader.Bytes(segment.p_offset, std::min<uint64_t>(segment.p_filesz, most));
  auto aligned = [](uint64_t size) { return (size + 3) & ~uint64_t{3}; };
  for (uint64_t at = 0; at + sizeof(Elf64_Nhdr) <= notes.size();) {
    Elf64_Nhdr header;
    std::memcpy(&header, notes.data() + at, sizeof(header));
    std::string_view owner = std::string_view(notes).substr(at + sizeof(header));
    if (header.n_type == kGoBuildId && header.n_namesz == 4 && owner.starts_with(std::string_view("Go\0\0", 4))) {
      return true;
    }
    at += sizeof(header) + aligned(header.n_namesz) + aligned(header.n_descsz);
  }
  return false;
}

// False where the program headers lie outside of the file.
bool ReadSegments(const Reader& reader, const Elf64_Ehdr& header, Segments* segments) {
  if (header.e_phnum == 0) return true;
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > kMaxSegments) return false;
  if (!reader.Holds(header.e_phoff, uint64_t{header.e_phnum} * sizeof(Elf64_Phdr))) return false;
  for (size_t i = 0; i < header.e_phnum; ++i) {
    auto segment = reader.Get<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
    if (!segment) return false;
    segments->push_back(*segment);
  }
  return true;
}

void ReadNativeElf(const Reader& reader, ElfSummary* summary) {
  auto header = reader.Get<Elf64_Ehdr>(0);
  Segments segments;
  if (!header) {
    summary->damage = "its header is cut short";
  } else if (!ReadSegments(reader, *header, &segments)) {
    summary->damage = "its program headers lie outside of the file";
  }
  uint64_t notes = kMaxNotes;
  bool has_dynamic = false;
  for (const Elf64_Phdr& segment : segments) {
    bool is_whole = reader.Holds(segment.p_offset, segment.p_filesz);
    if (!is_whole && segment.p_type == PT_LOAD) summary->damage = "it is cut short";
    if (!is_whole) continue;
    // The dynamic linker takes one, too.
    if (segment.p_type == PT_DYNAMIC && !has_dynamic) ReadDynamic(reader, segments, segment, summary);
    has_dynamic |= segment.p_type == PT_DYNAMIC;
    if (segment.p_type == PT_NOTE) {
      if (HasGoNote(reader, segment, notes)) summary->is_go = true;
      notes -= std::min<uint64_t>(notes, segment.p_filesz);
    }
    if (segment.p_type != PT_INTERP) continue;
    summary->interpreter = reader.Text(segment.p_offset);
    if (summary->interpreter.empty()) summary->damage = "the name of its dynamic linker is unreadable";
  }
}

}  // namespace

ElfSummary ReadElf(int fd) {
  ElfSummary summary;
  Reader reader(fd);
  // Up to e_machine, all ELF headers are alike but for the byte order.
  std::string start = reader.Bytes(0, offsetof(Elf64_Ehdr, e_version));
  if (start.size() < offsetof(Elf64_Ehdr, e_version)) {
    summary.damage = "its header is cut short";
    return summary;
  }
  summary.is_64_bit = start[EI_CLASS] == ELFCLASS64;
  summary.is_little_endian = start[EI_DATA] == ELFDATA2LSB;
  auto half = [&](size_t offset) {
    auto low = static_cast<uint8_t>(start[offset]), high = static_cast<uint8_t>(start[offset + 1]);
    if (!summary.is_little_endian) std::swap(low, high);
    return static_cast<uint16_t>(low | high << 8);
  };
  summary.type = half(offsetof(Elf64_Ehdr, e_type));
  summary.machine = half(offsetof(Elf64_Ehdr, e_machine));
  if (summary.is_64_bit && summary.is_little_endian) ReadNativeElf(reader, &summary);
  return summary;
}

}  // namespace fdaudit::analyzer
