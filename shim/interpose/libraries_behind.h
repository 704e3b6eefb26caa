#pragma once

// The libraries that come after the shim in the dynamic linker's search order, up to libc, and their symbols: what
// dlsym(RTLD_NEXT) finds, at a tenth of its cost, and without its locks.

#include <link.h>

#include <cstdint>

namespace fdaudit::shim {

using Symbol = ElfW(Sym);
using VersionNumber = ElfW(Versym);
using VersionDefinition = ElfW(Verdef);
using DynamicEntry = ElfW(Dyn);

/// The dynamic symbols of a mapped object that has a DT_GNU_HASH table.
class SymbolTable {
 public:
  /// False: it has no such table.
  bool Read(const link_map& object);

  /// The symbol's address; nullptr: not defined there, or its address is only known after a call (STT_GNU_IFUNC).
  /// `version`: "" = the default one. `size`: gets its bytes, where it is found.
  void* Find(const char* name, uint32_t hash, const char* version, uint64_t* size = nullptr) const;

 private:
  /// 0: no such version.
  VersionNumber NumberOf(const char* version) const;
  bool IsWanted(uint32_t index, VersionNumber version) const;

  uintptr_t bias_ = 0;
  const Symbol* symbols_ = nullptr;
  const char* strings_ = nullptr;
  const VersionNumber* versions_ = nullptr;
  const VersionDefinition* definitions_ = nullptr;
  const uintptr_t* bloom_ = nullptr;
  const uint32_t* buckets_ = nullptr;
  const uint32_t* chains_ = nullptr;  ///< of symbol number 0, though the first ones have none
  uint32_t bloom_words_ = 0;
  uint32_t bloom_shift_ = 0;
  uint32_t bucket_count_ = 0;
  uint32_t first_symbol_ = 0;
};

class LibrariesBehind {
 public:
  /// For the shim's constructor: the list of mapped objects must not be changing.
  void Read();

  /// nullptr: not found, which need not mean that dlsym finds nothing. Reads memory alone.
  void* Find(const char* name, uint32_t hash, const char* version) const;

  /// Whether what is not found is nowhere: since glibc 2.34 all of libc is one library.
  bool complete() const { return complete_; }

 private:
  static constexpr int kMostLibraries = 64;

  SymbolTable tables_[kMostLibraries] = {};
  int count_ = 0;
  bool complete_ = false;
};

/// The shim's own symbols. False: unknown.
bool ReadShim(SymbolTable* out);

}  // namespace fdaudit::shim
