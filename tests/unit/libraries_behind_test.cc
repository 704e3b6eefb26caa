#include "shim/libraries_behind.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "shim/gnu_hash.h"

namespace fdaudit::shim {
namespace {

TEST(LibrariesBehind, FindsWhatDlsymFinds) {
  const LibrariesBehind libraries(true);
  // posix_spawn has two versions, openpty was once in another library; __read is an alias.
  for (const char* name : {"open", "__read", "close", "fork", "posix_spawn", "quick_exit", "openpty", "mq_open"}) {
    void* found = libraries.Find(name, GnuHash(name));
    if (found == nullptr && !libraries.complete()) continue;  // in a library behind libc
    EXPECT_EQ(found, dlsym(RTLD_NEXT, name)) << name;
  }
}

TEST(LibrariesBehind, LeavesResolversToDlsym) {
  const LibrariesBehind libraries(true);
  EXPECT_EQ(libraries.Find("memcpy", GnuHash("memcpy")), nullptr);
}

TEST(LibrariesBehind, FindsNothingThatIsMissing) {
  const LibrariesBehind libraries(true);
  EXPECT_NE(libraries.Find("open", GnuHash("open")), nullptr);
  EXPECT_EQ(libraries.Find("opennothing", GnuHash("opennothing")), nullptr);
}

TEST(LibrariesBehind, FindsNothingWhereItMustNotLook) {
  const LibrariesBehind libraries(false);
  EXPECT_FALSE(libraries.complete());
  EXPECT_EQ(libraries.Find("open", GnuHash("open")), nullptr);
}

TEST(GnuHash, KnownValues) {
  EXPECT_EQ(GnuHash(""), 0x1505u);
  EXPECT_EQ(GnuHash("printf"), 0x156b2bb8u);
}

}  // namespace
}  // namespace fdaudit::shim
