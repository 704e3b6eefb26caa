#pragma once

// INTERPOSE: one definition of an intercepted function yields its real pointer (real::NAME), which is its row in the
// table of calls, and the exported symbol. The text says what a call of it does to descriptors (docs/interposers.md).
//
//   INTERPOSE("opens a socket", int, socket, int domain, int type, int protocol) {
//     return Opened(NewSocket(domain, type), real::socket, domain, type, protocol);
//   }
//
// The definition has to agree with libc's own declaration, or it does not compile. The real function is the next one in
// the dynamic linker's order, so that other preloaded libraries keep working.

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "shim/base/gnu_hash.h"
#include "shim/base/thread_pointer.h"

namespace fdaudit::shim {

/// A row of the table of calls: a real function. The linker gathers the rows of all families into one array; the
/// compiler must not leave gaps in it by aligning a row more than the type asks for. Nothing in it points anywhere
/// before the look-up: each page of pointers that the dynamic linker fills is copied for every exec'd program.
struct alignas(64) RealFunction {
  static constexpr size_t kNameSize = 28;

  void* pointer = nullptr;
  uint32_t hash = 0;  ///< of the name
  char name[kNameSize] = {};
  char version[24] = {};  ///< of the symbol; "" = the default one

  constexpr RealFunction(const char* symbol, const char* symbol_version) : hash(GnuHash(symbol)) {
    for (size_t i = 0; symbol[i] != '\0'; ++i) name[i] = symbol[i];
    for (size_t i = 0; symbol_version[i] != '\0'; ++i) version[i] = symbol_version[i];
  }

  /// Whether the real function is there, as far as reading memory shows: in signal handlers, vfork children
  /// and allocators too.
  bool Known() { return __atomic_load_n(&pointer, __ATOMIC_RELAXED) != nullptr || FindBehind(); }

  /// The same for a function that is about to be called: dlsym is asked when nothing else knows it.
  bool Find() { return Known() || AskLinker(); }

  /// Looks in the libraries behind the shim.
  bool FindBehind();
  /// The same, before the shim has started too: of dlsym itself.
  bool FindByReading();
  bool AskLinker();
};

extern "C" __attribute__((visibility("hidden"))) RealFunction __start_fdaudit_calls[];
extern "C" __attribute__((visibility("hidden"))) RealFunction __stop_fdaudit_calls[];

inline uint16_t CallNumber(const RealFunction& row) { return static_cast<uint16_t>(&row - __start_fdaudit_calls); }

template <typename Signature>
struct Real;

template <typename R, typename... A>
struct Real<R(A...)> : RealFunction {
  using RealFunction::RealFunction;

  /// Calls it. A function that this libc lacks fails with ENOSYS.
  R operator()(A... arguments) {
    if (!Find()) return Missing();
    return reinterpret_cast<R (*)(A...)>(pointer)(arguments...);
  }

 private:
  static R Missing() {
    SetLastError(ENOSYS);
    if constexpr (__is_same(R, void)) {
      return;
    } else if constexpr (requires(R result) { *result; }) {
      return nullptr;
    } else {
      return (R)(-1);
    }
  }
};

template <typename R, typename... A>
struct Real<R(A..., ...)> : RealFunction {
  using RealFunction::RealFunction;

  template <typename... Extra>
  R operator()(A... arguments, Extra... extra) {
    if (!Find()) {
      SetLastError(ENOSYS);
      return (R)(-1);
    }
    return reinterpret_cast<R (*)(A..., ...)>(pointer)(arguments..., extra...);
  }
};

}  // namespace fdaudit::shim

#define FDAUDIT_EXPORT extern "C" __attribute__((visibility("default")))

// The text goes to docs/interposers.md by way of a section that no running program ever reads.
#define FDAUDIT_REAL(means, symbol, version, result, name, ...)                                               \
  namespace fdaudit::shim::real {                                                                             \
  __attribute__((section("fdaudit_calls"), used)) constinit Real<result(__VA_ARGS__)> name{#symbol, version}; \
  __attribute__((section("fdaudit_means"), used)) static const char means_of_##name[] =                       \
      #symbol "\0" means "\0" __FILE__;                                                                       \
  }

// The row and the real pointer alone, for what shim/arch exports.
#define INTERPOSE_BY_HAND(means, result, name, ...) \
  FDAUDIT_REAL(means, name, "", result, name __VA_OPT__(, ) __VA_ARGS__)

// The row of a function that no libc has, of the shim's own (shim/fdaudit.h): it names what is recorded.
#define PROVIDED(means, result, name, ...) FDAUDIT_REAL(means, name, "", result, name __VA_OPT__(, ) __VA_ARGS__)

#define INTERPOSE(means, result, name, ...)                         \
  INTERPOSE_BY_HAND(means, result, name __VA_OPT__(, ) __VA_ARGS__) \
  FDAUDIT_EXPORT result name(__VA_ARGS__)

// Programs that were linked long ago ask for an older version of some functions, which does something else. Where libc
// has two that differ, each is exported under its version (shim/interpose/exports.map): NEWEST_VERSION makes an
// intercepted function the default one, and INTERPOSE_OLD defines the other, as NAME_old_version. All other functions
// are exported without a version, which fits whatever version is asked for. Only architectures as old as x86-64 have
// such pairs.
#define NEWEST_VERSION(name, version) __asm__(".symver " #name ", " #name "@@@" version)

#define INTERPOSE_OLD(means, version, result, name, ...)                                    \
  FDAUDIT_REAL(means, name, version, result, name##_old_version __VA_OPT__(, ) __VA_ARGS__) \
  __asm__(".symver " #name "_old_version, " #name "@" version);                             \
  FDAUDIT_EXPORT result name##_old_version(__VA_ARGS__)
