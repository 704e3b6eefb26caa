#pragma once

// INTERPOSE: one definition of an intercepted function yields its real pointer (real::NAME), its row in the table of
// calls, and the exported symbol. The text says what a call of it does to descriptors (docs/interposers.md).
//
//   INTERPOSE("opens a socket", int, socket, int domain, int type, int protocol) {
//     return Opened(NewSocket(domain, type), real::socket, domain, type, protocol);
//   }
//
// The definition has to agree with libc's own declaration, or it does not compile. The real function is the next one in
// the dynamic linker's order (dlsym RTLD_NEXT), so that other preloaded libraries keep working; all are looked up by
// the shim's constructor, because dlsym may allocate and is not to be called first in a signal handler or a vfork
// child.

#include <dlfcn.h>

#include <cerrno>
#include <cstdint>

extern "C" __attribute__((weak)) void* dlvsym(void*, const char*, const char*) noexcept;  // musl has none

namespace fdaudit::shim {

/// A row of the table of calls. The linker gathers the rows of all families into one array; the compiler must not leave
/// gaps in it by aligning a row more than the type asks for.
struct alignas(32) CallRow {
  const char* name;
  struct RealPointer* real;
  const char* means;   ///< what it does to descriptors, for docs/interposers.md
  const char* family;  ///< the file that defines it
};

extern "C" __attribute__((visibility("hidden"))) const CallRow __start_fdaudit_calls[];
extern "C" __attribute__((visibility("hidden"))) const CallRow __stop_fdaudit_calls[];

inline uint16_t CallNumber(const CallRow& row) { return static_cast<uint16_t>(&row - __start_fdaudit_calls); }

/// A pointer to the real function, with the row that describes it.
struct RealPointer {
  void* pointer = nullptr;
  const CallRow* row = nullptr;
  const char* version = nullptr;  ///< of the symbol; nullptr = the default one

  bool Find() {
    if (__atomic_load_n(&pointer, __ATOMIC_RELAXED) == nullptr) {
      const bool versioned = version != nullptr && dlvsym != nullptr;
      void* found = versioned ? dlvsym(RTLD_NEXT, row->name, version) : dlsym(RTLD_NEXT, row->name);
      __atomic_store_n(&pointer, found, __ATOMIC_RELAXED);
    }
    return pointer != nullptr;
  }
};

template <typename Signature>
struct Real;

template <typename R, typename... A>
struct Real<R(A...)> : RealPointer {
  /// Calls it. A function that this libc lacks fails with ENOSYS.
  R operator()(A... arguments) {
    if (!Find()) return Missing();
    return reinterpret_cast<R (*)(A...)>(pointer)(arguments...);
  }

 private:
  static R Missing() {
    errno = ENOSYS;
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
struct Real<R(A..., ...)> : RealPointer {
  template <typename... Extra>
  R operator()(A... arguments, Extra... extra) {
    if (!Find()) {
      errno = ENOSYS;
      return (R)(-1);
    }
    return reinterpret_cast<R (*)(A..., ...)>(pointer)(arguments..., extra...);
  }
};

}  // namespace fdaudit::shim

#define FDAUDIT_EXPORT extern "C" __attribute__((visibility("default")))

#define FDAUDIT_REAL(means, symbol, version, result, name, ...)                                                \
  namespace fdaudit::shim::real {                                                                              \
  extern Real<result(__VA_ARGS__)> name;                                                                       \
  __attribute__((section("fdaudit_calls"), used)) static const CallRow row_of_##name = {#symbol, &name, means, \
                                                                                        __FILE__};             \
  constinit Real<result(__VA_ARGS__)> name = {{nullptr, &row_of_##name, version}};                             \
  }

// The row and the real pointer alone, for what shim/arch exports.
#define INTERPOSE_BY_HAND(means, result, name, ...) \
  FDAUDIT_REAL(means, name, nullptr, result, name __VA_OPT__(, ) __VA_ARGS__)

#define INTERPOSE(means, result, name, ...)                         \
  INTERPOSE_BY_HAND(means, result, name __VA_OPT__(, ) __VA_ARGS__) \
  FDAUDIT_EXPORT result name(__VA_ARGS__)

// Programs that were linked long ago ask for an older version of some functions, which does something else. Where libc
// has two that differ, each is exported under its version (shim/exports.map): NEWEST_VERSION makes an intercepted
// function the default one, and INTERPOSE_OLD defines the other, as NAME_old_version. All other functions are exported
// without a version, which fits whatever version is asked for. Only architectures as old as x86-64 have such pairs.
#define NEWEST_VERSION(name, version) __asm__(".symver " #name ", " #name "@@@" version)

#define INTERPOSE_OLD(means, version, result, name, ...)                                    \
  FDAUDIT_REAL(means, name, version, result, name##_old_version __VA_OPT__(, ) __VA_ARGS__) \
  __asm__(".symver " #name "_old_version, " #name "@" version);                             \
  FDAUDIT_EXPORT result name##_old_version(__VA_ARGS__)
