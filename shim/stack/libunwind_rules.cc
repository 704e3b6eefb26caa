// See libunwind_rules.h.
//
// How one step of libunwind's remote unwinder reveals a rule: the frame is made up. Each register holds a marker, each
// load from memory near a marker returns another marker that stands for the address loaded from. After the step RSP is
// the CFA, in terms of markers, and RIP and RBP are the markers of where they were loaded from. Loads from the object's
// own segments are served from there: they are the unwind table.

#include "shim/stack/libunwind_rules.h"

#if defined(__x86_64__) && __has_include(<libunwind.h>)

#include <dlfcn.h>
#include <libunwind.h>

#include <atomic>

#include "shim/base/byte_reader.h"
#include "shim/base/dynamic_linker.h"
#include "shim/base/raw_io.h"
#include "shim/stack/cfi_rules.h"
#include "shim/stack/rule_cache.h"

namespace fdaudit::shim {
namespace {

// Markers lie where no object is mapped, far enough apart for the largest frames.
constexpr uint64_t kMarkerStep = uint64_t{1} << 40;
constexpr uint64_t kRegisterMarkers = uint64_t{1} << 56;
constexpr uint64_t kLoadMarkers = uint64_t{1} << 57;
constexpr uint64_t kReach = uint64_t{1} << 30;
constexpr int kRegisters = 17;
constexpr int kMaxLoads = 16;

/// libunwind's entry points, found by dlsym so that nothing links it.
struct Library {
  decltype(&unw_create_addr_space) create_addr_space;
  decltype(&unw_set_caching_policy) set_caching_policy;
  decltype(&unw_init_remote) init_remote;
  decltype(&unw_step) step;
  decltype(&unw_get_reg) get_reg;
  decltype(&unw_is_signal_frame) is_signal_frame;
  int (*search_unwind_table)(unw_addr_space_t, unw_word_t, unw_dyn_info_t*, unw_proc_info_t*, int, void*);
  unw_addr_space_t space;
};
Library library;

/// One question, and what libunwind looked at while it answered.
struct Probe {
  const Module* module;
  uintptr_t pc;
  int load_count;
  uint64_t loaded_from[kMaxLoads];
  bool covered;
};

/// A value as a marker and the distance from it.
struct Marked {
  enum class Kind { kNone, kRegister, kLoad } kind = Kind::kNone;
  int index = 0;
  int64_t offset = 0;
};

Marked Decode(uint64_t value) {
  for (const auto kind : {Marked::Kind::kRegister, Marked::Kind::kLoad}) {
    const uint64_t first = kind == Marked::Kind::kRegister ? kRegisterMarkers : kLoadMarkers;
    if (value < first - kReach || value >= first + kRegisters * kMarkerStep + kReach) continue;
    const uint64_t index = (value - first + kReach) / kMarkerStep;
    const auto offset = static_cast<int64_t>(value - first - index * kMarkerStep);
    if (offset < static_cast<int64_t>(kReach)) return {kind, static_cast<int>(index), offset};
  }
  return {};
}

uint64_t LoadMarker(Probe* probe, uint64_t address) {
  for (int i = 0; i < probe->load_count; ++i) {
    if (probe->loaded_from[i] == address) return kLoadMarkers + static_cast<uint64_t>(i) * kMarkerStep;
  }
  if (probe->load_count == kMaxLoads) return 0;
  probe->loaded_from[probe->load_count] = address;
  return kLoadMarkers + static_cast<uint64_t>(probe->load_count++) * kMarkerStep;
}

int AccessMemory(unw_addr_space_t, unw_word_t address, unw_word_t* value, int write, void* argument) {
  auto* probe = static_cast<Probe*>(argument);
  if (write != 0) return -UNW_EINVAL;
  if (Decode(address).kind != Marked::Kind::kNone) {
    *value = LoadMarker(probe, address);
    return *value != 0 ? 0 : -UNW_EINVAL;
  }
  // libunwind reads whole aligned words; a segment's first and last word may lie partly outside, on the same page.
  const AddressRange segment = ReadableSegment(*probe->module, address);
  const bool inside = address >= segment.start && address < segment.end;
  if (!inside && ReadableSegment(*probe->module, address + 7).start == 0) return -UNW_EINVAL;
  *value = *reinterpret_cast<const uint64_t*>(address);
  return 0;
}

int AccessRegister(unw_addr_space_t, unw_regnum_t number, unw_word_t* value, int write, void* argument) {
  if (write != 0 || number < 0 || number >= kRegisters) return -UNW_EBADREG;
  *value = number == UNW_X86_64_RIP ? static_cast<Probe*>(argument)->pc
                                    : kRegisterMarkers + static_cast<uint64_t>(number) * kMarkerStep;
  return 0;
}

int AccessFloat(unw_addr_space_t, unw_regnum_t, unw_fpreg_t*, int, void*) { return -UNW_EBADREG; }

/// The sorted table behind .eh_frame_hdr's four encoding bytes, the frame pointer and the count.
int FindProcInfo(unw_addr_space_t space, unw_word_t pc, unw_proc_info_t* info, int need_unwind_info, void* argument) {
  auto* probe = static_cast<Probe*>(argument);
  const Module& module = *probe->module;
  const AddressRange segment = ReadableSegment(module, module.eh_frame_hdr);
  if (module.eh_frame_hdr == 0 || segment.end - module.eh_frame_hdr < 12) return -UNW_ENOINFO;
  ByteReader header(reinterpret_cast<const uint8_t*>(module.eh_frame_hdr),
                    reinterpret_cast<const uint8_t*>(segment.end));
  // Version 1, pcrel sdata4 pointer, udata4 count, datarel sdata4 table: what every linker writes.
  if (header.Read<uint32_t>() != 0x3b031b01) return -UNW_ENOINFO;
  header.Skip(4);
  const auto count = header.Read<uint32_t>();
  unw_dyn_info_t table = {};
  table.start_ip = module.map_start;
  table.end_ip = module.map_end;
  table.format = UNW_INFO_FORMAT_REMOTE_TABLE;
  table.u.rti.segbase = module.eh_frame_hdr;
  table.u.rti.table_data = reinterpret_cast<uintptr_t>(header.position());
  table.u.rti.table_len = count * uint64_t{8} / sizeof(unw_word_t);
  const int result = library.search_unwind_table(space, pc, &table, info, need_unwind_info, argument);
  probe->covered = probe->covered || result == 0;
  return result;
}

void PutUnwindInfo(unw_addr_space_t, unw_proc_info_t*, void*) {}
int NoDynamicInfo(unw_addr_space_t, unw_word_t*, void*) { return -UNW_ENOINFO; }
int NoResume(unw_addr_space_t, unw_cursor_t*, void*) { return -UNW_EINVAL; }
int NoName(unw_addr_space_t, unw_word_t, char*, size_t, unw_word_t*, void*) { return -UNW_ENOINFO; }

/// Newer versions have more members, which may be missing.
constexpr unw_accessors_t Accessors() {
  unw_accessors_t accessors = {};
  accessors.find_proc_info = FindProcInfo;
  accessors.put_unwind_info = PutUnwindInfo;
  accessors.get_dyn_info_list_addr = NoDynamicInfo;
  accessors.access_mem = AccessMemory;
  accessors.access_reg = AccessRegister;
  accessors.access_fpreg = AccessFloat;
  accessors.resume = NoResume;
  accessors.get_proc_name = NoName;
  return accessors;
}
constinit unw_accessors_t accessors = Accessors();

// ---------------------------------------------------------------------------------------------------------------------
// From markers to a rule.

bool IsRegister(const Marked& value, int number) {
  return value.kind == Marked::Kind::kRegister && value.index == number;
}

/// CFA = RSP + n, RBP + n, or a load from there, plus m.
bool CfaFromMarker(const Probe& probe, uint64_t value, RuleParts* parts) {
  Marked cfa = Decode(value);
  const bool loaded = cfa.kind == Marked::Kind::kLoad;
  if (loaded) {
    parts->extra = static_cast<int32_t>(cfa.offset);
    cfa = Decode(probe.loaded_from[cfa.index]);
  }
  if (IsRegister(cfa, UNW_X86_64_RSP)) {
    parts->cfa = loaded ? CfaKind::kAtRsp : CfaKind::kRsp;
  } else if (IsRegister(cfa, UNW_X86_64_RBP)) {
    parts->cfa = loaded ? CfaKind::kAtRbp : CfaKind::kRbp;
  } else {
    return false;
  }
  parts->n = static_cast<int32_t>(cfa.offset);
  return true;
}

/// Where the marker `value` was loaded from. False: it was not loaded.
bool LoadedFrom(const Probe& probe, uint64_t value, uint64_t* address) {
  const Marked loaded = Decode(value);
  if (loaded.kind != Marked::Kind::kLoad || loaded.offset != 0) return false;
  *address = probe.loaded_from[loaded.index];
  return true;
}

bool ReturnFromMarker(const Probe& probe, uint64_t value, uint64_t cfa, RuleParts* parts) {
  uint64_t address = 0;
  if (!LoadedFrom(probe, value, &address)) return false;
  if (address == cfa - 8) return true;
  const Marked place = Decode(address);
  if (!IsRegister(place, UNW_X86_64_RSP) || place.offset % 8 != 0 || parts->extra != 0) return false;
  parts->return_at_rsp = true;
  parts->extra = static_cast<int32_t>(place.offset / 8);
  return true;
}

void RbpFromMarker(const Probe& probe, uint64_t value, uint64_t cfa, RuleParts* parts) {
  parts->rbp = RbpKind::kLost;
  uint64_t address = 0;
  if (!LoadedFrom(probe, value, &address)) {
    const Marked same = Decode(value);
    if (IsRegister(same, UNW_X86_64_RBP) && same.offset == 0) parts->rbp = RbpKind::kSame;
    return;
  }
  const Marked place = Decode(address);
  const Marked base = Decode(cfa);
  if (place.kind == base.kind && place.index == base.index) {
    parts->rbp = RbpKind::kAtCfa;
    parts->k = static_cast<int32_t>(address - cfa);
  } else if (IsRegister(place, UNW_X86_64_RSP) || IsRegister(place, UNW_X86_64_RBP)) {
    parts->rbp = place.index == UNW_X86_64_RSP ? RbpKind::kAtRsp : RbpKind::kAtRbp;
    parts->k = static_cast<int32_t>(place.offset);
  }
}

template <typename Function>
bool Find(void* handle, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(LookUp(handle, name));
  return *function != nullptr;
}

bool FindEntryPoints(void* handle) {
  return Find(handle, "_Ux86_64_create_addr_space", &library.create_addr_space) &&
         Find(handle, "_Ux86_64_set_caching_policy", &library.set_caching_policy) &&
         Find(handle, "_Ux86_64_init_remote", &library.init_remote) && Find(handle, "_Ux86_64_step", &library.step) &&
         Find(handle, "_Ux86_64_get_reg", &library.get_reg) &&
         Find(handle, "_Ux86_64_is_signal_frame", &library.is_signal_frame) &&
         Find(handle, "_Ux86_64_dwarf_search_unwind_table", &library.search_unwind_table);
}

/// libunwind opens a pipe for its local unwinder as it initialises, at the lowest free numbers. We do not use that
/// unwinder, and the program must find its numbers free.
class DescriptorsAsBefore {
 public:
  DescriptorsAsBefore() {
    for (int fd = 0; fd < kChecked; ++fd) open_[fd] = raw::DescriptorFlags(fd) >= 0;
  }
  ~DescriptorsAsBefore() {
    for (int fd = 0; fd < kChecked; ++fd) {
      if (!open_[fd] && raw::DescriptorFlags(fd) >= 0) raw::Close(fd);
    }
  }
  DescriptorsAsBefore(const DescriptorsAsBefore&) = delete;
  DescriptorsAsBefore& operator=(const DescriptorsAsBefore&) = delete;

 private:
  static constexpr int kChecked = 1024;
  bool open_[kChecked];
};

/// Taken while this process is inside libunwind, which has locks of its own. A forked child may find it taken for ever;
/// then, as for the loser of a race, our own rules serve.
std::atomic<bool> busy;

Rule LibunwindOrOwn(const Module& module, uintptr_t pc, uintptr_t rip) {
  if (!SystemCallsAllowed() || busy.exchange(true, std::memory_order_acquire)) return FindCfiRule(module, pc, rip).rule;
  const Rule rule = ProbeLibunwindRule(module, pc);
  busy.store(false, std::memory_order_release);
  return rule;
}

}  // namespace

bool LoadLibunwind() {
  if (library.space != nullptr) return true;
  const DescriptorsAsBefore descriptors;
  for (const char* name : {"libunwind-x86_64.so.8", "libunwind-x86_64.so", "libunwind.so.8"}) {
    void* handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr || !FindEntryPoints(handle)) continue;
    library.space = library.create_addr_space(&accessors, 0);
    if (library.space == nullptr) return false;
    library.set_caching_policy(library.space, UNW_CACHE_NONE);
    return true;
  }
  return false;
}

bool UseLibunwindRules() {
  if (!LoadLibunwind()) return false;
  SetRuleSource(LibunwindOrOwn);
  ForgetRules();
  return true;
}

Rule ProbeLibunwindRule(const Module& module, uintptr_t pc, const char** inexpressible) {
  const char* ignored = nullptr;
  if (inexpressible == nullptr) inexpressible = &ignored;
  *inexpressible = "libunwind has no answer";
  Probe probe = {};
  probe.module = &module;
  probe.pc = pc;
  unw_cursor_t cursor;
  if (library.init_remote(&cursor, library.space, &probe) != 0) return Rule::Unknown();
  RuleParts parts;
  parts.signal = library.is_signal_frame(&cursor) > 0;
  const int result = library.step(&cursor);
  // Without an entry libunwind guesses, and so do we, in our own way.
  if (!probe.covered) return Rule::Of(CfaKind::kGuess);
  if (result == 0) return Rule::Of(CfaKind::kEnd);
  unw_word_t cfa = 0;
  unw_word_t rip = 0;
  unw_word_t rbp = 0;
  if (result < 0 || library.get_reg(&cursor, UNW_X86_64_RSP, &cfa) != 0) return Rule::Unknown();
  *inexpressible = Decode(cfa).kind == Marked::Kind::kRegister ? "CFA from another register" : "CFA by another formula";
  if (!CfaFromMarker(probe, cfa, &parts)) return Rule::Unknown();
  *inexpressible = "return address elsewhere";
  if (library.get_reg(&cursor, UNW_X86_64_RIP, &rip) != 0) return Rule::Unknown();
  if (!ReturnFromMarker(probe, rip, cfa, &parts)) return Rule::Unknown();
  if (library.get_reg(&cursor, UNW_X86_64_RBP, &rbp) != 0) rbp = 0;
  RbpFromMarker(probe, rbp, cfa, &parts);
  *inexpressible = "numbers too large";
  return Rule::Pack(parts);
}

}  // namespace fdaudit::shim

#else  // another architecture, or built without libunwind's headers

namespace fdaudit::shim {

bool LoadLibunwind() { return false; }
bool UseLibunwindRules() { return false; }
Rule ProbeLibunwindRule(const Module&, uintptr_t, const char**) { return Rule::Unknown(); }

}  // namespace fdaudit::shim

#endif
