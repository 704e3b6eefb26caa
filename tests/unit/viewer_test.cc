// The parts of the page that a browser test would not pin down.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "analyzer/model/lives.h"
#include "analyzer/viewer/html.h"
#include "analyzer/viewer/sources.h"
#include "tests/support/model_fixture.h"
#include "tests/support/workshop.h"

namespace fdaudit::testing {
namespace {

using analyzer::Html;
using analyzer::Incident;
using analyzer::Life;
using analyzer::Lives;

TEST(Html, TextIsNeverMarkup) {
  EXPECT_EQ(Html().Text("<b a=\"x\" b='y'>&amp;").Take(), "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;");
  EXPECT_EQ(Html().Text("\u202e\n\x1b").Take(), "\\xe2\\x80\\xae\\x0a\\x1b");
}

TEST(Html, JsonDoesNotEndItsElement) {
  analyzer::JsonValue json;
  json.At("name") = "</script><!--&";
  EXPECT_EQ(analyzer::ScriptJson(json), "{\"name\":\"\\u003c/script\\u003e\\u003c!--\\u0026\"}");
}

// --- the lives of descriptors

class LivesOfNumbers : public ::testing::Test {
 protected:
  uint64_t Event(trace::EventKind kind, int fd, int other = 0, uint32_t incarnation = 1) {
    const uint64_t stamp = scene_.trace.NextStamp();
    trace::Event event = TraceBuilder::MakeEvent(stamp, kind, fd, scene_.Stack("work", 10));
    event.other = other;
    event.incarnation = incarnation;
    scene_.trace.AddEvent(image_, 4711, event);
    return stamp;
  }
  Lives Read() { return analyzer::ReadLives(scene_.Load()); }

  Scene scene_;
  uint32_t image_ = scene_.trace.AddImage();
};

TEST_F(LivesOfNumbers, ANumberMayHaveManyOneAfterAnother) {
  Event(trace::EventKind::kOpened, 5);
  Event(trace::EventKind::kClosed, 5);
  Event(trace::EventKind::kOpened, 5, 0, 2);
  const Lives read = Read();
  ASSERT_EQ(read.lives.size(), 2u);
  EXPECT_LT(read.lives[0].end_s, read.lives[1].begin_s);
  EXPECT_FALSE(read.lives[0].is_open);
  EXPECT_TRUE(read.lives[1].is_open);
}

TEST_F(LivesOfNumbers, ARangeEndsAllThatIsOpenInIt) {
  for (int fd = 4; fd < 8; ++fd) Event(trace::EventKind::kOpened, fd);
  Event(trace::EventKind::kRangeClosed, 5, -1);  // to the highest
  size_t open = 0;
  for (const Life& life : Read().lives) open += life.is_open ? 1 : 0;
  EXPECT_EQ(open, 1u);
}

TEST_F(LivesOfNumbers, ACloseOfWhatWasThereBeforeTellsALifeFromTheStart) {
  Event(trace::EventKind::kClosed, 9);
  const Lives read = Read();
  ASSERT_EQ(read.lives.size(), 1u);
  EXPECT_TRUE(read.lives[0].is_inherited);
  EXPECT_EQ(read.lives[0].path, analyzer::kNoPath);
}

TEST_F(LivesOfNumbers, AForkedChildHasItsParentsTable) {
  Event(trace::EventKind::kOpened, 5);
  const uint32_t child = scene_.trace.AddImage();
  scene_.trace.Image(child).parent = image_;
  scene_.trace.Image(child).started_by = trace::StartedBy::kFork;
  const Lives read = Read();
  ASSERT_EQ(read.lives.size(), 2u);
  EXPECT_TRUE(read.lives[1].is_inherited);
  EXPECT_EQ(read.lives[1].path, read.lives[0].path);
}

TEST_F(LivesOfNumbers, WhatTheJournalLacksTheLedgerTells) {
  const trace::Act act = scene_.trace.MakeAct(image_, "open", scene_.Stack("work", 10));
  scene_.trace.AddOpenSlot(image_, 6, act, "/etc/app.conf");
  const Lives read = Read();
  ASSERT_EQ(read.lives.size(), 1u);
  EXPECT_EQ(read.lives[0].target, "/etc/app.conf");
  EXPECT_TRUE(read.lives[0].is_open);
}

TEST_F(LivesOfNumbers, FailuresAreIncidents) {
  Event(trace::EventKind::kCloseFailed, 5);
  Event(trace::EventKind::kOpenFailed, -1);
  const Lives read = Read();
  ASSERT_EQ(read.incidents.size(), 2u);
  EXPECT_EQ(read.incidents[0].kind, Incident::Kind::kCloseFailed);
  EXPECT_EQ(read.incidents[1].kind, Incident::Kind::kTableFull);
}

// --- sources

TEST(Sources, LinesAroundALineOfASourceFile) {
  Workshop shop;
  shop.Write("a.c", "one\ntwo\nthree\nfour\n");
  const std::string path = shop.Path("a.c");
  analyzer::Sources sources;
  const auto lines = sources.Around(path, 2, 1);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].number, 1);
  EXPECT_EQ(lines[1].text, "two");
  EXPECT_TRUE(sources.Around(path, 5, 1).empty());
}

TEST(Sources, NoFileThatIsNoSource) {
  Workshop shop;
  analyzer::Sources sources;
  shop.Write("secret.key", "hush\n");
  EXPECT_TRUE(sources.Around(shop.Path("secret.key"), 1, 0).empty());
  EXPECT_TRUE(sources.Around("/dev/zero", 1, 0).empty());
  EXPECT_TRUE(sources.Around("relative.c", 1, 0).empty());
}

}  // namespace
}  // namespace fdaudit::testing
