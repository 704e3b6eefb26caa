#include "analyzer/symbols/perf_map.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/workshop.h"

namespace fdaudit::analyzer {
namespace {

TEST(PerfMapTest, FindsTheCodeThatHoldsAnAddress) {
  PerfMap map;
  map.Parse("1000 20 LazyCompile:~open /app/a.js:1\n0x2000 0x10 second\n");
  EXPECT_EQ(map.Find(0xfff), "");
  EXPECT_EQ(map.Find(0x1000), "LazyCompile:~open /app/a.js:1");
  EXPECT_EQ(map.Find(0x101f), "LazyCompile:~open /app/a.js:1");
  EXPECT_EQ(map.Find(0x1020), "");
  EXPECT_EQ(map.Find(0x2008), "second");
}

TEST(PerfMapTest, LaterCodeReplacesWhatItOverlaps) {
  PerfMap map;
  map.Parse("1000 100 old\n1080 10 new\n");
  EXPECT_EQ(map.Find(0x1084), "new");
  EXPECT_EQ(map.Find(0x1000), "");
}

TEST(PerfMapTest, NonsenseIsSkipped) {
  PerfMap map;
  map.Parse("\n\nxyz\n1000\n1000 10\n1000 10 \nffffffffffffffff 10 wraps\n1000 0 empty\n3000 10 good");
  EXPECT_EQ(map.Find(0x1000), "");
  EXPECT_EQ(map.Find(~uint64_t{0}), "");
  EXPECT_EQ(map.Find(0x3000), "good");
}

TEST(PerfMapTest, OnlyOwnRegularFilesAreRead) {
  testing::Workshop shop;
  shop.Write("map", "1000 10 name\n");
  shop.Run("ln -s map link");
  PerfMap map;
  EXPECT_FALSE(map.Load(shop.Path("link")));
  EXPECT_FALSE(map.Load(shop.Path("missing")));
  EXPECT_FALSE(map.Load(shop.Path(".")));
  EXPECT_TRUE(map.Load(shop.Path("map")));
  EXPECT_EQ(map.Find(0x1000), "name");
  if (geteuid() != 0) return;
  shop.Run("cp map strangers && chown 12345 strangers");
  EXPECT_FALSE(map.Load(shop.Path("strangers")));
}

}  // namespace
}  // namespace fdaudit::analyzer
