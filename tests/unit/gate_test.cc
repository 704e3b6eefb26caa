// What fails a build, and what suppressions fit.

#include "analyzer/gate/gate.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fdaudit::analyzer {
namespace {

bool Fits(const char* pattern, const char* text) { return Pattern(pattern).Fits(text); }

TEST(Pattern, IsSoughtAnywhereUnlessAnchored) {
  EXPECT_TRUE(Fits("load", "reload_all"));
  EXPECT_FALSE(Fits("^load", "reload_all"));
  EXPECT_TRUE(Fits("^reload", "reload_all"));
  EXPECT_FALSE(Fits("reload$", "reload_all"));
  EXPECT_TRUE(Fits("all$", "reload_all"));
  EXPECT_TRUE(Fits("^reload_all$", "reload_all"));
  EXPECT_FALSE(Fits("^reload$", "reload_all"));
}

TEST(Pattern, StarsStandForAnyText) {
  EXPECT_TRUE(Fits("*", ""));
  EXPECT_TRUE(Fits("^re*all$", "reload_all"));
  EXPECT_TRUE(Fits("^re*all$", "reall"));
  EXPECT_FALSE(Fits("^re*all$", "real"));  // the texts between stars don't overlap
  EXPECT_TRUE(Fits("^a*a$", "aa"));
  EXPECT_FALSE(Fits("^a*a$", "a"));
  EXPECT_TRUE(Fits("^*x*$", "axb"));
  EXPECT_TRUE(Fits("^a*b*c$", "a-b-b-c"));
}

TEST(FailOn, SeveritiesHaveAllWorseOnesWithThem) {
  FailOn fail_on;
  EXPECT_TRUE(fail_on.Fails(Kind::kLeak, Severity::kWarning));
  EXPECT_FALSE(fail_on.Fails(Kind::kLeak, Severity::kNote));
  ASSERT_EQ(fail_on.Read({"error"}), "");
  EXPECT_TRUE(fail_on.Fails(Kind::kLeak, Severity::kError));
  EXPECT_FALSE(fail_on.Fails(Kind::kLeak, Severity::kWarning));
  EXPECT_EQ(fail_on.Words(), std::vector<std::string>{"error"});
}

TEST(FailOn, KindsCountWhateverTheirSeverity) {
  FailOn fail_on;
  ASSERT_EQ(fail_on.Read({"leak", "exec-leak"}), "");
  EXPECT_TRUE(fail_on.Fails(Kind::kLeak, Severity::kError));
  EXPECT_TRUE(fail_on.Fails(Kind::kLeak, Severity::kWarning));
  EXPECT_TRUE(fail_on.Fails(Kind::kLeak, Severity::kNote));
  EXPECT_TRUE(fail_on.Fails(Kind::kExecLeak, Severity::kNote));
  EXPECT_FALSE(fail_on.Fails(Kind::kWrongClose, Severity::kError));
  EXPECT_NE(fail_on.Read({"leaks"}), "");
}

Subject MakeSubject(const char* id, Kind kind, Severity severity, bool own = true) {
  Subject subject;
  subject.id = id;
  subject.kind = kind;
  subject.severity = severity;
  subject.own = own;
  subject.count = 1;
  return subject;
}

TEST(Judge, OwnAndNewFindingsFail) {
  std::vector<Subject> subjects = {
      MakeSubject("1:a", Kind::kLeak, Severity::kWarning), MakeSubject("1:b", Kind::kLeak, Severity::kWarning, false),
      MakeSubject("1:c", Kind::kLeak, Severity::kNote), MakeSubject("1:d", Kind::kDoubleClose, Severity::kError)};
  Policy policy;
  policy.baseline = {{"1:d", {"double-close", "old"}}, {"1:e", {"leak", "fixed"}}};
  const Verdict verdict = Judge(policy, {}, &subjects);
  EXPECT_TRUE(verdict.failed);
  EXPECT_TRUE(subjects[0].gates);
  EXPECT_FALSE(subjects[1].gates);
  EXPECT_FALSE(subjects[2].gates);
  EXPECT_FALSE(subjects[3].gates);
  EXPECT_EQ(subjects[3].state, State::kKnown);
  EXPECT_EQ(verdict.new_findings, 3u);
  EXPECT_EQ(verdict.known, 1u);
  ASSERT_EQ(verdict.gone.size(), 1u);
  EXPECT_EQ(verdict.gone.begin()->second.message, "fixed");
}

TEST(Judge, PutsUpWithSoManyOfAKind) {
  std::vector<Subject> subjects = {MakeSubject("1:a", Kind::kLeak, Severity::kWarning),
                                   MakeSubject("1:b", Kind::kLeak, Severity::kWarning)};
  Policy policy;
  policy.max[Kind::kLeak] = 2;
  EXPECT_FALSE(Judge(policy, {}, &subjects).failed);
  policy.max[Kind::kLeak] = 1;
  EXPECT_TRUE(Judge(policy, {}, &subjects).failed);
  EXPECT_TRUE(subjects[0].gates && subjects[1].gates);  // which of them is too many, nobody can say
}

TEST(Judge, LostEvidenceFailsUnlessThatIsTolerated) {
  std::vector<Subject> subjects;
  Policy policy;
  const Verdict verdict = Judge(policy, {.stacks = 2}, &subjects);
  EXPECT_TRUE(verdict.failed && verdict.failed_for_loss);
  EXPECT_FALSE(Judge(policy, {.since_s = 1.0}, &subjects).failed);  // nothing was lost
  policy.allow_loss = true;
  const Verdict tolerated = Judge(policy, {.stacks = 2}, &subjects);
  EXPECT_FALSE(tolerated.failed || tolerated.failed_for_loss);
  EXPECT_EQ(tolerated.lost.stacks, 2u);
}

TEST(Judge, BuiltInSuppressionsLookAtTheLocationAlone) {
  Frame bash;
  bash.module = "/usr/bin/bash";
  Frame plugin;
  plugin.module = "/home/me/plugin.so";
  FrameList frames;
  for (const Frame* frame : {&plugin, &bash}) frames.Add(frame);
  std::vector<Subject> subjects = {MakeSubject("1:a", Kind::kLeak, Severity::kWarning),
                                   MakeSubject("1:b", Kind::kLeak, Severity::kWarning)};
  for (Subject& subject : subjects) subject.traits.frames = &frames;
  subjects[0].traits.location = &frames[0];
  subjects[1].traits.location = &frames[1];
  Policy policy;
  policy.suppressions = BuiltInSuppressions();
  const Verdict verdict = Judge(policy, {}, &subjects);
  EXPECT_EQ(subjects[0].state, State::kNew);
  EXPECT_EQ(subjects[1].state, State::kSuppressed);
  EXPECT_TRUE(verdict.unused_suppressions.empty());
}

}  // namespace
}  // namespace fdaudit::analyzer
