#include "analyzer/target/unwinding.h"

#include <elf.h>
#include <libunwind-x86_64.h>

#include <algorithm>
#include <cstddef>

// Exported by libunwind and used by its own ptrace library; its headers leave it out.
extern "C" int _Ux86_64_dwarf_search_unwind_table(unw_addr_space_t, unw_word_t, unw_dyn_info_t*, unw_proc_info_t*, int,
                                                  void*);

namespace fdaudit::analyzer {
namespace {

constexpr size_t kMaxFrames = 128;

/// What libunwind's callbacks get as their argument.
struct Target {
  const CodeMap& code;
  const Registers& registers;
  const ReadMemory& read;

  template <typename T>
  bool Get(uint64_t address, T* out) const {
    return read(address, out, sizeof *out);
  }
};

/// The unwind table of the ELF file whose first page is mapped at `base`.
bool FindTable(const Target& target, uint64_t base, unw_dyn_info_t* table) {
  Elf64_Ehdr header;
  if (!target.Get(base, &header) || header.e_phentsize != sizeof(Elf64_Phdr)) return false;
  uint64_t first = UINT64_MAX, end = 0, frames = 0;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (!target.Get(base + header.e_phoff + static_cast<uint64_t>(i) * sizeof segment, &segment)) return false;
    if (segment.p_type == PT_LOAD) {
      first = std::min(first, segment.p_vaddr & ~uint64_t{0xfff});
      end = std::max(end, segment.p_vaddr + segment.p_memsz);
    }
    if (segment.p_type == PT_GNU_EH_FRAME) frames = segment.p_vaddr;
  }
  if (frames == 0 || first > end) return false;
  const uint64_t bias = base - first;
  // .eh_frame_hdr: version, three encodings, pointer to .eh_frame, count, then a sorted table of pairs. Linkers write
  // one form of it: 4 bytes each, relative to its start.
  struct {
    uint8_t version, pointer_encoding, count_encoding, table_encoding;
    int32_t pointer;
    uint32_t count;
  } index;
  constexpr uint8_t kCount4 = 0x03, kRelative4 = 0x3b;
  if (!target.Get(bias + frames, &index) || index.version != 1 || index.count_encoding != kCount4 ||
      index.table_encoding != kRelative4) {
    return false;
  }
  table->format = UNW_INFO_FORMAT_REMOTE_TABLE;
  table->start_ip = base;
  table->end_ip = bias + end;
  table->u.rti.segbase = bias + frames;
  table->u.rti.table_data = bias + frames + sizeof index;
  table->u.rti.table_len = index.count * 8 / sizeof(unw_word_t);
  return true;
}

int FindProcedure(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t* info, int need, void* argument) {
  const Target& target = *static_cast<const Target*>(argument);
  const std::vector<CodeMap::Mapping>& all = target.code.mappings();
  const auto holds = [ip](const CodeMap::Mapping& one) { return ip >= one.start && ip < one.end; };
  const auto hit = std::find_if(all.begin(), all.end(), holds);
  if (hit == all.end()) return -UNW_ENOINFO;
  auto first = hit;
  while (first->file_offset != 0 && first != all.begin() && std::prev(first)->path == hit->path) --first;
  unw_dyn_info_t table = {};
  if (!FindTable(target, first->start, &table)) return -UNW_ENOINFO;
  return _Ux86_64_dwarf_search_unwind_table(space, ip, &table, info, need, argument);
}

void PutProcedure(unw_addr_space_t, unw_proc_info_t*, void*) {}
int NoList(unw_addr_space_t, unw_word_t*, void*) { return -UNW_ENOINFO; }

int AccessMemory(unw_addr_space_t, unw_word_t address, unw_word_t* value, int write, void* argument) {
  return write == 0 && static_cast<const Target*>(argument)->Get(address, value) ? 0 : -UNW_EINVAL;
}

int AccessRegister(unw_addr_space_t, unw_regnum_t number, unw_word_t* value, int write, void* argument) {
  const Registers& registers = static_cast<const Target*>(argument)->registers;
  const auto index = static_cast<size_t>(number);
  if (write != 0 || index >= registers.size() || !registers[index]) return -UNW_EBADREG;
  *value = *registers[index];
  return 0;
}

int NoFloat(unw_addr_space_t, unw_regnum_t, unw_fpreg_t*, int, void*) { return -UNW_EBADREG; }
int NoResume(unw_addr_space_t, unw_cursor_t*, void*) { return -UNW_EINVAL; }
int NoName(unw_addr_space_t, unw_word_t, char*, size_t, unw_word_t*, void*) { return -UNW_ENOINFO; }

}  // namespace

Registers FromUser(const user_regs_struct& user) {
  return {user.rax, user.rdx, user.rcx, user.rbx, user.rsi, user.rdi, user.rbp, user.rsp, user.r8,
          user.r9,  user.r10, user.r11, user.r12, user.r13, user.r14, user.r15, user.rip};
}

Stack Unwind(const CodeMap& code, const Registers& registers, const ReadMemory& read) {
  Stack stack;
  unw_accessors_t accessors = {};
  accessors.find_proc_info = FindProcedure;
  accessors.put_unwind_info = PutProcedure;
  accessors.get_dyn_info_list_addr = NoList;
  accessors.access_mem = AccessMemory;
  accessors.access_reg = AccessRegister;
  accessors.access_fpreg = NoFloat;
  accessors.resume = NoResume;
  accessors.get_proc_name = NoName;
  const unw_addr_space_t space = unw_create_addr_space(&accessors, 0);
  if (space == nullptr) return stack;
  unw_set_caching_policy(space, UNW_CACHE_NONE);
  Target target{code, registers, read};
  unw_cursor_t cursor;
  if (unw_init_remote(&cursor, space, &target) == 0) {
    do {
      unw_word_t ip = 0;
      if (unw_get_reg(&cursor, UNW_REG_IP, &ip) != 0 || ip == 0) break;
      stack.places.push_back(ip);
      const int step = unw_step(&cursor);
      stack.is_complete = step == 0;
      if (step <= 0) break;
    } while (stack.places.size() < kMaxFrames);
  }
  unw_destroy_addr_space(space);
  return stack;
}

}  // namespace fdaudit::analyzer
