// What is found, and what is not, in made-up histories.

#include "analyzer/detect/detectors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "analyzer/detect/kinds.h"
#include "tests/support/detectors_fixture.h"

namespace fdaudit::testing {
namespace {

using analyzer::Certainty;
using analyzer::Finding;
using analyzer::Kind;
using analyzer::Liveness;
using analyzer::Severity;

// --- leak

TEST_F(Detectors, OpenAtExitIsALeakAndOneCallPathOneFinding) {
  Leak(5, "load_config", 41);
  Leak(6, "load_config", 41);
  Leak(7, "load_config", 41);
  Leak(8, "other", 7);
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 2u);
  const Finding& leak = findings[0];
  EXPECT_EQ(leak.kind, Kind::kLeak);
  EXPECT_EQ(leak.severity, Severity::kWarning);
  EXPECT_EQ(leak.certainty, Certainty::kProven);
  EXPECT_EQ(leak.count, 3u);
  EXPECT_EQ(leak.fds, (std::vector<int>{5, 6, 7}));
  EXPECT_EQ(leak.message, "3 descriptors opened at load_config (app.c:41) were still open when the process exited");
  EXPECT_EQ(Roles(leak), Texts({"opened"}));
  EXPECT_TRUE(leak.own);
  ASSERT_TRUE(leak.location);
  EXPECT_EQ(leak.location->function, "load_config");
  EXPECT_EQ(leak.descriptors.at(0).target, "/etc/app.conf");
  EXPECT_EQ(findings[1].message, "1 descriptor opened at other (app.c:7) was still open when the process exited");
}

TEST_F(Detectors, WhatIsNoLeak) {
  Leak(2, "standard", 1);
  trace().AddOpenSlot(image_, 3, Act("open", "inherited", 2)).lives[1].opened.flags = trace::kActInherited;
  trace().AddOpenSlot(image_, 4, Act("open", "closed", 3)).head.state = trace::SlotState::kClosed;
  trace().AddOpenSlot(image_, 5, Act("open", "gone", 4)).head.state = trace::SlotState::kGone;
  trace().AddOpenSlot(image_, 6, Act("open", "unseen", 5)).head.state = trace::SlotState::kUnseen;
  trace().AddOpenSlot(image_, 7, Act("open", "others", 6)).lives[1].opened.image = image_ + 1;
  EXPECT_TRUE(scene_.Detect().empty());
}

TEST_F(Detectors, LostCallPathsTieNothingTogether) {
  for (int fd = 5; fd < 14; ++fd) trace().AddOpenSlot(image_, fd, trace().MakeAct(image_, "open", trace::kNoIndex));
  const auto findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 9u);
  std::set<std::string> ids;
  for (const Finding& finding : findings) {
    EXPECT_EQ(finding.count, 1u);
    EXPECT_FALSE(finding.growing || finding.growth);
    EXPECT_EQ(finding.severity, Severity::kWarning);
    ids.insert(finding.id);
  }
  EXPECT_EQ(ids.size(), 1u);  // an id rests on the place, and these have none
  EXPECT_EQ(findings[0].message,
            "1 descriptor opened at open (call path not recorded) was still open when the process exited");
}

TEST_F(Detectors, ManyLostCallPathsAreOneFindingWithoutGrowth) {
  for (int fd = 5; fd < 155; ++fd) trace().AddOpenSlot(image_, fd, trace().MakeAct(image_, "open", trace::kNoIndex));
  const auto findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 101u);
  EXPECT_TRUE(std::none_of(findings.begin(), findings.end(), [](const Finding& one) { return one.growing; }));
  EXPECT_EQ(std::count_if(findings.begin(), findings.end(), [](const Finding& one) { return one.count == 50; }), 1);
}

TEST_F(Detectors, DoubleClosesOfLostCallPathsAreReportedEachForItself) {
  for (int fd = 5; fd < 8; ++fd) {
    trace::FindingRecord& record =
        trace().AddFailedClose(image_, fd, trace().MakeAct(image_, "close", trace::kNoIndex));
    record.lives[0].opened = trace().MakeAct(image_, "open", trace::kNoIndex);
    record.lives[0].closed = trace().MakeAct(image_, "close", trace::kNoIndex);
  }
  const auto findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 3u);
  for (const Finding& finding : findings) EXPECT_EQ(finding.kind, Kind::kDoubleClose);
}

TEST_F(Detectors, ExecIsNoEnd) {
  Leak(5, "f", 1);
  image().ended_by = trace::EndedBy::kExec;
  EXPECT_TRUE(scene_.Detect().empty());
}

TEST_F(Detectors, WhatGoesOnInADaemonIsNoLeak) {
  Leak(5, "open_log", 1);
  const uint32_t middle = trace().AddImage();
  trace().Image(middle).parent = image_;
  trace().Image(middle).started_by = trace::StartedBy::kFork;
  trace().Image(middle).began_session = 1;
  trace().AddOpenSlot(middle, 6, trace().MakeAct(middle, "open", Stack("open_null", 2)));
  const uint32_t daemon = trace().AddImage();
  trace().Image(daemon).parent = middle;
  trace().Image(daemon).started_by = trace::StartedBy::kFork;
  trace().Image(middle).ended.stamp = image().ended.stamp - 1;
  EXPECT_TRUE(scene_.Detect().empty());
  trace().Image(daemon).ended_by = trace::EndedBy::kNone;  // killed
  EXPECT_TRUE(scene_.Detect().empty());
  trace().Image(daemon).started_by = trace::StartedBy::kSpawn;
  EXPECT_EQ(scene_.Detect().size(), 2u) << "another program";
}

TEST_F(Detectors, WhatADaemonDoesNotCarryOnIsALeak) {
  Leak(5, "open_log", 1);
  const uint32_t child = trace().AddImage();
  trace().Image(child).parent = image_;
  trace().Image(child).started_by = trace::StartedBy::kFork;
  EXPECT_EQ(scene_.Detect().size(), 1u) << "no session of its own";
  trace().Image(child).began_session = 1;
  EXPECT_TRUE(scene_.Detect().empty());
  Leak(6, "open_late", 2);
  EXPECT_EQ(scene_.Detect().size(), 1u) << "opened after the fork";
  trace().Image(child).ended = {image().ended.stamp - 1, image().ended.stamp - 1};
  EXPECT_EQ(scene_.Detect().size(), 2u) << "ended first";
}

TEST_F(Detectors, AHelperThatExecutesAnotherProgramCarriesOnWhatCrossesTheExec) {
  trace::Slot& slot = trace().AddOpenSlot(image_, 5, Act("open", "open_log", 1));
  const uint32_t child = trace().AddImage();
  trace().Image(child).parent = image_;
  trace().Image(child).started_by = trace::StartedBy::kFork;
  trace().Image(child).began_session = 1;
  trace().Image(child).ended_by = trace::EndedBy::kExec;
  EXPECT_TRUE(scene_.Detect().empty());
  slot.lives[slot.head.count & 1].flags |= trace::kCloseOnExec;
  EXPECT_EQ(scene_.Detect().size(), 1u);
}

TEST_F(Detectors, WhatOnlyTheEndOfTheProgramClosedWasKept) {
  const uint32_t end = trace().AddStack({{scene_.app, scene_.functions.In("list_dealloc", 5)},
                                         {scene_.app, scene_.functions.In("Py_FinalizeEx", 6)},
                                         {scene_.app, scene_.functions.In("main", 90)}});
  const auto keep = [&](int fd) {
    trace::Slot& slot = trace().AddOpenSlot(image_, fd, Act("open", "serve", 3));
    slot.lives[slot.head.count & 1].closed = trace().MakeAct(image_, "close", end);
    slot.head.state = trace::SlotState::kClosed;
  };
  keep(5);
  const Finding one = scene_.Detect().at(0);
  EXPECT_TRUE(one.held_until_exit);
  EXPECT_EQ(one.severity, Severity::kNote);
  EXPECT_EQ(one.message, "1 descriptor opened at serve (app.c:3) was closed only by the end of the program");
  EXPECT_EQ(Roles(one), (Texts{"opened", "closed"}));
  for (int fd = 6; fd < 13; ++fd) keep(fd);
  const Finding growing = scene_.Detect().at(0);
  EXPECT_TRUE(growing.growing);
  EXPECT_EQ(growing.severity, Severity::kWarning);
  image().descriptor_limit = 12;
  image().peak = 12;
  EXPECT_EQ(scene_.Detect().at(0).severity, Severity::kError) << "the limit came near";
}

TEST_F(Detectors, ARubyScriptIsOverOnceItsVirtualMachineIsLeft) {
  const auto stack_of = [this](const std::string& inner) {
    return trace().AddStack({{scene_.app, scene_.functions.In("rb_io_close", 5)},
                             {scene_.app, scene_.functions.In(inner, 6)},
                             {scene_.app, scene_.functions.In("ruby_run_node", 7)}});
  };
  trace::Slot& slot = trace().AddOpenSlot(image_, 5, Act("open", "serve", 3));
  slot.head.state = trace::SlotState::kClosed;
  trace::Act& closed = slot.lives[slot.head.count & 1].closed;
  closed = trace().MakeAct(image_, "close", stack_of("rb_vm_exec"));
  EXPECT_TRUE(scene_.Detect().empty()) << "by the script, or a handler of its";
  closed.stack = stack_of("finalize");
  EXPECT_TRUE(scene_.Detect().at(0).held_until_exit);
}

TEST_F(Detectors, WhatOthersProgramsLeaveOnceIsANote) {
  Leak(5, "serve", 3);
  EXPECT_EQ(scene_.Detect().at(0).severity, Severity::kWarning);
  EXPECT_EQ(analyzer::Detect(scene_.Load(), {"/elsewhere", {}, ""}).at(0).severity, Severity::kNote);
}

TEST_F(Detectors, WhatAServerOpensOnceBeforeItServesIsANote) {
  const auto open_socket = [this](int fd, const char* function, int line, uint16_t state) {
    trace::Slot& slot = trace().AddOpenSlot(image_, fd, Act("socket", function, line));
    slot.lives[slot.head.count & 1].kind = trace::FdKind::kSocket;
    slot.lives[slot.head.count & 1].detail |= state;
  };
  Leak(5, "open_log", 1);
  open_socket(6, "listen_on", 2, trace::kSocketListening);
  for (const Finding& finding : scene_.Detect())
    EXPECT_EQ(finding.severity, Severity::kWarning) << "it has not served: " << finding.message;
  open_socket(7, "accept_one", 3, trace::kSocketAccepted);
  Leak(8, "handle", 4);
  const std::vector<Finding> findings = scene_.Detect();
  EXPECT_EQ(findings.size(), 4u);
  for (const Finding& finding : findings)
    EXPECT_EQ(finding.severity, finding.fds.front() < 7 ? Severity::kNote : Severity::kWarning) << finding.message;
}

TEST_F(Detectors, ASharedTableIsNobodysLeak) {
  Leak(5, "f", 1);
  image().reasons = trace::kReasonSharedTable;
  EXPECT_TRUE(scene_.Detect().empty());
}

TEST_F(Detectors, EightCallsOfOnePathGrow) {
  for (int fd = 5; fd < 12; ++fd) Leak(fd, "serve", 3);
  EXPECT_FALSE(scene_.Detect().at(0).growing);
  Leak(12, "serve", 3);
  const Finding leak = scene_.Detect().at(0);
  EXPECT_TRUE(leak.growing);
  EXPECT_EQ(leak.severity, Severity::kError);
}

TEST_F(Detectors, OneCallThatOpensManyDoesNotGrow) {
  const trace::Act received = Act("recvmsg", "take", 3);
  for (int fd = 5; fd < 30; ++fd) trace().AddOpenSlot(image_, fd, received).lives[1].flags = trace::kReceived;
  const Finding leak = scene_.Detect().at(0);
  EXPECT_FALSE(leak.growing);
  EXPECT_EQ(leak.count, 25u);
  EXPECT_EQ(leak.descriptors.size(), analyzer::kMaxDescriptors);
  EXPECT_EQ(Roles(leak), Texts({"received"}));
}

TEST_F(Detectors, WhatALibraryOpensOnceWhereItIsSetUpIsANote) {
  TraceBuilder& builder = scene_.trace;
  const uint32_t library = builder.AddModule("/usr/lib/libtls.so.3");
  const auto in = [&](uint32_t module, const char* function) {
    return TestFrame{module, scene_.functions.In(function, 1)};
  };
  const uint32_t set_up = builder.AddStack(
      {in(library, "seed"), in(scene_.libc, "__pthread_once_slow"), in(library, "tls_init"), in(scene_.app, "main")});
  const uint32_t asked = builder.AddStack({in(library, "tls_connect"), in(scene_.app, "main")});
  const uint32_t random = builder.AddStack({in(library, "tls_random"), in(scene_.app, "main")});
  const uint32_t own = builder.AddStack({in(library, "tls_connect"), in(scene_.app, "set_up"),
                                         in(scene_.libc, "__pthread_once_slow"), in(scene_.app, "main")});
  builder.AddOpenSlot(image_, 5, builder.MakeAct(image_, "open", set_up), "/etc/tls.conf");
  builder.AddOpenSlot(image_, 6, builder.MakeAct(image_, "open", random), "/dev/urandom");
  builder.AddOpenSlot(image_, 7, builder.MakeAct(image_, "socket", asked), "tcp");
  builder.AddOpenSlot(image_, 8, builder.MakeAct(image_, "socket", own), "tcp");
  std::map<int, bool> one_time;
  for (const Finding& finding : scene_.Detect()) {
    EXPECT_EQ(finding.severity, finding.one_time ? Severity::kNote : Severity::kWarning) << finding.message;
    one_time[finding.fds.front()] = finding.one_time;
  }
  EXPECT_EQ(one_time, (std::map<int, bool>{{5, true}, {6, true}, {7, false}})) << "8 is of the same line as 7";
}

TEST_F(Detectors, AKilledProcessHadNoChance) {
  Leak(5, "f", 1);
  image().ended_by = trace::EndedBy::kNone;
  const Finding leak = scene_.Detect().at(0);
  EXPECT_EQ(leak.severity, Severity::kNote);
  EXPECT_NE(leak.message.find("when the process was killed"), std::string::npos);
  for (int fd = 6; fd < 13; ++fd) Leak(fd, "f", 1);
  EXPECT_EQ(scene_.Detect().at(0).severity, Severity::kError);
}

TEST_F(Detectors, WhatAnEventLoopWatchesIsNoteworthyAtMostWhenItsProcessIsKilled) {
  trace::Slot& set = trace().AddOpenSlot(image_, 4, Act("epoll_create1", "loop", 1));
  set.lives[1].kind = trace::FdKind::kEpoll;
  for (int fd = 5; fd < 20; ++fd) {
    Leak(fd, "serve", 2);
    trace().Register(image_, fd, 4, 1);
  }
  EXPECT_EQ(scene_.Detect().at(0).severity, Severity::kError);  // it exited, and could have closed them
  image().ended_by = trace::EndedBy::kNone;
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].severity, Severity::kNote);
  EXPECT_TRUE(findings[0].growing);
  EXPECT_EQ(findings[0].descriptors.at(0).registered_in, 4);
  EXPECT_EQ(findings[1].severity, Severity::kNote);
  EXPECT_EQ(findings[1].descriptors.at(0).target, "watches 5, 6, 7, 8, 9, 10, 11 and 8 more");
  for (int fd = 20; fd < 28; ++fd) Leak(fd, "serve", 2);
  EXPECT_EQ(scene_.Detect().at(0).severity, Severity::kError);
}

TEST_F(Detectors, ARegistrationCountsInTheSetThatItWasMadeIn) {
  const auto with_set = [this](trace::SlotState state, trace::FdKind kind, uint32_t count, uint32_t life) {
    scene_ = Scene();
    stacks_.clear();
    image_ = trace().AddImage();
    image().ended_by = trace::EndedBy::kNone;
    trace::Slot& set = trace().AddOpenSlot(image_, 4, Act("epoll_create1", "loop", 1));
    set.head.state = state;
    set.head.count = count;
    set.lives[count & 1] = set.lives[1];
    set.lives[count & 1].kind = kind;
    for (int fd = 5; fd < 13; ++fd) {
      Leak(fd, "serve", 2);
      trace().Register(image_, fd, 4, life);
    }
    return scene_.Detect().at(0).severity;
  };
  using trace::FdKind;
  using trace::SlotState;
  EXPECT_EQ(with_set(SlotState::kOpen, FdKind::kEpoll, 2, 2), Severity::kNote);
  EXPECT_EQ(with_set(SlotState::kClosed, FdKind::kEpoll, 2, 2), Severity::kError);
  EXPECT_EQ(with_set(SlotState::kOpen, FdKind::kFile, 2, 2), Severity::kError);
  EXPECT_EQ(with_set(SlotState::kOpen, FdKind::kEpoll, 3, 2), Severity::kError);
}

TEST_F(Detectors, ARunningProcessOnlyGrows) {
  image().ended_by = trace::EndedBy::kNone;
  scene_.liveness = Liveness::kRuns;
  Leak(4, "once", 1);
  for (int fd = 5; fd < 13; ++fd) Leak(fd, "serve", 2);
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].certainty, Certainty::kLikely);
  EXPECT_NE(findings[0].message.find("are still open while the process runs"), std::string::npos);
}

TEST_F(Detectors, OneCauseInTwoProcessesIsOneFinding) {
  Leak(5, "f", 1);
  const uint32_t first = image_;
  image_ = trace().AddImage();
  trace().Image(image_).parent = first;
  Leak(5, "f", 1);
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].processes, (std::vector<analyzer::ProcessIndex>{0, 1}));
  EXPECT_EQ(findings[0].count, 2u);
  EXPECT_EQ(findings[0].fds, (std::vector<int>{5}));
  EXPECT_NE(findings[0].message.find("at the end of 2 processes"), std::string::npos);
}

// --- double-close

trace::FindingRecord& DoubleClose(TraceBuilder& trace, uint32_t image, int fd, const trace::Act& opened,
                                  const trace::Act& closed, const trace::Act& again) {
  trace::FindingRecord& record = trace.AddFailedClose(image, fd, again);
  record.lives[0].opened = opened;
  record.lives[0].closed = closed;
  return record;
}

TEST_F(Detectors, ClosedTwiceIsADoubleClose) {
  DoubleClose(trace(), image_, 7, Act("open", "f", 1), Act("close", "g", 2), Act("close", "h", 3));
  const Finding finding = scene_.Detect().at(0);
  EXPECT_EQ(finding.kind, Kind::kDoubleClose);
  EXPECT_EQ(finding.severity, Severity::kError);
  EXPECT_EQ(Roles(finding), Texts({"opened", "closed", "closed-again"}));
  EXPECT_EQ(finding.location->function, "h");
  EXPECT_EQ(finding.message,
            "descriptor 7, opened at f (app.c:1), was closed at g (app.c:2) and closed again at h (app.c:3)");
}

TEST_F(Detectors, OneThreadAloneIsAWarning) {
  trace::Act again = Act("close", "h", 3);
  again.flags = trace::kActSingleThreaded;
  DoubleClose(trace(), image_, 7, Act("open", "f", 1), Act("close", "g", 2), again);
  EXPECT_EQ(scene_.Detect().at(0).severity, Severity::kWarning);
}

TEST_F(Detectors, TwoThreadsAreAnErrorWhateverTheFlagSays) {
  trace::Act again = Act("close", "h", 3, 4242);
  again.flags = trace::kActSingleThreaded;
  DoubleClose(trace(), image_, 7, Act("open", "f", 1), Act("close", "g", 2), again);
  EXPECT_EQ(scene_.Detect().at(0).severity, Severity::kError);
}

TEST_F(Detectors, AnInheritedDescriptorIsReportedAsSuch) {
  const uint32_t child = trace().AddImage();
  trace().Image(child).parent = image_;
  trace().Image(child).started_by = trace::StartedBy::kFork;
  trace::Act opened = Act("open", "f", 1);
  opened.flags = trace::kActInherited;
  image_ = child;
  DoubleClose(trace(), child, 7, opened, Act("close", "g", 2), Act("close", "h", 3));
  const Finding finding = scene_.Detect().at(0);
  EXPECT_EQ(Roles(finding), Texts({"opened", "inherited", "closed", "closed-again"}));
  EXPECT_EQ(finding.events[0].process, 0u);
  EXPECT_EQ(finding.events[1].process, 1u);
}

TEST_F(Detectors, ADuplicateIsReportedAsSuch) {
  trace::Act duplicated = Act("dup", "f", 1);
  duplicated.flags = trace::kActDuplicated;
  DoubleClose(trace(), image_, 7, duplicated, Act("close", "g", 2), Act("close", "h", 3));
  EXPECT_EQ(Roles(scene_.Detect().at(0)), Texts({"duplicated", "closed", "closed-again"}));
}

TEST_F(Detectors, ACloseThatNobodyRecordedAccusesNobody) {
  trace::Act none{};
  DoubleClose(trace(), image_, 7, Act("open", "f", 1), none, Act("close", "h", 3));
  EXPECT_TRUE(scene_.Detect().empty());
}

TEST_F(Detectors, OneCloseRangeIsOneCauseWhereverItsVictimsStumble) {
  trace::Act swept = Act("close_range", "f", 12);
  swept.flags = trace::kActRange;
  DoubleClose(trace(), image_, 3, Act("open", "f", 4), swept, Act("close", "explicit", 20));
  trace::FindingRecord& others =
      DoubleClose(trace(), image_, 4, Act("open", "f", 4), swept, Act("close", "at_exit", 99));
  others.count = others.fd_count = 5;
  for (int i = 0; i < 5; ++i) others.fds[i] = 4 + i;
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].count, 6u);
  EXPECT_EQ(findings[0].fds, (std::vector<int>{3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(findings[0].location->function, "explicit");
  EXPECT_EQ(findings[0].message,
            "6 descriptors opened at f (app.c:4) were closed at f (app.c:12) and closed again at explicit (app.c:20)");
}

TEST_F(Detectors, ANumberThatOthersUsedMeanwhileStillBelongsToTheSweep) {
  trace::Act swept = Act("close_range", "f", 12);
  swept.flags = trace::kActRange;
  const trace::Act open3 = Act("open", "f", 4);
  DoubleClose(trace(), image_, 3, open3, swept, Act("close", "at_exit", 99));
  trace::FindingRecord& reused = DoubleClose(trace(), image_, 4, Act("open", "traceback", 50),
                                             Act("close", "traceback", 51), Act("close", "at_exit", 99));
  reused.lives[1].opened = open3;
  reused.lives[1].closed = swept;
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].fds, (std::vector<int>{3, 4}));
}

TEST_F(Detectors, AStaleCloseAfterAForeignLifeIsReportedOfTheLifeThatWasMeant) {
  trace::FindingRecord& record =
      DoubleClose(trace(), image_, 4, Act("open", "reader", 50), Act("close", "reader", 51), Act("close", "owner", 60));
  record.lives[1].opened = Act("open", "owner", 40);
  record.lives[1].closed = Act("close", "owner", 41);
  const Finding finding = scene_.Detect().at(0);
  EXPECT_EQ(finding.kind, Kind::kDoubleClose);
  EXPECT_EQ(Roles(finding), Texts({"opened", "closed", "reopened", "closed", "closed-again"}));
  EXPECT_NE(finding.message.find("opened at owner (app.c:40)"), std::string::npos);
}

// --- bad-close

TEST_F(Detectors, ANumberNeverOpenIsABadClose) {
  trace().AddFailedClose(image_, 9999, Act("close", "f", 8));
  const Finding finding = scene_.Detect().at(0);
  EXPECT_EQ(finding.kind, Kind::kBadClose);
  EXPECT_EQ(finding.severity, Severity::kWarning);
  EXPECT_EQ(Roles(finding), Texts({"closed"}));
  EXPECT_TRUE(finding.descriptors.empty());
  EXPECT_EQ(finding.message, "f (app.c:8) closed 9999, which was never open here");
}

TEST_F(Detectors, NumbersThatCanNeverBeOpenAreNotes) {
  trace().AddFailedClose(image_, -1, Act("close", "f", 8));
  trace().AddFailedClose(image_, 1048576, Act("close", "g", 9));
  trace().AddFailedClose(image_, 1048575, Act("close", "h", 10));
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 3u);
  EXPECT_EQ(findings[0].severity, Severity::kWarning);
  EXPECT_EQ(findings[0].location->function, "h");
  EXPECT_EQ(findings[1].severity, Severity::kNote);
  EXPECT_EQ(findings[2].severity, Severity::kNote);
}

// --- wrong-close

class WrongCloses : public Detectors {
 protected:
  /// The five acts of docs/findings.md, functions by party.
  trace::FindingRecord& History(const std::string& culprit, const std::string& victim, uint32_t culprit_thread = 0,
                                uint32_t victim_thread = 0) {
    const trace::Act own_open = Act("open", culprit, 10, culprit_thread);
    const trace::Act own_close = Act("close", culprit, 11, culprit_thread);
    const trace::Act victim_open = Act("socket", victim, 20, victim_thread);
    const trace::Act stale_close = Act("close", culprit, 12, culprit_thread);
    trace::FindingRecord& record = trace().AddFailedClose(image_, 5, Act("close", victim, 21, victim_thread));
    record.lives[1].opened = own_open;
    record.lives[1].closed = own_close;
    record.lives[0].opened = victim_open;
    record.lives[0].closed = stale_close;
    return record;
  }
};

TEST_F(WrongCloses, AFunctionThatClosesItsOwnTwiceIsTheCulprit) {
  History("culprit", "victim");
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, Kind::kWrongClose);
  EXPECT_EQ(findings[0].severity, Severity::kError);
  EXPECT_EQ(findings[0].certainty, Certainty::kLikely);
  EXPECT_EQ(Roles(findings[0]), Texts({"opened", "closed", "reopened", "closed-again", "owner-close-failed"}));
  EXPECT_EQ(findings[0].location->line, 12);
}

TEST_F(WrongCloses, ThreadsAloneLeaveTwoHistories) {
  trace::FindingRecord& record = History("open_and_close", "open_and_close", 100, 200);
  record.lives[0].opened.stack = Stack("elsewhere", 5);
  const Finding finding = scene_.Detect().at(0);
  EXPECT_EQ(finding.kind, Kind::kWrongClose);
  EXPECT_EQ(finding.certainty, Certainty::kOneOf);
  EXPECT_EQ(finding.severity, Severity::kWarning);
}

TEST_F(WrongCloses, AHelperThatClosesForAllIsInnocent) {
  // One thread; a helper closes what others opened, then an opener closes once more: a plain double-close.
  trace::FindingRecord& record = History("close_helper", "victim");
  record.lives[1].opened.stack = Stack("somebody", 1);
  EXPECT_EQ(scene_.Detect().at(0).kind, Kind::kDoubleClose);
}

TEST_F(WrongCloses, AWorkerThatIsHandedDescriptorsIsInnocent) {
  // Worker 100 closes what 200 opens, every time; 200 closes once more.
  trace::FindingRecord& record = History("worker", "producer", 100, 200);
  record.lives[1].opened = Act("socket", "producer", 20, 200);
  EXPECT_EQ(scene_.Detect().at(0).kind, Kind::kDoubleClose);
}

TEST_F(WrongCloses, AStaleCloseCaughtInTheActTakesTheVictimsFailureIn) {
  trace::FindingRecord stale = History("racer", "racer", 100, 200);
  trace().AddFailedClose(image_, 5, stale.lives[0].closed) = [&] {
    trace::FindingRecord caught = stale;
    caught.kind = trace::FindingKind::kStaleClose;
    caught.act = stale.lives[0].closed;
    return caught;
  }();
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, Kind::kWrongClose);
  EXPECT_EQ(findings[0].certainty, Certainty::kProven);
  EXPECT_EQ(Roles(findings[0]), Texts({"opened", "closed", "reopened", "closed-again", "owner-close-failed"}));
}

TEST_F(WrongCloses, RoundsThatWereCaughtTwiceAreOneCause) {
  trace::FindingRecord& failed = History("racer", "racer", 100, 200);
  failed.count = 3;
  const trace::FindingRecord stale = failed;
  for (const uint32_t rounds : {2u, 1u}) {  // by the closer's thread, and by the opener's
    trace::FindingRecord caught = stale;
    caught.kind = trace::FindingKind::kStaleClose;
    caught.act = stale.lives[0].closed;
    caught.count = rounds;
    trace().AddFailedClose(image_, 5, caught.act) = caught;
  }
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].count, 3u);
}

// --- fingerprints

TEST_F(Detectors, FingerprintsOutliveMovedLinesAndOtherNumbers) {
  Leak(5, "load_config", 41);
  const std::string id = scene_.Detect().at(0).id;
  EXPECT_EQ(id.size(), 18u);
  EXPECT_EQ(id.substr(0, 2), "2:");

  Scene other;
  const uint32_t app_elsewhere = other.trace.AddModule("/somewhere/else/app", "another build");
  static_cast<void>(app_elsewhere);
  const uint32_t image = other.trace.AddImage();
  other.functions.In("a_new_function", 3);  // everything moves
  other.trace.AddOpenSlot(image, 99, other.trace.MakeAct(image, "open", other.Stack("load_config", 77)));
  EXPECT_EQ(other.Detect().at(0).id, id);
}

TEST_F(Detectors, TwoPlacesInOneFunctionHaveTwoFingerprints) {
  Leak(5, "load_config", 41);
  Leak(6, "load_config", 42);
  const std::vector<Finding> findings = scene_.Detect();
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_NE(findings[0].id, findings[1].id);
}

// --- the table of kinds

TEST(Kinds, ThePageSaysWhatExplainSays) {
  std::ifstream file("docs/findings.md");
  if (!file) GTEST_SKIP() << "not run from the project's root";
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  for (const analyzer::KindInfo& info : analyzer::AllKinds()) {
    const size_t begin = page.find("\n## " + std::string(info.name) + "\n");
    ASSERT_NE(begin, std::string::npos) << info.name;
    const std::string section = page.substr(begin, page.find("\n## ", begin + 1) - begin);
    for (const std::string& line : {"**Seen.** " + std::string(info.example) + ".", "- C: " + std::string(info.in_c),
                                    "- C++: " + std::string(info.in_cpp), "- Python: " + std::string(info.in_python)}) {
      EXPECT_NE(section.find("\n" + line + "\n"), std::string::npos) << info.name << ": " << line;
    }
  }
}

TEST(Kinds, EveryKindIsDescribedInFull) {
  size_t index = 0;
  for (const analyzer::KindInfo& info : analyzer::AllKinds()) {
    EXPECT_EQ(static_cast<size_t>(info.kind), index++);
    EXPECT_EQ(analyzer::FindKind(info.name), info.kind);
    for (const char* text : {info.summary, info.meaning, info.proof, info.fix})
      EXPECT_GT(strlen(text), 10u) << info.name;
  }
  EXPECT_FALSE(analyzer::FindKind("leek"));
}

}  // namespace
}  // namespace fdaudit::testing
