#include "shim/interpose/libraries_behind.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "shim/base/gnu_hash.h"

namespace fdaudit::shim {
namespace {

TEST(LibrariesBehind, FindsWhatDlsymFinds) {
  LibrariesBehind libraries;
  libraries.Read();
  // posix_spawn has two versions, openpty was once in another library; __read is an alias.
  for (const char* name : {"open", "__read", "close", "fork", "posix_spawn", "quick_exit", "openpty", "mq_open"}) {
    void* found = libraries.Find(name, GnuHash(name), "");
    if (found == nullptr && !libraries.complete()) continue;  // in a library behind libc
    EXPECT_EQ(found, dlsym(RTLD_NEXT, name)) << name;
  }
}

#if defined(__x86_64__) && defined(__GLIBC__)
TEST(LibrariesBehind, FindsOldVersions) {
  LibrariesBehind libraries;
  libraries.Read();
  const uint32_t hash = GnuHash("posix_spawn");
  void* old = libraries.Find("posix_spawn", hash, "GLIBC_2.2.5");
  EXPECT_EQ(old, dlvsym(RTLD_NEXT, "posix_spawn", "GLIBC_2.2.5"));
  EXPECT_EQ(libraries.Find("posix_spawn", hash, "GLIBC_2.15"), dlvsym(RTLD_NEXT, "posix_spawn", "GLIBC_2.15"));
  EXPECT_NE(old, libraries.Find("posix_spawn", hash, ""));
  EXPECT_EQ(libraries.Find("posix_spawn", hash, "GLIBC_2.3"), nullptr);
  EXPECT_EQ(libraries.Find("posix_spawn", hash, "NOTHING_1"), nullptr);
}
#endif

TEST(LibrariesBehind, LeavesResolversToDlsym) {
  LibrariesBehind libraries;
  libraries.Read();
  EXPECT_EQ(libraries.Find("memcpy", GnuHash("memcpy"), ""), nullptr);
}

TEST(LibrariesBehind, FindsNothingThatIsMissing) {
  LibrariesBehind libraries;
  libraries.Read();
  EXPECT_NE(libraries.Find("open", GnuHash("open"), ""), nullptr);
  EXPECT_EQ(libraries.Find("opennothing", GnuHash("opennothing"), ""), nullptr);
}

TEST(LibrariesBehind, FindsNothingBeforeItHasRead) {
  const LibrariesBehind libraries;
  EXPECT_FALSE(libraries.complete());
  EXPECT_EQ(libraries.Find("open", GnuHash("open"), ""), nullptr);
}

TEST(GnuHash, KnownValues) {
  EXPECT_EQ(GnuHash(""), 0x1505u);
  EXPECT_EQ(GnuHash("printf"), 0x156b2bb8u);
}

}  // namespace
}  // namespace fdaudit::shim
