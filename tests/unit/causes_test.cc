// How a leak grew, and where its siblings were closed.

#include "analyzer/output/causes.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/support/model_fixture.h"

namespace fdaudit::testing {
namespace {

using analyzer::Finding;
using analyzer::Siblings;

class Causes : public ::testing::Test {
 protected:
  uint32_t Stack(const std::string& function, int line) {
    uint32_t& stack = stacks_[function + std::to_string(line)];
    return stack != 0 ? stack : stack = scene_.Stack(function, line);
  }
  void Leak(int fd, uint32_t stack) { trace().AddOpenSlot(image_, fd, trace().MakeAct(image_, "open", stack)); }
  /// One every two seconds.
  void LeakOverTime(int count, uint32_t stack) {
    for (; count > 0; --count, moment_ += 2'000'000'000) {
      trace::Act act = trace().MakeAct(image_, "open", stack);
      act.stamp = moment_;
      trace().AddOpenSlot(image_, next_fd_++, act);
    }
  }
  TraceBuilder& trace() { return scene_.trace; }
  std::string SiblingsOf(const Finding& finding) {
    return finding.siblings ? DescribeSiblings(*scene_.model, *finding.siblings) : "not known";
  }

  Scene scene_;
  std::map<std::string, uint32_t> stacks_;
  uint32_t image_ = scene_.trace.AddImage();
  uint64_t moment_ = 1'000'000;
  int next_fd_ = 50;
};

TEST_F(Causes, LastUsesAreCountedByCallAndLine) {
  for (int fd = 5; fd < 14; ++fd) Leak(fd, Stack("open_job", 12));
  for (int fd = 5; fd < 7; ++fd) trace().UseLast(image_, fd, "write", Stack("answer", 22));
  for (int fd = 7; fd < 12; ++fd) trace().UseLast(image_, fd, "read", Stack("session", 30));
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(DescribeLastUses(*scene_.model, findings[0]),
            "read at session (app.c:30), 5 of 9; write at answer (app.c:22), 2 of 9");
}

TEST_F(Causes, NoLastUseIsKnownOfStreams) {
  Leak(5, Stack("open_job", 12));
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(DescribeLastUses(*scene_.model, findings[0]), "");
}

TEST_F(Causes, SiblingsAreCountedByWhereTheyWereClosed) {
  for (int fd = 5; fd < 14; ++fd) Leak(fd, Stack("open_job", 12));
  trace().AddCloseCount(Stack("open_job", 12), Stack("finish", 88), 20);
  trace().AddCloseCount(Stack("open_job", 12), Stack("give_up", 30), 4);
  trace().AddCloseCount(Stack("open_job", 12), Stack("finish", 88), 7);  // another shard
  trace().AddCloseCount(Stack("other", 1), Stack("finish", 88), 1000);
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].siblings->of, Siblings::Of::kPath);
  EXPECT_EQ(findings[0].siblings->opened, 40u);
  EXPECT_EQ(findings[0].siblings->closed, 31u);
  EXPECT_EQ(SiblingsOf(findings[0]),
            "31 of the 40 descriptors opened on this call path were closed: 27 at finish (app.c:88), 4 at give_up "
            "(app.c:30)");
}

TEST_F(Causes, WhereNoneOfThePathWasClosedTheLineTells) {
  Leak(5, Stack("open_job", 12));
  const uint32_t other = trace().AddStack({{scene_.app, scene_.functions.In("open_job", 12)}, {scene_.app, 0x9001}});
  trace().AddCloseCount(other, Stack("finish", 88), 3);
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(SiblingsOf(findings[0]),
            "3 of the 4 descriptors opened in this line (over other call paths) were closed at finish (app.c:88)");
}

TEST_F(Causes, NoneClosedIsSaidAsWell) {
  Leak(5, Stack("open_job", 12));
  Leak(6, Stack("open_job", 12));
  trace().AddCloseCount(Stack("other", 1), Stack("finish", 88), 1);
  EXPECT_EQ(SiblingsOf(scene_.Detect().at(0)), "none of the 2 descriptors opened on this call path was closed");
}

TEST_F(Causes, WhatTheTraceHadNoRoomForIsSaid) {
  Leak(5, Stack("open_job", 12));
  trace().AddCloseCount(Stack("other", 1), Stack("finish", 88), 1);
  trace().SetLost(trace::RegionKind::kCloseCounts, 1);
  EXPECT_EQ(SiblingsOf(scene_.Detect().at(0)), "not known: the trace had no room to count all closes");
  trace().AddCloseCount(Stack("open_job", 12), Stack("finish", 88), 2);
  EXPECT_EQ(SiblingsOf(scene_.Detect().at(0)),
            "at least 2 of the 3 descriptors opened on this call path were closed at finish (app.c:88)");
}

TEST_F(Causes, AnOldTraceAndCodeMadeAtRunTimeAreNotKnown) {
  Leak(5, Stack("open_job", 12));
  EXPECT_EQ(SiblingsOf(scene_.Detect().at(0)), "not known") << "a trace without the table";
  Leak(6, trace().AddStack({{0, 0x7f0012345678}, {scene_.app, scene_.functions.In("main", 90)}}));
  trace().AddCloseCount(Stack("other", 1), Stack("finish", 88), 1);
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_NE(findings[0].siblings.has_value(), findings[1].siblings.has_value());
}

TEST_F(Causes, WhatAKilledWriterLeftHalfWayIsNotBelieved) {
  Leak(5, Stack("open_job", 12));
  trace().AddCloseCount(Stack("open_job", 12), Stack("finish", 88), ~uint64_t{0});
  trace().AddCloseCount(Stack("open_job", 12), 4711, 5);
  EXPECT_EQ(SiblingsOf(scene_.Detect().at(0)), "none of the 1 descriptors opened on this call path was closed");
}

TEST_F(Causes, GrowthIsThatOfTheLineUntilTheProcessEnds) {
  const uint32_t other = trace().AddStack({{scene_.app, scene_.functions.In("open_job", 12)}, {scene_.app, 0x9001}});
  LeakOverTime(9, Stack("open_job", 12));
  LeakOverTime(1, other);
  trace().Image(image_).ended = {20'000'000'000, 20'000'000'000};
  trace().Image(image_).descriptor_limit = 100;
  trace().Image(image_).open_at_end = 50;
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].variants, 2u);
  const analyzer::Growth& growth = findings[0].growth.value();
  EXPECT_EQ(growth.calls, 10u);
  EXPECT_EQ(growth.calls_here, 10u);
  EXPECT_EQ(growth.paths_here, 2u);
  EXPECT_NEAR(growth.per_second, 0.5, 0.001);
  EXPECT_NEAR(analyzer::FullInSeconds(growth).value(), 100, 0.2);
  EXPECT_EQ(
      analyzer::DescribeGrowth(growth),
      "10 calls from 0.000000 s to 18.000000 s; 10 calls of this line over 2 call paths; 30 descriptors a minute, "
      "100 seconds more until the limit of 100");
}

TEST_F(Causes, AFullTableIsNotForetold) {
  LeakOverTime(10, Stack("open_job", 12));
  trace().Image(image_).ended = {20'000'000'000, 20'000'000'000};
  trace().Image(image_).descriptor_limit = 50;
  trace().Image(image_).open_at_end = 50;
  const analyzer::Growth growth = scene_.Detect().at(0).growth.value();
  EXPECT_EQ(analyzer::DescribeGrowth(growth), "10 calls from 0.000000 s to 18.000000 s; 30 descriptors a minute");
}

TEST_F(Causes, WhatEndedEarlyHasNoRate) {
  LeakOverTime(10, Stack("open_job", 12));
  trace().Image(image_).ended = {100'000'000'000, 100'000'000'000};
  EXPECT_EQ(scene_.Detect().at(0).growth.value().per_second, 0);
}

TEST_F(Causes, AShortLifeForetellsNothing) {
  for (int fd = 5; fd < 25; ++fd) Leak(fd, Stack("open_job", 12));
  trace().Image(image_).ended = {1'025'000, 1'025'000};
  trace().Image(image_).descriptor_limit = 100;
  const analyzer::Growth growth = scene_.Detect().at(0).growth.value();
  EXPECT_GT(growth.per_second, 1);
  EXPECT_EQ(analyzer::DescribeGrowth(growth), "20 calls from 0.000002 s to 0.000021 s");
}

TEST_F(Causes, FewCallsAreNoRate) {
  for (int fd = 5; fd < 9; ++fd) Leak(fd, Stack("open_job", 12));
  trace().Image(image_).ended = {1'008'000, 1'008'000};
  EXPECT_EQ(scene_.Detect().at(0).growth.value().per_second, 0);
}

TEST_F(Causes, OneCallDoesNotGrow) {
  const trace::Act act = trace().MakeAct(image_, "pipe", Stack("open_pipe", 3));
  trace().AddOpenSlot(image_, 5, act);
  trace().AddOpenSlot(image_, 6, act);
  EXPECT_FALSE(scene_.Detect().at(0).growth);
}

TEST_F(Causes, WithoutALimitNothingIsForetold) {
  Leak(5, Stack("open_job", 12));
  Leak(6, Stack("open_job", 12));
  trace().Image(image_).descriptor_limit = 0;
  EXPECT_FALSE(analyzer::FullInSeconds(scene_.Detect().at(0).growth.value()));
}

}  // namespace
}  // namespace fdaudit::testing
