// What `fdaudit run` puts into the program's environment, and the command line's spelling help.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <string.h>

#include <string>
#include <vector>

#include "analyzer/commands/command.h"
#include "analyzer/commands/shim_file.h"

namespace fdaudit::testing {
namespace {

using analyzer::Closest;
using analyzer::MakePreload;
using analyzer::MakeShimOptions;

constexpr char kShim[] = "/usr/lib/fdaudit/libfdaudit.so";

std::string ListOf(const std::string& before, const std::vector<std::string>& needed = {}) {
  return MakePreload(before, kShim, needed).list;
}

TEST(Preload, TheShimComesFirst) {
  EXPECT_EQ(ListOf("", {"libc.so.6"}), kShim);
  EXPECT_EQ(ListOf("/a.so:/b.so"), std::string(kShim) + ":/a.so:/b.so");
  EXPECT_EQ(ListOf("/a.so /b.so"), std::string(kShim) + ":/a.so:/b.so");
}

TEST(Preload, SanitizersComeBeforeIt) {
  EXPECT_EQ(ListOf("/a.so", {"libasan.so.8", "libc.so.6"}), std::string("libasan.so.8:") + kShim + ":/a.so");
  EXPECT_EQ(ListOf("/lib/libtsan.so.2:/a.so"), std::string("/lib/libtsan.so.2:") + kShim + ":/a.so");
  EXPECT_EQ(ListOf("/lib/libasan.so.8", {"libasan.so.8"}), std::string("/lib/libasan.so.8:") + kShim);
}

TEST(Preload, WhatTheProgramAloneNeedsIsMarked) {
  EXPECT_EQ(MakePreload("/a.so", kShim, {"libasan.so.8"}).ahead, strlen("libasan.so.8:"));
  EXPECT_EQ(MakePreload("/lib/libasan.so.8", kShim, {"libasan.so.8"}).ahead, 0U);
  EXPECT_EQ(MakePreload("/lib/libtsan.so.2", kShim, {}).ahead, 0U);
}

TEST(Preload, AnOuterAuditsShimIsReplaced) {
  EXPECT_EQ(ListOf("/elsewhere/libfdaudit.so:/a.so"), std::string(kShim) + ":/a.so");
}

std::vector<std::string> SanitizerEntries(const std::vector<std::string>& needed) {
  std::string problem;
  std::vector<std::string> found;
  for (const std::string& entry : analyzer::MakeEnvironment({kShim, needed, {}}, &problem)) {
    if (entry.rfind("ASAN_OPTIONS=", 0) == 0) found.push_back(entry);
  }
  return found;
}

TEST(SanitizerOptions, AreTouchedForSanitizersAloneAndTheUsersCount) {
  using Entries = std::vector<std::string>;
  unsetenv("ASAN_OPTIONS");
  EXPECT_EQ(SanitizerEntries({"libc.so.6"}), Entries());
  EXPECT_EQ(SanitizerEntries({"libasan.so.8"}), Entries{"ASAN_OPTIONS=verify_asan_link_order=0"});
  setenv("ASAN_OPTIONS", "exitcode=3", 1);
  EXPECT_EQ(SanitizerEntries({"libc.so.6"}), Entries{"ASAN_OPTIONS=exitcode=3"});
  EXPECT_EQ(SanitizerEntries({"libclang_rt.asan-x86_64.so"}),
            Entries{"ASAN_OPTIONS=verify_asan_link_order=0:exitcode=3"});
  unsetenv("ASAN_OPTIONS");
}

TEST(ShimOptions, NewOnesReplaceOldOnesAndSessionsAreNotInherited) {
  EXPECT_EQ(MakeShimOptions("", {{"trace", "/t"}}), "trace=/t");
  EXPECT_EQ(MakeShimOptions("depth=3:skip=x:session=s:trace=/old", {{"depth", "5"}, {"trace", "/t"}}),
            "skip=x:depth=5:trace=/t");
}

TEST(ShimOptions, TheLastOfEqualOnesCounts) {
  setenv("FDAUDIT_OPTIONS", "trace=/a:depth=3:trace=/b", 1);
  EXPECT_EQ(analyzer::InheritedOption("trace"), "/b");
  EXPECT_EQ(analyzer::InheritedOption("journal"), "");
  unsetenv("FDAUDIT_OPTIONS");
  EXPECT_EQ(analyzer::InheritedOption("trace"), "");
}

TEST(Spelling, TheNearestWordIsMeantAndNoneWhereNoneIsNear) {
  const std::vector<std::string> words = {"run", "report", "dump", "doctor", "explain"};
  EXPECT_EQ(Closest("reprot", words), "report");
  EXPECT_EQ(Closest("expl", words), "explain");
  EXPECT_EQ(Closest("docter", words), "doctor");
  EXPECT_EQ(Closest("frobnicate", words), "");
  EXPECT_EQ(Closest("", words), "");
  EXPECT_EQ(Closest(std::string(100000, 'x'), words), "");
}

}  // namespace
}  // namespace fdaudit::testing
