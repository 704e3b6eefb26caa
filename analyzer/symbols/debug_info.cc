// libdw is used for reading, not for searching: its own look-ups name the nearest symbol instead of the enclosing one,
// fail where .debug_aranges is missing (clang) and walk a whole unit for each address. So the ranges of units,
// functions and symbols are taken once, on demand, into ExtentMaps.

#include "analyzer/symbols/debug_info.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include "analyzer/symbols/call_site.h"
#include "analyzer/symbols/extent_map.h"
#include "analyzer/symbols/reader_process.h"
#include "analyzer/symbols/regular_file.h"
#include "analyzer/symbols/symbol_name.h"

namespace fdaudit::analyzer {
namespace {

// Damaged DWARF may nest or refer without end.
constexpr int kMaxNesting = 200;
constexpr int kMaxOrigins = 16;

struct Function {
  Dwarf_Die die;
  bool operator<(const Function& other) const { return die.addr < other.die.addr; }
};

struct Unit {
  Dwarf_Die die;     // has the line table
  Dwarf_Die scopes;  // has the functions: another one where the unit is split (-gsplit-dwarf)
  ExtentMap<Function> functions;
  ExtentMap<Function> nested_functions;
  bool has_nested = false;
};

template <class Value>
void AddRanges(Dwarf_Die* die, const Value& value, ExtentMap<Value>* map) {
  Dwarf_Addr base, start, end;
  ptrdiff_t offset = 0;
  while ((offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0) map->Add(start, end, value);
}

bool IsType(int tag) {
  return tag == DW_TAG_class_type || tag == DW_TAG_structure_type || tag == DW_TAG_union_type ||
         tag == DW_TAG_enumeration_type;
}

enum class Depth { kShallow, kDeep };

// Functions mostly lie directly in units, namespaces and types. Those inside other functions (of local classes, nested
// ones of GNU C) are worth a walk through everything only where the shallow one found nothing.
bool MayHoldFunctions(int tag, Depth depth) {
  if (tag == DW_TAG_namespace || tag == DW_TAG_module || IsType(tag)) return true;
  bool is_code = tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine;
  return is_code && depth == Depth::kDeep;
}

void CollectFunctions(Dwarf_Die* parent, Depth depth, int nesting, ExtentMap<Function>* functions) {
  Dwarf_Die child;
  if (nesting > kMaxNesting || dwarf_child(parent, &child) != 0) return;
  do {
    int tag = dwarf_tag(&child);
    if (tag == DW_TAG_subprogram) AddRanges(&child, Function{child}, functions);
    if (MayHoldFunctions(tag, depth)) CollectFunctions(&child, depth, nesting + 1, functions);
  } while (dwarf_siblingof(&child, &child) == 0);
}

// Appends the inlined calls inside `parent` that hold the address, outermost first.
bool CollectInlined(Dwarf_Die* parent, Dwarf_Addr address, int nesting, std::vector<Dwarf_Die>* chain) {
  Dwarf_Die child;
  if (nesting > kMaxNesting || dwarf_child(parent, &child) != 0) return false;
  do {
    int tag = dwarf_tag(&child);
    if (tag != DW_TAG_lexical_block && tag != DW_TAG_inlined_subroutine) continue;
    bool holds = dwarf_haspc(&child, address) == 1;
    if (holds && tag == DW_TAG_inlined_subroutine) chain->push_back(child);
    // A block without ranges of its own may still hold calls that have some.
    bool is_open = !holds && tag == DW_TAG_lexical_block && !dwarf_hasattr(&child, DW_AT_low_pc) &&
                   !dwarf_hasattr(&child, DW_AT_ranges);
    if ((holds || is_open) && (CollectInlined(&child, address, nesting + 1, chain) || holds)) return true;
  } while (dwarf_siblingof(&child, &child) == 0);
  return false;
}

bool IsC(Dwarf_Die* unit) {
  int language = dwarf_srclang(unit);
  return language == DW_LANG_C || language == DW_LANG_C89 || language == DW_LANG_C99 || language == DW_LANG_C11;
}

// The DIE in whose scope the function was declared.
Dwarf_Die Origin(Dwarf_Die die) {
  for (int i = 0; i < kMaxOrigins; ++i) {
    Dwarf_Attribute attribute;
    if (!dwarf_attr(&die, DW_AT_abstract_origin, &attribute) && !dwarf_attr(&die, DW_AT_specification, &attribute)) {
      break;
    }
    Dwarf_Die next;
    if (!dwarf_formref_die(&attribute, &next)) break;
    die = next;
  }
  return die;
}

// "ns::" and the like for one scope around a function; empty for scopes that don't show in names.
std::string ScopePrefix(Dwarf_Die* scope) {
  const char* name = dwarf_diename(scope);
  int tag = dwarf_tag(scope);
  if (tag == DW_TAG_namespace && !name) return "(anonymous namespace)::";
  if (tag == DW_TAG_namespace) return dwarf_hasattr(scope, DW_AT_export_symbols) ? "" : std::string(name) + "::";
  if (tag == DW_TAG_subprogram) return name ? std::string(name) + "()::" : "";
  if (!IsType(tag)) return "";
  return name ? std::string(name) + "::" : "(anonymous)::";
}

std::string QualifiedName(Dwarf_Die* die, const char* name) {
  Dwarf_Die origin = Origin(*die);
  Dwarf_Die* scopes = nullptr;
  int count = dwarf_getscopes_die(&origin, &scopes);
  std::string prefix;
  for (int i = count - 1; i > 0; --i) prefix += ScopePrefix(&scopes[i]);
  std::free(scopes);
  return prefix + name;
}

// libdw adds the compilation directory to files of DWARF 4, and leaves it to us in DWARF 5.
std::string AbsoluteFile(const char* file, Dwarf_Die* unit) {
  if (!file || *file == '/') return file ? file : "";
  Dwarf_Attribute attribute;
  const char* dir = dwarf_attr(unit, DW_AT_comp_dir, &attribute) ? dwarf_formstring(&attribute) : nullptr;
  return dir && *dir == '/' ? std::string(dir) + "/" + file : file;
}

// The line of the innermost function's code.
void SetLine(Unit* unit, Dwarf_Addr address, DebugFrame* frame) {
  Dwarf_Line* line = dwarf_getsrc_die(&unit->die, address);
  if (!line) return;
  frame->file = AbsoluteFile(dwarf_linesrc(line, nullptr, nullptr), &unit->die);
  dwarf_lineno(line, &frame->line);
}

// The line from which `inlined` was called.
void SetCallLine(Unit* unit, Dwarf_Die* inlined, DebugFrame* frame) {
  Dwarf_Attribute attribute;
  Dwarf_Word index = 0, line = 0;
  if (dwarf_attr(inlined, DW_AT_call_line, &attribute)) dwarf_formudata(&attribute, &line);
  frame->line = static_cast<int>(line);
  Dwarf_Die owner;
  Dwarf_Files* files = nullptr;
  size_t count = 0;
  if (!dwarf_attr(inlined, DW_AT_call_file, &attribute) || dwarf_formudata(&attribute, &index) != 0) return;
  if (!dwarf_diecu(inlined, &owner, nullptr, nullptr) || dwarf_getsrcfiles(&owner, &files, &count) != 0) return;
  if (index < count) frame->file = AbsoluteFile(dwarf_filesrc(files, index, nullptr, nullptr), &unit->die);
}

}  // namespace

namespace {

// Every file that libdw finds for itself is in the budget, too.
int FindElf(Dwfl_Module* module, void** data, const char* name, Dwarf_Addr base, char** path, Elf** elf) {
  const int fd = dwfl_build_id_find_elf(module, data, name, base, path, elf);
  ReaderProcess::AllowFor(fd);
  return fd;
}

int FindDebugFile(Dwfl_Module* module, void** data, const char* name, Dwarf_Addr base, const char* file,
                  const char* link, GElf_Word checksum, char** path) {
  const int fd = dwfl_standard_find_debuginfo(module, data, name, base, file, link, checksum, path);
  ReaderProcess::AllowFor(fd);
  return fd;
}

}  // namespace

struct DebugInfo::Impl {
  std::string debuginfo_path = ":.debug";  // beside the file, and in .debug/ there
  char* debuginfo_path_pointer = nullptr;  // libdwfl wants the address of a pointer
  Dwfl_Callbacks callbacks{};
  Dwfl* dwfl = nullptr;
  Dwfl_Module* module = nullptr;
  Dwarf_Addr bias = 0;  // what libdwfl adds to the file's addresses
  uint16_t machine = 0;

  bool has_symbols = false;
  ExtentMap<SymbolName> symbols;

  bool has_dwarf = false;
  Dwarf* dwarf = nullptr;
  Dwarf_Addr dwarf_bias = 0;
  bool has_unit_index = false;
  ExtentMap<Dwarf_Off> unit_index;  // values: offsets of unit DIEs
  std::unordered_map<Dwarf_Off, Unit> units;
  std::unordered_map<void*, std::string> qualified_names;  // by DIE

  explicit Impl(const std::vector<std::string>& debug_dirs) {
    for (const std::string& dir : debug_dirs) debuginfo_path += ":" + dir;
    debuginfo_path_pointer = debuginfo_path.data();
    callbacks.find_elf = FindElf;
    callbacks.find_debuginfo = FindDebugFile;
    callbacks.section_address = dwfl_offline_section_address;
    callbacks.debuginfo_path = &debuginfo_path_pointer;
    dwfl = dwfl_begin(&callbacks);
  }
  ~Impl() { dwfl_end(dwfl); }

  bool Load(const std::string& file, int fd);
  bool HasBuildId(const std::vector<uint8_t>& wanted);
  std::string_view Code(uint64_t start, uint64_t end);
  void LoadSymbols();
  bool LoadDwarf();
  void IndexUnits();
  Unit* FindUnit(Dwarf_Off offset);
  Unit* UnitByAranges(Dwarf_Addr address);
  Unit* UnitByIndex(Dwarf_Addr address);
  const Function* FindFunction(Unit* unit, Dwarf_Addr address);
  DebugFrame Describe(Unit* unit, Dwarf_Die* die);
  std::vector<DebugFrame> Unwrap(Unit* unit, const Function& function, Dwarf_Addr address);
};

// Takes `fd` over. Base 0 with p_vaddr added: libdwfl's addresses are then the file's own.
bool DebugInfo::Impl::Load(const std::string& file, int fd) {
  dwfl_report_begin(dwfl);
  module = dwfl_report_elf(dwfl, file.c_str(), file.c_str(), fd, 0, true);
  if (!module) close(fd);
  return dwfl_report_end(dwfl, nullptr, nullptr) == 0 && module && dwfl_module_getelf(module, &bias);
}

bool DebugInfo::Impl::HasBuildId(const std::vector<uint8_t>& wanted) {
  const unsigned char* bits = nullptr;
  GElf_Addr address;
  int size = dwfl_module_build_id(module, &bits, &address);
  return size > 0 && std::equal(wanted.begin(), wanted.end(), bits, bits + size);
}

/// What the file has of it; empty where that is not all.
std::string_view DebugInfo::Impl::Code(uint64_t start, uint64_t end) {
  GElf_Addr ignored;
  Elf* elf = dwfl_module_getelf(module, &ignored);
  GElf_Ehdr header;
  if (elf == nullptr || gelf_getehdr(elf, &header) == nullptr) return {};
  machine = header.e_machine;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr about;
    if (gelf_getshdr(section, &about) == nullptr || (about.sh_flags & SHF_EXECINSTR) == 0) continue;
    if (about.sh_type == SHT_NOBITS || start < about.sh_addr || end - about.sh_addr > about.sh_size) continue;
    const Elf_Data* data = elf_rawdata(section, nullptr);
    if (data == nullptr || data->d_buf == nullptr || data->d_size < end - about.sh_addr) return {};
    return {static_cast<const char*>(data->d_buf) + (start - about.sh_addr), end - start};
  }
  return {};
}

void DebugInfo::Impl::LoadSymbols() {
  has_symbols = true;
  int count = dwfl_module_getsymtab(module);
  for (int i = 0; i < count; ++i) {
    GElf_Sym symbol;
    GElf_Addr address;
    GElf_Word section;
    const char* name = dwfl_module_getsym_info(module, i, &symbol, &address, &section, nullptr, nullptr);
    if (!name || !*name || section == SHN_UNDEF || symbol.st_size == 0) continue;
    // Assembly often has no type. A type of data is no place for code.
    int type = GELF_ST_TYPE(symbol.st_info);
    if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE) continue;
    uint64_t start = address - bias;
    symbols.Add(start, start + symbol.st_size, {name, GELF_ST_BIND(symbol.st_info) == STB_LOCAL});
  }
}

bool DebugInfo::Impl::LoadDwarf() {
  if (!has_dwarf) dwarf = dwfl_module_getdwarf(module, &dwarf_bias);
  has_dwarf = true;
  return dwarf != nullptr;
}

void DebugInfo::Impl::IndexUnits() {
  has_unit_index = true;
  Dwarf_CU* unit = nullptr;
  Dwarf_Die die;
  while (dwarf_get_units(dwarf, unit, &unit, nullptr, nullptr, &die, nullptr) == 0) {
    AddRanges(&die, dwarf_dieoffset(&die), &unit_index);
  }
}

Unit* DebugInfo::Impl::FindUnit(Dwarf_Off offset) {
  if (auto found = units.find(offset); found != units.end()) return &found->second;
  Dwarf_Die die;
  if (!dwarf_offdie(dwarf, offset, &die)) return nullptr;
  Unit& unit = units[offset];
  unit.die = unit.scopes = die;
  Dwarf_Die split;
  uint8_t type = 0;
  if (dwarf_cu_info(die.cu, nullptr, &type, nullptr, &split, nullptr, nullptr, nullptr) == 0 &&
      type == DW_UT_skeleton && split.addr) {
    unit.scopes = split;
  }
  CollectFunctions(&unit.scopes, Depth::kShallow, 0, &unit.functions);
  return &unit;
}

// .debug_aranges answers without reading a unit, but may be missing for some units or for all.
Unit* DebugInfo::Impl::UnitByAranges(Dwarf_Addr address) {
  Dwarf_Aranges* aranges = nullptr;
  size_t count = 0;
  Dwarf_Off offset;
  if (dwarf_getaranges(dwarf, &aranges, &count) != 0) return nullptr;
  Dwarf_Arange* arange = dwarf_getarange_addr(aranges, address);
  return arange && dwarf_getarangeinfo(arange, nullptr, nullptr, &offset) == 0 ? FindUnit(offset) : nullptr;
}

Unit* DebugInfo::Impl::UnitByIndex(Dwarf_Addr address) {
  if (!has_unit_index) IndexUnits();
  const Dwarf_Off* offset = unit_index.Find(address);
  return offset ? FindUnit(*offset) : nullptr;
}

const Function* DebugInfo::Impl::FindFunction(Unit* unit, Dwarf_Addr address) {
  if (const Function* found = unit->functions.Find(address)) return found;
  if (!unit->has_nested) CollectFunctions(&unit->scopes, Depth::kDeep, 0, &unit->nested_functions);
  unit->has_nested = true;
  return unit->nested_functions.Find(address);
}

DebugFrame DebugInfo::Impl::Describe(Unit* unit, Dwarf_Die* die) {
  DebugFrame frame;
  Dwarf_Attribute attribute;
  if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
      dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute)) {
    const char* linkage_name = dwarf_formstring(&attribute);
    if (linkage_name) frame.linkage_name = linkage_name;
  }
  dwarf_decl_line(die, &frame.first_line);
  const char* name = dwarf_diename(die);
  if (!name) return frame;
  frame.name = name;
  if (!frame.linkage_name.empty() || IsC(&unit->die)) return frame;
  std::string& qualified = qualified_names[die->addr];
  if (qualified.empty()) qualified = QualifiedName(die, name);
  frame.name = qualified;
  return frame;
}

std::vector<DebugFrame> DebugInfo::Impl::Unwrap(Unit* unit, const Function& function, Dwarf_Addr address) {
  std::vector<Dwarf_Die> chain = {function.die};
  CollectInlined(&chain[0], address, 0, &chain);
  std::vector<DebugFrame> frames;
  for (size_t i = chain.size(); i-- > 0;) {
    DebugFrame frame = Describe(unit, &chain[i]);
    frame.is_inlined = i > 0;
    if (i + 1 == chain.size()) {
      SetLine(unit, address, &frame);
    } else {
      SetCallLine(unit, &chain[i + 1], &frame);
    }
    frames.push_back(std::move(frame));
  }
  return frames;
}

DebugInfo::DebugInfo(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DebugInfo::~DebugInfo() = default;

std::unique_ptr<DebugInfo> DebugInfo::Open(const std::string& file, const std::vector<uint8_t>& build_id,
                                           const std::vector<std::string>& debug_dirs, std::string* problem) {
  int fd = OpenRegularFile(file);
  if (fd < 0) {
    *problem = file + ": " + std::strerror(errno);
    return nullptr;
  }
  ReaderProcess::AllowFor(fd);
  auto impl = std::make_unique<Impl>(debug_dirs);
  if (!impl->dwfl || !impl->Load(file, fd)) {
    *problem = file + ": it cannot be read as an ELF file";
    return nullptr;
  }
  if (!build_id.empty() && !impl->HasBuildId(build_id)) {
    *problem = file + ": it was rebuilt after the recording (build ID differs)";
    return nullptr;
  }
  return std::unique_ptr<DebugInfo>(new DebugInfo(std::move(impl)));
}

std::unique_ptr<DebugInfo> DebugInfo::OpenByBuildId(const std::vector<uint8_t>& build_id,
                                                    const std::vector<std::string>& debug_dirs) {
  auto impl = std::make_unique<Impl>(debug_dirs);
  if (!impl->dwfl) return nullptr;
  dwfl_report_begin(impl->dwfl);
  // The extent is unknown before the file is there: any will do, addresses are corrected by the bias.
  impl->module = dwfl_report_module(impl->dwfl, "", 0, ~Dwarf_Addr{0} >> 1);
  if (!impl->module || dwfl_module_report_build_id(impl->module, build_id.data(), build_id.size(), 0) != 0) {
    return nullptr;
  }
  dwfl_report_end(impl->dwfl, nullptr, nullptr);
  if (!dwfl_module_getelf(impl->module, &impl->bias)) return nullptr;
  return std::unique_ptr<DebugInfo>(new DebugInfo(std::move(impl)));
}

std::vector<DebugFrame> DebugInfo::Frames(uint64_t address) {
  std::vector<DebugFrame> frames;
  if (!impl_->LoadDwarf()) return frames;
  Dwarf_Addr dwarf_address = address + impl_->bias - impl_->dwarf_bias;
  for (auto find_unit : {&Impl::UnitByAranges, &Impl::UnitByIndex}) {
    Unit* unit = (impl_.get()->*find_unit)(dwarf_address);
    if (!unit) continue;
    if (const Function* function = impl_->FindFunction(unit, dwarf_address)) {
      return impl_->Unwrap(unit, *function, dwarf_address);
    }
    DebugFrame frame;
    SetLine(unit, dwarf_address, &frame);
    if (frames.empty() && !frame.file.empty()) frames.push_back(std::move(frame));
  }
  return frames;
}

std::string DebugInfo::Symbol(uint64_t address) {
  if (!impl_->has_symbols) impl_->LoadSymbols();
  const SymbolName* name = impl_->symbols.Find(address);
  return name ? name->text : "";
}

uint64_t DebugInfo::Site(uint64_t address) {
  if (!impl_->has_symbols) impl_->LoadSymbols();
  const uint64_t start = impl_->symbols.StartOf(address);
  const std::string_view code = impl_->Code(start, address + 1);
  return start == address ? 0 : CallSite(impl_->machine, code, start);
}

}  // namespace fdaudit::analyzer
