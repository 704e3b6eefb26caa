// The detectors of single acts, in made-up histories.

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/detectors_fixture.h"

namespace fdaudit::testing {
namespace {

using analyzer::Certainty;
using analyzer::Finding;
using analyzer::Kind;
using analyzer::Severity;

class Culprits : public Detectors {
 protected:
  /// A record of `kind` about number 5, whose last incarnation was opened by owner() in line 10 and closed in line 11.
  trace::FindingRecord& Record(trace::FindingKind kind, const trace::Act& act, int error = 0) {
    const trace::Act opened = Act("open", "owner", 10);
    const trace::Act closed = Act("close", "owner", 11);
    trace::FindingRecord& record = trace().AddFailedClose(image_, 5, act);
    record.kind = kind;
    record.error = error;
    record.lives[0].opened = opened;
    record.lives[0].closed = closed;
    return record;
  }

  std::vector<Finding> Detect() { return scene_.Detect(); }
};

// --- close-error

TEST_F(Culprits, ACloseThatLostDataIsReportedWithItsError) {
  Record(trace::FindingKind::kCloseError, Act("close", "save", 20), ENOSPC);
  const Finding finding = Detect().at(0);
  EXPECT_EQ(finding.kind, Kind::kCloseError);
  EXPECT_EQ(finding.severity, Severity::kWarning);
  EXPECT_EQ(finding.error, ENOSPC);
  EXPECT_EQ(Roles(finding), Texts({"opened", "closed"}));
  EXPECT_EQ(finding.location->function, "save");
}

TEST_F(Culprits, OtherErrorsOfCloseLoseNothing) {
  Record(trace::FindingKind::kCloseError, Act("close", "save", 20), ECONNRESET);
  EXPECT_TRUE(Detect().empty());
}

// --- use-after-close

TEST_F(Culprits, AUseOfWhatWasClosedIsReportedWhereItWasUsed) {
  Record(trace::FindingKind::kFailedUse, Act("write", "late", 30), EBADF);
  const Finding finding = Detect().at(0);
  EXPECT_EQ(finding.kind, Kind::kUseAfterClose);
  EXPECT_EQ(finding.severity, Severity::kError);
  EXPECT_EQ(Roles(finding), Texts({"opened", "closed", "used"}));
  EXPECT_EQ(finding.location->function, "late");
}

TEST_F(Culprits, ACloseThatNobodySawAccusesNoUser) {
  Record(trace::FindingKind::kFailedUse, Act("write", "late", 30), EBADF).lives[0].closed.flags |= trace::kActSeenAtEnd;
  EXPECT_TRUE(Detect().empty());
}

// --- closed-in-use

TEST_F(Culprits, ACloseUnderAnotherThreadsCallIsANoteAtTheClose) {
  Record(trace::FindingKind::kClosedInUse, Act("read", "reader", 5));
  const Finding finding = Detect().at(0);
  EXPECT_EQ(finding.kind, Kind::kClosedInUse);
  EXPECT_EQ(finding.severity, Severity::kNote);
  EXPECT_EQ(Roles(finding), Texts({"opened", "used", "closed"}));
  EXPECT_EQ(finding.location->function, "owner");
  EXPECT_EQ(finding.location->line, 11);
}

// --- overwrite

class Overwrites : public Culprits {
 protected:
  /// owner() opened number 5, `by` put another descriptor over it, and `closer` closes the number.
  std::vector<Finding> Overwritten(const std::string& by, const std::string& closer) {
    const trace::Act opened = Act("open", "owner", 10);
    const trace::Act over = Act("dup2", by, 40);
    const trace::Act closed = Act("close", closer, 11);
    trace::FindingRecord& record = trace().AddFailedClose(image_, 5, closed);
    record.kind = trace::FindingKind::kOverwriteClosed;
    record.error = 0;
    record.lives[1].opened = opened;
    record.lives[1].closed = over;
    record.lives[0].opened = over;
    record.lives[0].closed = closed;
    return Detect();
  }
};

TEST_F(Overwrites, WhoPutsADescriptorOverAnothersIsTheCulprit) {
  const Finding finding = Overwritten("culprit", "owner").at(0);
  EXPECT_EQ(finding.kind, Kind::kOverwrite);
  EXPECT_EQ(finding.severity, Severity::kWarning);
  EXPECT_EQ(Roles(finding), Texts({"opened", "overwritten", "closed"}));
  EXPECT_EQ(finding.location->function, "culprit");
}

TEST_F(Overwrites, WhoReplacesItsOwnIsInnocent) { EXPECT_TRUE(Overwritten("owner", "owner").empty()); }

TEST_F(Overwrites, AnOwnerWhoLeftItAloneLostNothing) { EXPECT_TRUE(Overwritten("culprit", "somebody").empty()); }

// --- std-reused

class StandardNumbers : public Culprits {
 protected:
  std::vector<Finding> Reused(const std::string& closer, const std::string& opener, const char* target) {
    const trace::Act closed = Act("close", closer, 50);
    const trace::Act opened = Act("open", opener, 60);
    trace::FindingRecord& record = trace().AddFailedClose(image_, 1, opened);
    record.kind = trace::FindingKind::kStdReused;
    record.error = 0;
    record.lives[1].closed = closed;
    record.lives[0].opened = opened;
    std::strcpy(record.target, target);
    return Detect();
  }
};

TEST_F(StandardNumbers, AFileThatGetsANumberOfTheStandardStreamsIsReported) {
  const Finding finding = Reused("quiet", "open_log", "/var/log/app.log").at(0);
  EXPECT_EQ(finding.kind, Kind::kStdReused);
  EXPECT_EQ(finding.severity, Severity::kWarning);
  EXPECT_EQ(Roles(finding), Texts({"closed", "reopened"}));
  EXPECT_EQ(finding.location->function, "quiet");
}

TEST_F(StandardNumbers, ARedirectionIsNone) { EXPECT_TRUE(Reused("redirect", "redirect", "/var/log/app.log").empty()); }

TEST_F(StandardNumbers, NorIsNoDeviceOrATerminal) {
  EXPECT_TRUE(Reused("quiet", "open_log", "/dev/null").empty());
  EXPECT_TRUE(Reused("quiet", "open_log", "/dev/pts/3").empty());
}

// --- exhausted

class Exhaustion : public Culprits {
 protected:
  trace::FindingRecord& Exhausted(int error, const std::vector<std::pair<uint32_t, uint32_t>>& holders) {
    trace::FindingRecord& record = trace().AddFailedClose(image_, 1024, Act("accept4", "serve", 70));
    record.kind = trace::FindingKind::kExhausted;
    record.error = error;
    record.count = 3;
    std::memset(record.fds, 0, sizeof record.fds);
    size_t i = 0;
    for (const auto& [stack, count] : holders) {
      std::memcpy(&record.fds[2 * i], &stack, sizeof stack);
      std::memcpy(&record.fds[2 * i + 1], &count, sizeof count);
      ++i;
    }
    return record;
  }
};

TEST_F(Exhaustion, TheGreatestHolderComesFirstAndIsToBeLookedAt) {
  Exhausted(EMFILE, {{Stack("few", 1), 24}, {Stack("many", 2), 1000}});
  const Finding finding = Detect().at(0);
  EXPECT_EQ(finding.kind, Kind::kExhausted);
  EXPECT_EQ(finding.severity, Severity::kError);
  EXPECT_EQ(finding.count, 3u);
  EXPECT_EQ(finding.held, 1024u);
  EXPECT_EQ(finding.limit, 1024);
  EXPECT_EQ(Roles(finding), Texts({"opened", "opened", "exhausted"}));
  EXPECT_EQ(finding.events[0].count, 1000u);
  EXPECT_EQ(finding.location->function, "many");
}

TEST_F(Exhaustion, APictureAtFourFifthsIsANote) {
  Exhausted(0, {{Stack("many", 2), 820}});
  EXPECT_EQ(Detect().at(0).severity, Severity::kNote);
}

TEST_F(Exhaustion, HoldersWithoutACallPathAreCountedAndNotListed) {
  Exhausted(EMFILE, {{trace::kNoIndex, 500}, {Stack("few", 1), 24}});
  const Finding finding = Detect().at(0);
  EXPECT_EQ(finding.held, 524u);
  EXPECT_EQ(Roles(finding), Texts({"opened", "exhausted"}));
}

// --- exec-leak

TEST_F(Culprits, WhatCrossesExecUnaskedIsANoteOfItsOpener) {
  Record(trace::FindingKind::kCrossedExec, Act("open", "owner", 10));
  const Finding finding = Detect().at(0);
  EXPECT_EQ(finding.kind, Kind::kExecLeak);
  EXPECT_EQ(finding.severity, Severity::kNote);
  EXPECT_EQ(Roles(finding), Texts({"opened", "exec"}));
  EXPECT_EQ(finding.location->function, "owner");
}

// --- pipe-held

class PipesHeld : public Culprits {
 protected:
  static constexpr uint64_t kSecond = 1'000'000'000;

  /// The parent makes a pipe (5 and 6), forks a child that keeps both, writes, closes its write end and reads on,
  /// until it is killed a second later.
  PipesHeld() {
    made_ = Act("pipe", "make", 10);
    child_ = trace().AddImage();
    trace().Image(child_).parent = image_;
    trace().Image(child_).started_by = trace::StartedBy::kFork;
    trace().Image(child_).ended_by = trace::EndedBy::kNone;
    trace::Incarnation& read_end = trace().AddOpenSlot(image_, 5, made_).lives[1];
    read_end.kind = trace::FdKind::kPipe;
    read_end.related = 6;
    read_end.detail = trace::kPipeMoved;
    trace::Slot& slot = trace().AddOpenSlot(image_, 6, made_);
    slot.head.state = trace::SlotState::kClosed;
    trace::Incarnation& write_end = slot.lives[1];
    write_end.kind = trace::FdKind::kPipe;
    write_end.related = 5;
    write_end.detail = trace::kPipeWriteEnd | trace::kPipeMoved;
    write_end.closed = Act("close", "make", 12);
    const trace::Act read = Act("read", "wait_for_child", 20);
    image().reading = {read.stamp, read.thread, read.stack, 5, read.call, 0};
    image().ended_by = trace::EndedBy::kNone;
    const uint64_t end = read.stamp + kSecond;
    trace().header().latest = {end, end};
  }

  std::vector<Finding> Held() {
    std::vector<Finding> findings = Detect();
    std::erase_if(findings, [](const Finding& finding) { return finding.kind != Kind::kPipeHeld; });
    return findings;
  }

  trace::Act made_{};
  uint32_t child_ = 0;
};

TEST_F(PipesHeld, AForgottenWriteEndInAForkIsReportedForItsReader) {
  const std::vector<Finding> held = Held();
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].severity, Severity::kNote);
  EXPECT_EQ(held[0].certainty, Certainty::kLikely);
  EXPECT_EQ(held[0].processes.size(), 2u);
  EXPECT_EQ(Roles(held[0]), Texts({"opened", "forked", "used"}));
}

TEST_F(PipesHeld, AReadThatHasJustBegunWaitsForNobody) {
  trace().header().latest = {image().reading.stamp + kSecond / 10, 0};
  EXPECT_TRUE(Held().empty());
}

TEST_F(PipesHeld, AChildThatHasClosedTheReadEndMeansToHoldTheOther) {
  trace::Slot& slot = trace().AddOpenSlot(child_, 5, made_);
  slot.head.state = trace::SlotState::kClosed;
  slot.lives[1].kind = trace::FdKind::kPipe;
  slot.lives[1].opened.flags |= trace::kActInherited;
  slot.lives[1].closed = trace().MakeAct(child_, "close", Stack("child", 5));
  EXPECT_TRUE(Held().empty());
}

TEST_F(PipesHeld, WhereNobodyHasWrittenYetAWriterMayStillCome) {
  trace().AddSlot(image_, 5).lives[1].detail = 0;
  trace().AddSlot(image_, 6).lives[1].detail = trace::kPipeWriteEnd;
  EXPECT_TRUE(Held().empty());
}

}  // namespace
}  // namespace fdaudit::testing
