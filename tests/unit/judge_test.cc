// The judge: its weights, and who is to blame in made-up histories.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "analyzer/detect/judge/functions.h"
#include "analyzer/detect/judge/weights.h"
#include "tests/support/detectors_fixture.h"

namespace fdaudit::testing {
namespace {

using analyzer::Certainty;
using analyzer::Finding;
using analyzer::Kind;
using analyzer::Severity;

TEST(Weights, AreThoseOfTheDocumentation) {
  const std::vector<int> points = {20, 20, 6,  6,  3,  3,  3,  3,  2,  2,  2,  3,  4, 2,
                                   1,  5,  -8, -6, -6, -4, -3, -3, -3, -2, -2, -2, -6};
  std::vector<int> pinned;
  for (const analyzer::Weight& weight : analyzer::kWeights) pinned.push_back(weight.points);
  EXPECT_EQ(pinned, points);
  EXPECT_EQ(analyzer::kProvenFrom, 9);
  EXPECT_EQ(analyzer::kLikelyFrom, 5);
  EXPECT_EQ(analyzer::kOneOfFrom, 3);
  EXPECT_EQ(analyzer::kOneOfLateFrom, 0);
}

TEST(Names, SayWhatAFunctionIsAbout) {
  EXPECT_EQ(analyzer::SubjectsOf("conn_destroy"), Texts({"conn"}));
  EXPECT_EQ(analyzer::SubjectsOf("closeJournalFile"), Texts({"journal", "file"}));
  EXPECT_EQ(analyzer::SubjectsOf("f12_3"), Texts());
  for (const char* general : {"os_close", "xopen", "close_fd", "safe_close"}) {
    EXPECT_TRUE(analyzer::IsGeneralName(general)) << general;
  }
  for (const char* own : {"close_log", "finish", "on_close", "close_x"}) {
    EXPECT_FALSE(analyzer::IsGeneralName(own)) << own;
  }
}

/// Number 5: the disputed life was opened by `opener` and closed by `closer`, and `late` failed; before it a life of
/// `before`, closed by `first`.
class Judged : public Detectors {
 protected:
  trace::FindingRecord& Dispute(const std::string& before, const std::string& first, const std::string& opener,
                                const std::string& closer, const std::string& late) {
    const trace::Act o1 = Act("open", before, 10), c1 = Act("close", first, 11), o0 = Act("socket", opener, 20);
    const trace::Act c0 = Act("close", closer, 12);
    trace::FindingRecord& record = trace().AddFailedClose(image_, 5, Act("close", late, 21));
    record.lives[1].opened = o1;
    record.lives[1].closed = c1;
    record.lives[0].opened = o0;
    record.lives[0].closed = c0;
    return record;
  }
  void Closes(const std::string& opener, int open_line, const std::string& closer, int close_line, uint64_t count) {
    trace().AddCloseCount(Stack(opener, open_line), Stack(closer, close_line), count);
  }
  Finding Only() {
    const std::vector<Finding> findings = scene_.Detect();
    EXPECT_EQ(findings.size(), 1u);
    return findings.at(0);
  }
};

TEST_F(Judged, AVictimThatClosesItsOwnProvesTheOtherOne) {
  Dispute("net", "net", "open_file", "net", "end_file");
  Closes("open_file", 20, "end_file", 21, 7);
  const Finding finding = Only();
  EXPECT_EQ(finding.kind, Kind::kWrongClose);
  EXPECT_EQ(finding.certainty, Certainty::kProven);
  EXPECT_NE(finding.why.find("end_file closes what open_file opens (7 times)"), std::string::npos) << finding.why;
}

TEST_F(Judged, AClosersHabitMakesTheOtherOneLate) {
  Dispute("worker", "worker", "producer", "worker", "cleanup");
  Closes("producer", 20, "worker", 12, 9);
  const Finding finding = Only();
  EXPECT_EQ(finding.kind, Kind::kDoubleClose);
  EXPECT_EQ(finding.location->function, "cleanup");
  EXPECT_EQ(finding.certainty, Certainty::kLikely);
}

TEST_F(Judged, DisputedClosesAreNoHabit) {
  trace::FindingRecord& record = Dispute("net", "net", "open_file", "net", "end_file");
  record.count = 2;
  Closes("open_file", 20, "net", 12, 2);
  EXPECT_EQ(Only().kind, Kind::kWrongClose);
}

TEST_F(Judged, WithoutTiesNobodyIsProvenToBeStale) {
  Dispute("one", "two", "open_file", "three", "end_file");
  const Finding finding = Only();
  EXPECT_EQ(finding.kind, Kind::kDoubleClose);
  EXPECT_NE(finding.certainty, Certainty::kProven);
}

TEST_F(Judged, AFirstLifeHasOneHistory) {
  Dispute("", "", "open_file", "net", "end_file").lives[1] = {};
  const Finding finding = Only();
  EXPECT_EQ(finding.kind, Kind::kDoubleClose);
  EXPECT_EQ(finding.certainty, Certainty::kProven);
}

TEST_F(Judged, WhatIsTakenInMakesItAsSevere) {
  trace::Act again = Act("close", "h", 3);
  again.flags = trace::kActSingleThreaded;
  trace::FindingRecord record = trace().AddFailedClose(image_, 7, again);
  trace::FindingRecord& closed = trace().AddFailedClose(image_, 7, again);
  closed.lives[0].opened = Act("open", "f", 1);
  closed.lives[0].closed = Act("close", "g", 2);
  record = closed;
  record.kind = trace::FindingKind::kFailedUse;
  record.act = Act("write", "u", 4);
  trace().AddFailedClose(image_, 7, record.act) = record;
  std::vector<Finding> findings = scene_.Detect();
  std::erase_if(findings, [](const Finding& finding) { return finding.kind == Kind::kBadClose; });
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, Kind::kDoubleClose);
  EXPECT_EQ(findings[0].severity, Severity::kError);
  EXPECT_TRUE(findings[0].includes[static_cast<size_t>(Kind::kUseAfterClose)]);
}

}  // namespace
}  // namespace fdaudit::testing
