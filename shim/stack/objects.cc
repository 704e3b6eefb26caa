// See objects.h. ELF structures: elf(5).

#include "shim/stack/objects.h"

#include <elf.h>
#include <errno.h>
#include <sys/auxv.h>

#include <atomic>

#include "shim/base/byte_reader.h"
#include "shim/base/dynamic_linker.h"
#include "shim/base/large.h"
#include "shim/base/probe.h"
#include "shim/base/thread_pointer.h"

// Part of glibc's dynamic linker: absent elsewhere.
#pragma weak _r_debug

namespace fdaudit::shim {
namespace {

/// glibc's struct dl_find_object (bits/dl_find_object.h, glibc 2.35), spelled out so that older headers will do.
struct FoundObject {
  unsigned long long flags;
  void* map_start;
  void* map_end;
  link_map* map;
  void* eh_frame_hdr;
  unsigned long long reserved[7];
};

// glibc's _dl_find_object, nullptr where it is older than 2.35. Found at run time: a weak reference would carry the
// version GLIBC_2.35, without which an older glibc refuses to load us. Before the constructor has run, link maps serve.
using FindObjectFunction = int (*)(void* pc, FoundObject* result);
FindObjectFunction find_object = nullptr;

FindObjectFunction ResolveFindObject() {
  return reinterpret_cast<FindObjectFunction>(LookUp(RTLD_DEFAULT, "_dl_find_object"));
}

__attribute__((constructor)) void NoteFindObject() { find_object = ResolveFindObject(); }

std::span<const ElfW(Phdr)> ProgramHeaders(const Module& module) {
  const uintptr_t size = module.map_end - module.map_start;
  if (size < sizeof(ElfW(Ehdr))) return {};
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(module.map_start);
  if (__builtin_memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_phentsize != sizeof(ElfW(Phdr))) return {};
  const uintptr_t bytes = header->e_phnum * sizeof(ElfW(Phdr));
  // In the first page of what linkers write. Rewritten objects (patchelf) may keep them elsewhere in the file, where
  // the file offset no longer gives the address: those are left out.
  if (header->e_phoff > kProbePage || bytes > kProbePage || header->e_phoff + bytes > size) return {};
  return {reinterpret_cast<const ElfW(Phdr)*>(module.map_start + header->e_phoff), header->e_phnum};
}

/// The mapping's extent and the unwind table, from program headers that are already known to be readable.
bool FillFromHeaders(std::span<const ElfW(Phdr)> headers, Module* module) {
  uintptr_t first = UINTPTR_MAX;
  uintptr_t last = 0;
  for (const ElfW(Phdr) & header : headers) {
    if (header.p_type == PT_LOAD) {
      if (header.p_vaddr < first) first = header.p_vaddr;
      if (header.p_vaddr + header.p_memsz > last) last = header.p_vaddr + header.p_memsz;
    }
  }
  if (first >= last) return false;
  module->load_bias = module->map_start - (first & ~(kProbePage - 1));
  module->map_end = module->load_bias + last;
  for (const ElfW(Phdr) & header : headers) {
    if (header.p_type == PT_GNU_EH_FRAME) module->eh_frame_hdr = module->load_bias + header.p_vaddr;
  }
  return module->map_end > module->map_start;
}

bool HasElfHeader(uintptr_t address) {
  return __builtin_memcmp(reinterpret_cast<const void*>(address), ELFMAG, SELFMAG) == 0;
}

/// Executables that are not position-independent have load bias 0; their program headers, and the ELF header just
/// before, are known from the auxiliary vector.
uintptr_t ExecutableHeader() {
  const int saved_errno = LastError();  // getauxval(3) sets it where the entry is missing
  const uintptr_t headers = getauxval(AT_PHDR);
  SetLastError(saved_errno);
  return headers & ~(kProbePage - 1);
}

/// For an object with gaps between its segments _dl_find_object returns the one segment around the address. The whole
/// is described by its program headers.
void WidenToObject(Module* module) {
  if (HasElfHeader(module->map_start)) return;
  const uintptr_t header = module->load_bias != 0 ? module->load_bias : ExecutableHeader();
  if (header == 0 || !IsReadable(header) || !HasElfHeader(header)) return;
  Module whole;
  if (!DescribeImage(header, module->map_end - header, &whole) || whole.load_bias != module->load_bias) return;
  module->map_start = whole.map_start;
  module->map_end = whole.map_end;
}

bool AskDynamicLinker(uintptr_t pc, Module* module) {
  FoundObject found;
  if (find_object(reinterpret_cast<void*>(pc), &found) != 0) return false;
  *module = {.map = found.map,
             .map_start = reinterpret_cast<uintptr_t>(found.map_start),
             .map_end = reinterpret_cast<uintptr_t>(found.map_end),
             .load_bias = found.map->l_addr,
             .eh_frame_hdr = reinterpret_cast<uintptr_t>(found.eh_frame_hdr),
             .name = found.map->l_name != nullptr ? found.map->l_name : ""};
  WidenToObject(module);
  return true;
}

// ---------------------------------------------------------------------------------------------------------------------
// glibc before 2.35: the link map list, copied. Another thread may be changing the list, and freeing its elements, so
// they are read by CopyMemory, which cannot fault; entries are validated by a checksum, so a torn one is no entry.

struct CopiedModule {
  std::atomic<uint64_t> words[6];
  std::atomic<uint64_t> checksum;
};

constexpr int kCopiedModules = 512;
constexpr int kListLimit = 4096;
FDAUDIT_LARGE CopiedModule copied_modules[kCopiedModules];
std::atomic<uint64_t> copied_generation = 1;

uint64_t Checksum(const uint64_t (&words)[6]) {
  uint64_t sum = copied_generation.load(std::memory_order_relaxed);
  for (const uint64_t word : words) sum = (sum ^ word) * 0x9e3779b97f4a7c15U;
  return sum;
}

void StoreCopy(int index, const Module& module) {
  const uint64_t words[6] = {
      reinterpret_cast<uint64_t>(module.map), module.map_start, module.map_end, module.load_bias, module.eh_frame_hdr,
      reinterpret_cast<uint64_t>(module.name)};
  for (int i = 0; i < 6; ++i) copied_modules[index].words[i].store(words[i], std::memory_order_relaxed);
  copied_modules[index].checksum.store(Checksum(words), std::memory_order_relaxed);
}

bool FindCopy(uintptr_t pc, Module* module) {
  for (const CopiedModule& copy : copied_modules) {
    uint64_t words[6];
    for (int i = 0; i < 6; ++i) words[i] = copy.words[i].load(std::memory_order_relaxed);
    if (pc < words[1] || pc >= words[2]) continue;
    if (copy.checksum.load(std::memory_order_relaxed) != Checksum(words)) continue;
    *module = {.map = reinterpret_cast<const link_map*>(words[0]),
               .map_start = words[1],
               .map_end = words[2],
               .load_bias = words[3],
               .eh_frame_hdr = words[4],
               .name = reinterpret_cast<const char*>(words[5])};
    return true;
  }
  return false;
}

bool DescribeLinkMap(const link_map* address, const link_map& copy, Module* module) {
  *module = {.map = address, .map_start = copy.l_addr, .name = copy.l_name != nullptr ? copy.l_name : ""};
  if (copy.l_addr == 0) module->map_start = ExecutableHeader();
  struct {
    ElfW(Ehdr) header;
    uint8_t rest[2048];
  } image;
  if (module->map_start == 0 || !CopyMemory(&image, module->map_start, sizeof(image))) return false;
  if (__builtin_memcmp(image.header.e_ident, ELFMAG, SELFMAG) != 0) return false;
  const uintptr_t bytes = image.header.e_phnum * sizeof(ElfW(Phdr));
  if (image.header.e_phoff > sizeof(image) || image.header.e_phoff + bytes > sizeof(image)) return false;
  const auto* headers =
      reinterpret_cast<const ElfW(Phdr)*>(reinterpret_cast<const uint8_t*>(&image) + image.header.e_phoff);
  return FillFromHeaders({headers, image.header.e_phnum}, module);
}

bool SearchLinkMaps(uintptr_t pc, Module* module) {
  if (&_r_debug == nullptr) return false;
  bool found = false;
  int index = 0;
  const link_map* next = _r_debug.r_map;
  for (int i = 0; next != nullptr && i < kListLimit; ++i) {
    link_map copy;
    if (!CopyMemory(&copy, reinterpret_cast<uintptr_t>(next), sizeof(copy))) break;
    Module described;
    if (DescribeLinkMap(next, copy, &described)) {
      if (index < kCopiedModules) StoreCopy(index++, described);
      if (pc >= described.map_start && pc < described.map_end) {
        *module = described;
        found = true;
      }
    }
    next = copy.l_next;
  }
  return found;
}

bool FindByLinkMaps(uintptr_t pc, Module* module) {
  if (FindCopy(pc, module) || SearchLinkMaps(pc, module)) return true;
  return FindVdso(module) && pc >= module->map_start && pc < module->map_end;
}

}  // namespace

bool FindModule(uintptr_t pc, Module* module) {
  if (find_object != nullptr) return AskDynamicLinker(pc, module);
  return FindByLinkMaps(pc, module);
}

void LearnModules() {
  Module ignored;
  if (find_object == nullptr) SearchLinkMaps(0, &ignored);
}

bool FindVdso(Module* module) {
  const int saved_errno = LastError();  // getauxval(3) sets it where the entry is missing
  const uintptr_t start = getauxval(AT_SYSINFO_EHDR);
  SetLastError(saved_errno);
  constexpr uintptr_t kVdsoLimit = 1 << 16;
  if (start == 0 || !DescribeImage(start, kVdsoLimit, module)) return false;
  module->name = "linux-vdso.so.1";
  return true;
}

bool DescribeImage(uintptr_t start, uintptr_t size_limit, Module* module) {
  *module = {.map_start = start, .map_end = start + size_limit};
  const std::span<const ElfW(Phdr)> headers = ProgramHeaders(*module);
  return FillFromHeaders(headers, module);
}

AddressRange ReadableSegment(const Module& module, uintptr_t address) {
  const std::span<const ElfW(Phdr)> headers = ProgramHeaders(module);
  if (headers.empty()) return {module.map_start, module.map_end};
  for (const ElfW(Phdr) & header : headers) {
    const uintptr_t start = module.load_bias + header.p_vaddr;
    if (header.p_type != PT_LOAD || (header.p_flags & PF_R) == 0) continue;
    if (address >= start && address - start < header.p_memsz) return {start, start + header.p_memsz};
  }
  return {};
}

std::span<const uint8_t> BuildId(const Module& module) {
  for (const ElfW(Phdr) & header : ProgramHeaders(module)) {
    if (header.p_type != PT_NOTE) continue;
    const uintptr_t start = module.load_bias + header.p_vaddr;
    const AddressRange segment = ReadableSegment(module, start);
    if (segment.start == segment.end || header.p_memsz > segment.end - start) continue;
    const auto* bytes = reinterpret_cast<const uint8_t*>(start);
    ByteReader notes(bytes, bytes + header.p_memsz);
    const uint64_t alignment = header.p_align == 8 ? 8 : 4;
    while (notes.left() >= sizeof(ElfW(Nhdr))) {
      const auto note = notes.Read<ElfW(Nhdr)>();
      const uint8_t* name = notes.position();
      notes.Skip((note.n_namesz + alignment - 1) & ~(alignment - 1));
      const uint8_t* id = notes.position();
      notes.Skip((note.n_descsz + alignment - 1) & ~(alignment - 1));
      if (!notes.ok()) break;
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && __builtin_memcmp(name, "GNU", 4) == 0) {
        return {id, note.n_descsz};
      }
    }
  }
  return {};
}

void ForgetModules() { copied_generation.fetch_add(1, std::memory_order_relaxed); }

void UseLinkMapsOnly(bool only) { find_object = only ? nullptr : ResolveFindObject(); }

}  // namespace fdaudit::shim
