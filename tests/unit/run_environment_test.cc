// What `fdaudit run` puts into the program's environment, and the command line's spelling help.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "analyzer/commands/command.h"
#include "analyzer/commands/shim_file.h"

namespace fdaudit::testing {
namespace {

using analyzer::Closest;
using analyzer::MakePreload;
using analyzer::MakeShimOptions;

constexpr char kShim[] = "/usr/lib/fdaudit/libfdaudit.so";

TEST(Preload, TheShimComesFirst) {
  EXPECT_EQ(MakePreload("", kShim, {"libc.so.6"}), kShim);
  EXPECT_EQ(MakePreload("/a.so:/b.so", kShim, {}), std::string(kShim) + ":/a.so:/b.so");
  EXPECT_EQ(MakePreload("/a.so /b.so", kShim, {}), std::string(kShim) + ":/a.so:/b.so");
}

TEST(Preload, SanitizersComeBeforeIt) {
  EXPECT_EQ(MakePreload("/a.so", kShim, {"libasan.so.8", "libc.so.6"}),
            std::string("libasan.so.8:") + kShim + ":/a.so");
  EXPECT_EQ(MakePreload("/lib/libtsan.so.2:/a.so", kShim, {}), std::string("/lib/libtsan.so.2:") + kShim + ":/a.so");
  EXPECT_EQ(MakePreload("/lib/libasan.so.8", kShim, {"libasan.so.8"}), std::string("libasan.so.8:") + kShim);
}

TEST(Preload, AnOuterAuditsShimIsReplaced) {
  EXPECT_EQ(MakePreload("/elsewhere/libfdaudit.so:/a.so", kShim, {}), std::string(kShim) + ":/a.so");
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
