// See libraries_behind.h. The tables' layout: elf(5), and the System V ABI's chapter on dynamic linking; DT_GNU_HASH
// and the choice of a version are glibc's (elf/dl-lookup.c).

#include "shim/interpose/libraries_behind.h"

#include "shim/base/dynamic_linker.h"
#include "shim/base/gnu_hash.h"
#include "shim/base/text.h"

#pragma weak _r_debug
/// musl's, whose list of objects has the same form.
extern "C" __attribute__((weak)) const r_debug* _dl_debug_addr;

namespace fdaudit::shim {
namespace {

constexpr VersionNumber kHiddenVersion = 0x8000;
constexpr uint32_t kWordBits = sizeof(uintptr_t) * 8;

const link_map* FirstObject() {
  if (&_r_debug != nullptr && _r_debug.r_map != nullptr) return _r_debug.r_map;
  return &_dl_debug_addr == nullptr || _dl_debug_addr == nullptr ? nullptr : _dl_debug_addr->r_map;
}

const link_map* ObjectOfShim() {
  const auto inside = reinterpret_cast<const DynamicEntry*>(_DYNAMIC);
  const link_map* object = FirstObject();
  while (object != nullptr && object->l_ld != inside) object = object->l_next;
  return object;
}

}  // namespace

bool SymbolTable::Read(const link_map& object) {
  // The dynamic linker has made these addresses absolute, but for those of objects that it did not map (the vdso).
  const auto absolute = [&](ElfW(Addr) address) { return address < object.l_addr ? address + object.l_addr : address; };
  uintptr_t table = 0;
  for (const DynamicEntry* entry = object.l_ld; entry->d_tag != DT_NULL; ++entry) {
    const uintptr_t address = absolute(entry->d_un.d_ptr);
    if (entry->d_tag == DT_GNU_HASH) table = address;
    if (entry->d_tag == DT_SYMTAB) symbols_ = reinterpret_cast<const Symbol*>(address);
    if (entry->d_tag == DT_STRTAB) strings_ = reinterpret_cast<const char*>(address);
    if (entry->d_tag == DT_VERSYM) versions_ = reinterpret_cast<const VersionNumber*>(address);
    if (entry->d_tag == DT_VERDEF) definitions_ = reinterpret_cast<const VersionDefinition*>(address);
  }
  if (table == 0 || symbols_ == nullptr || strings_ == nullptr) return false;
  const auto* header = reinterpret_cast<const uint32_t*>(table);
  bias_ = object.l_addr;
  bucket_count_ = header[0];
  first_symbol_ = header[1];
  bloom_words_ = header[2];
  bloom_shift_ = header[3];
  bloom_ = reinterpret_cast<const uintptr_t*>(header + 4);
  buckets_ = reinterpret_cast<const uint32_t*>(bloom_ + bloom_words_);
  chains_ = buckets_ + bucket_count_ - first_symbol_;
  return bucket_count_ != 0 && bloom_words_ != 0;
}

VersionNumber SymbolTable::NumberOf(const char* version) const {
  const VersionDefinition* definition = definitions_;
  while (definition != nullptr) {
    const char* place = reinterpret_cast<const char*>(definition);
    const auto* named = reinterpret_cast<const ElfW(Verdaux)*>(place + definition->vd_aux);
    if (IsSame(strings_ + named->vda_name, version)) return definition->vd_ndx;
    if (definition->vd_next == 0) break;
    definition = reinterpret_cast<const VersionDefinition*>(place + definition->vd_next);
  }
  return 0;
}

bool SymbolTable::IsWanted(uint32_t index, VersionNumber version) const {
  if (symbols_[index].st_shndx == SHN_UNDEF) return false;
  if (version != 0) return versions_ != nullptr && (versions_[index] & ~kHiddenVersion) == version;
  return versions_ == nullptr || (versions_[index] & kHiddenVersion) == 0;
}

void* SymbolTable::Find(const char* name, uint32_t hash, const char* version, uint64_t* size) const {
  const uintptr_t word = bloom_[(hash / kWordBits) % bloom_words_];
  if ((word >> (hash % kWordBits) & word >> ((hash >> bloom_shift_) % kWordBits) & 1) == 0) return nullptr;
  uint32_t index = buckets_[hash % bucket_count_];
  if (index < first_symbol_) return nullptr;
  const VersionNumber number = version[0] == '\0' ? VersionNumber{0} : NumberOf(version);
  // An object without versions has whatever version is asked for.
  if (number == 0 && version[0] != '\0' && definitions_ != nullptr) return nullptr;
  for (;; ++index) {
    const Symbol& symbol = symbols_[index];
    if ((chains_[index] ^ hash) < 2 && IsWanted(index, number) && IsSame(strings_ + symbol.st_name, name)) {
      if (size != nullptr) *size = symbol.st_size;
      const auto type = ELF64_ST_TYPE(symbol.st_info);
      return type == STT_FUNC || type == STT_OBJECT ? reinterpret_cast<void*>(bias_ + symbol.st_value) : nullptr;
    }
    if ((chains_[index] & 1) != 0) return nullptr;
  }
}

void LibrariesBehind::Read() {
  constexpr const char* kOnlyInLibc = "gnu_get_libc_version";
  constexpr const char* kSinceOneLibrary = "dlsym";  // was libdl's
  const link_map* object = ObjectOfShim();
  if (object == nullptr) return;
  for (object = object->l_next; object != nullptr && count_ < kMostLibraries; object = object->l_next) {
    SymbolTable& table = tables_[count_];
    if (!table.Read(*object)) continue;
    ++count_;
    if (table.Find(kOnlyInLibc, GnuHash(kOnlyInLibc), "") != nullptr) {
      complete_ = table.Find(kSinceOneLibrary, GnuHash(kSinceOneLibrary), "") != nullptr;
      return;
    }
  }
  count_ = 0;
}

void* LibrariesBehind::Find(const char* name, uint32_t hash, const char* version) const {
  for (int i = 0; i < count_; ++i) {
    if (void* found = tables_[i].Find(name, hash, version); found != nullptr) return found;
  }
  return nullptr;
}

void* LookUp(void* where, const char* name) {
  if (dlsym == nullptr) return nullptr;
  void* found = dlsym(where, name);
  // A look-up that succeeds makes it forget.
  if (found == nullptr) static_cast<void>(dlsym(RTLD_NEXT, "close"));
  return found;
}

bool ReadShim(SymbolTable* out) {
  const link_map* object = ObjectOfShim();
  return object != nullptr && out->Read(*object);
}

void* LookUpNext(const char* name, uint32_t hash, const char* version) {
  void* found = nullptr;
  if (version[0] != '\0' && dlvsym != nullptr) {
    found = dlvsym(RTLD_NEXT, name, version);
  } else if (dlsym != nullptr) {
    found = dlsym(RTLD_NEXT, name);
  }
  // The shim's own dlsym finds nothing where the program has none.
  return found != nullptr ? found : LookUpByReading(name, hash, version);
}

void* LookUpByReading(const char* name, uint32_t hash, const char* version) {
  const link_map* object = ObjectOfShim();
  if (object == nullptr) return nullptr;
  for (object = object->l_next; object != nullptr; object = object->l_next) {
    SymbolTable table;
    if (!table.Read(*object)) continue;
    if (void* found = table.Find(name, hash, version); found != nullptr) return found;
  }
  return nullptr;
}

const char* PathOfShim() {
  const link_map* object = ObjectOfShim();
  return object == nullptr || object->l_name == nullptr ? "" : object->l_name;
}

}  // namespace fdaudit::shim
