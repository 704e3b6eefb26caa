// A core file's notes: threads with their registers, what they waited in, and which files were mapped where. Sizes and
// offsets are checked: a core may be cut short by a limit or a full disk.

#include <elf.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <sys/user.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>

#include "analyzer/target/stopped_process.h"
#include "analyzer/target/system_calls.h"
#include "analyzer/target/unwinding.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

constexpr uint64_t kMaxNotes = 256 << 20;  // bytes, of all segments together
constexpr size_t kMaxThreads = 1 << 16;
constexpr clock_t kMaxUnwinding = 60 * CLOCKS_PER_SEC;  // of all threads; those behind it have no frames

/// The bytes of all notes of a type, in the file's order.
using Notes = std::multimap<uint32_t, std::string>;

std::string ReadAt(std::ifstream& file, uint64_t offset, uint64_t size) {
  std::string bytes(size, '\0');
  file.clear();
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  bytes.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return bytes;
}

template <typename T>
bool Take(const std::string& bytes, size_t at, T* out) {
  if (at > bytes.size() || bytes.size() - at < sizeof *out) return false;
  memcpy(out, bytes.data() + at, sizeof *out);
  return true;
}

void ReadNotes(const std::string& bytes, Notes* notes) {
  const auto padded = [](size_t size) { return (size + 3) / 4 * 4; };
  Elf64_Nhdr note;
  for (size_t at = 0; Take(bytes, at, &note);) {
    const size_t text = at + sizeof note + padded(note.n_namesz);
    if (text > bytes.size() || note.n_descsz > bytes.size() - text) return;
    notes->emplace(note.n_type, bytes.substr(text, note.n_descsz));
    at = text + padded(note.n_descsz);
  }
}

Notes NotesOf(const std::string& name, std::vector<Elf64_Phdr>* memory) {
  std::ifstream file(name, std::ios::binary);
  if (!file) throw TraceError(name, strerror(errno));
  Elf64_Ehdr header;
  const std::string bytes = ReadAt(file, 0, sizeof header);
  const bool is_elf = Take(bytes, 0, &header) && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0;
  if (!is_elf || header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64 || header.e_type != ET_CORE) {
    throw TraceError(name, 0, "no core file of an x86-64 program");
  }
  Notes notes;
  uint64_t room = kMaxNotes;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    const uint64_t at = header.e_phoff + static_cast<uint64_t>(i) * sizeof segment;
    if (!Take(ReadAt(file, at, sizeof segment), 0, &segment)) break;
    if (segment.p_type == PT_NOTE && segment.p_filesz <= room) {
      ReadNotes(ReadAt(file, segment.p_offset, segment.p_filesz), &notes);
      room -= segment.p_filesz;
    }
    if (segment.p_type == PT_LOAD && segment.p_filesz > 0) memory->push_back(segment);
  }
  return notes;
}

/// Memory as the core has it, else as the files that were mapped there have it: a core leaves out what can be read
/// there.
class CoreMemory {
 public:
  CoreMemory(const std::string& name, std::vector<Elf64_Phdr> segments, const CodeMap& code)
      : file_(name, std::ios::binary), segments_(std::move(segments)), code_(code) {}

  bool Read(uint64_t address, void* to, size_t size) {
    for (const Elf64_Phdr& segment : segments_) {
      if (address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz) continue;
      return Copy(ReadAt(file_, segment.p_offset + (address - segment.p_vaddr), size), to, size);
    }
    for (const CodeMap::Mapping& mapping : code_.mappings()) {
      if (address < mapping.start || address >= mapping.end) continue;
      const auto [mapped, is_new] = mapped_.try_emplace(mapping.path);
      if (is_new) mapped->second.open(mapping.path, std::ios::binary);
      return Copy(ReadAt(mapped->second, mapping.file_offset + (address - mapping.start), size), to, size);
    }
    return false;
  }

 private:
  static bool Copy(const std::string& bytes, void* to, size_t size) {
    if (bytes.size() == size) memcpy(to, bytes.data(), size);
    return bytes.size() == size;
  }

  std::ifstream file_;
  std::vector<Elf64_Phdr> segments_;
  const CodeMap& code_;
  std::map<std::string, std::ifstream> mapped_;
};

/// NT_FILE: a count, the page size, so many triples of start, end and page, and as many names.
CodeMap MappedFiles(const std::string& note) {
  CodeMap code;
  uint64_t count = 0, page = 0;
  if (!Take(note, 0, &count) || !Take(note, 8, &page) || count > note.size() / 24) return code;
  size_t name = 16 + count * 24;
  for (uint64_t i = 0; i < count && name < note.size(); ++i) {
    uint64_t range[3];
    if (!Take(note, 16 + i * 24, &range)) break;
    const size_t end = std::min(note.find('\0', name), note.size());
    code.Add({range[0], range[1], range[2] * page, note.substr(name, end - name)});
    name = end + 1;
  }
  return code;
}

/// Registers as a core has them.
user_regs_struct RegistersOf(const prstatus_t& status) {
  user_regs_struct registers;
  static_assert(sizeof registers == sizeof status.pr_reg);
  memcpy(&registers, status.pr_reg, sizeof registers);
  return registers;
}

StoppedThread ThreadOf(const prstatus_t& status) {
  StoppedThread thread;
  thread.tid = status.pr_pid;
  const user_regs_struct registers = RegistersOf(status);
  const auto number = static_cast<long>(registers.orig_rax);
  if (number < 0) return thread;
  const SystemCallInfo* const info = FindSystemCall(number);
  thread.call = info == nullptr ? "system call " + std::to_string(number) : info->name;
  if (info == nullptr) return thread;
  const unsigned long arguments[] = {registers.rdi, registers.rsi, registers.rdx};
  const bool has_first = info->waits_for == WaitsFor::kFirst || info->waits_for == WaitsFor::kTwo;
  if (has_first) thread.waits_for.push_back({static_cast<int>(arguments[0]), ""});
  if (info->waits_for == WaitsFor::kTwo) thread.waits_for.push_back({static_cast<int>(arguments[info->second]), ""});
  return thread;
}

}  // namespace

StoppedProcess LookAtCore(const std::string& file) {
  std::vector<Elf64_Phdr> segments;
  const Notes notes = NotesOf(file, &segments);
  StoppedProcess process;
  process.is_core = true;
  struct stat status = {};
  if (stat(file.c_str(), &status) == 0) {
    process.written_realtime_ns = int64_t{status.st_mtim.tv_sec} * 1000000000 + status.st_mtim.tv_nsec;
  }
  const auto mapped = notes.find(NT_FILE);
  CodeMap code = mapped == notes.end() ? CodeMap() : MappedFiles(mapped->second);
  CoreMemory memory(file, std::move(segments), code);
  const ReadMemory read = [&memory](uint64_t address, void* to, size_t size) { return memory.Read(address, to, size); };
  const auto [first, end] = notes.equal_range(NT_PRSTATUS);
  const clock_t began = clock();
  for (auto note = first; note != end && process.threads.size() < kMaxThreads; ++note) {
    prstatus_t registers;
    if (!Take(note->second, 0, &registers)) continue;
    if (process.threads.empty()) process.signal = registers.pr_cursig;  // the one that it struck comes first
    StoppedThread thread = ThreadOf(registers);
    const bool has_time = clock() - began < kMaxUnwinding;
    const std::vector<uint64_t> places =
        has_time ? Unwind(code, FromUser(RegistersOf(registers)), read).places : std::vector<uint64_t>();
    for (const uint64_t place : places) {
      thread.frames.push_back(code.Find(thread.frames.empty() ? place : place - 1));
    }
    process.threads.push_back(std::move(thread));
  }
  if (process.threads.empty()) throw TraceError(file, "a core file without threads; was it cut short?");
  prpsinfo_t about;
  const auto info = notes.find(NT_PRPSINFO);
  if (info != notes.end() && Take(info->second, 0, &about)) {
    process.pid = about.pr_pid;
    process.program = std::string(about.pr_fname, strnlen(about.pr_fname, sizeof about.pr_fname));
  }
  return process;
}

}  // namespace fdaudit::analyzer
