// Text and JSON, and that no name can break either.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "analyzer/detect/kinds.h"
#include "analyzer/output/coverage.h"
#include "analyzer/output/document.h"
#include "analyzer/output/escape.h"
#include "analyzer/output/events.h"
#include "analyzer/output/report.h"
#include "tests/support/model_fixture.h"
#include "tests/support/workshop.h"

namespace fdaudit::testing {
namespace {

using nlohmann::json;

std::string Rendered(const analyzer::Document& document, const std::string& format) {
  std::string text;
  analyzer::Render(document, format, {}, [&text](std::string_view piece) { text += piece; });
  return text;
}

/// Two leaks and a double-close, as a small program has them.
void FillScene(Scene* scene) {
  TraceBuilder& trace = scene->trace;
  const uint32_t image = trace.AddImage();
  trace.Image(image).opened = 4;
  trace.Image(image).closed = 1;
  trace.Image(image).inherited = 3;
  trace.Image(image).open_at_end = 6;
  trace.Image(image).untracked_opens = 1;
  const uint32_t leak = scene->Stack("load_config", 41);
  for (int fd = 5; fd < 8; ++fd) {
    trace.AddOpenSlot(image, fd, trace.MakeAct(image, "open", leak), fd == 5 ? "/etc/app.conf" : "/etc/other.conf");
  }
  const trace::Act opened = trace.MakeAct(image, "socket", scene->Stack("connect_to", 12));
  const trace::Act closed = trace.MakeAct(image, "close", scene->Stack("finish", 30));
  trace::FindingRecord& record =
      trace.AddFailedClose(image, 9, trace.MakeAct(image, "close", scene->Stack("cleanup", 55)));
  record.lives[0].opened = opened;
  record.lives[0].closed = closed;
  record.lives[0].kind = trace::FdKind::kSocket;
  snprintf(record.target, sizeof record.target, "tcp 127.0.0.1:80");
}

TEST(Text, TheReportOfASmallProgram) {
  Scene scene;
  FillScene(&scene);
  const analyzer::Report report = analyzer::MakeReport(&scene.Load(), {});
  std::string text = RenderText(report, false);
  for (const analyzer::Finding& finding : report.findings) {
    text.replace(text.find(finding.id), finding.id.size(), "ID");
  }
  EXPECT_EQ(text, R"(fdaudit: 2 findings (1 error, 1 warning) in ./app --fast
1 process in 1 s: 3 descriptors inherited, 4 opened, 1 closed, 6 open at the end

error: double-close  ID
  descriptor 9, opened at connect_to (app.c:12), was closed at finish (app.c:30) and closed again at cleanup (app.c:55)
  number  9
  what     socket tcp 127.0.0.1:80
  opened                0.000005 s  socket  descriptor 9
      connect_to (app.c:12)
      main (app.c:90)
  closed                0.000006 s  close  descriptor 9
      finish (app.c:30)
      main (app.c:90)
  closed-again          0.000007 s  close  descriptor 9
      cleanup (app.c:55)
      main (app.c:90)
  look at  /src/app.c:55  cleanup
  fix      give the descriptor one owner that closes it; set the variable to -1 where it is closed, so that a second close fails with EBADF instead of hitting someone else's descriptor

warning: leak  ID
  3 descriptors opened at load_config (app.c:41) were still open when the process exited
  numbers 5-7
  what     file /etc/app.conf, file /etc/other.conf (2 times)
  opened                0.000002 s  open  descriptor 5
      load_config (app.c:41)
      main (app.c:90)
  growth   3 calls from 0.000002 s to 0.000004 s
  look at  /src/app.c:41  load_config
  fix      close it on every path out of the opening function, including error paths, or let a guard object (RAII, with, defer) own it

note: 1 descriptor was opened without fdaudit seeing it (raw system calls, io_uring, libc's insides): never reported as leaks
`fdaudit explain KIND` shows what a kind means and what proves it.
)");
}

TEST(Text, NothingFoundIsTwoLines) {
  Scene scene;
  scene.trace.AddImage();
  const std::string text = RenderText(analyzer::MakeReport(&scene.Load(), {}), false);
  EXPECT_EQ(text,
            "fdaudit: nothing found in ./app --fast\n"
            "1 process in 1 s: 0 descriptors opened, 0 closed, 0 open at the end\n");
}

TEST(Text, ColourOnlyWhereAskedFor) {
  Scene scene;
  FillScene(&scene);
  const analyzer::Report report = analyzer::MakeReport(&scene.Load(), {});
  EXPECT_EQ(RenderText(report, false).find('\033'), std::string::npos);
  EXPECT_NE(RenderText(report, true).find('\033'), std::string::npos);
}

TEST(Text, NamesCannotDriveTheTerminal) {
  Scene scene;
  const uint32_t image = scene.trace.AddImage();
  scene.trace.Image(image).argv = scene.trace.AddText(std::string_view("./a\033[2J\n\0", 9));
  scene.trace.AddOpenSlot(image, 5, scene.trace.MakeAct(image, "open", 0), "/tmp/\033]0;owned\007\xff");
  const std::string text = RenderText(analyzer::MakeReport(&scene.Load(), {}), false);
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_NE(text.find(R"(/tmp/\x1b]0;owned\x07\xff)"), std::string::npos) << text;
}

TEST(Text, NoFindingIsMoreThanAScreen) {
  Scene scene;
  TraceBuilder& trace = scene.trace;
  const uint32_t image = trace.AddImage();
  const auto act = [&](const std::string& function, int line) {
    std::vector<TestFrame> frames;
    for (int i = 0; i < 40; ++i) frames.push_back({scene.app, scene.functions.In(function + std::to_string(i), line)});
    return trace.MakeAct(image, "close", trace.AddStack(frames));
  };
  trace::FindingRecord record = trace.AddFailedClose(image, 5, act("v", 21));
  record.lives[1].opened = act("c", 10);
  record.lives[1].closed = act("c", 11);
  record.lives[0].opened = act("v", 20);
  record.lives[0].closed = act("c", 12);
  record.fd_count = trace::kMaxFindingFds;
  record.count = 1000;
  for (int i = 0; i < 100; ++i) record.fds[i] = 5 + 2 * i;
  trace.AddFailedClose(image, 5, record.act) = record;
  const std::string text = RenderText(analyzer::MakeReport(&scene.Load(), {}), false);
  size_t longest = 0;
  for (size_t at = text.find("\n\n"); at != std::string::npos;) {
    const size_t end = text.find("\n\n", at + 2);
    longest = std::max<size_t>(
        longest, static_cast<size_t>(
                     std::count(text.begin() + static_cast<long>(at) + 2,
                                end == std::string::npos ? text.end() : text.begin() + static_cast<long>(end), '\n')));
    at = end;
  }
  EXPECT_LE(longest, 24u) << text;
  EXPECT_GE(longest, 12u) << text;
}

TEST(Json, HasEveryFieldOfTheContract) {
  Scene scene;
  FillScene(&scene);
  const json report = json::parse(RenderJson(analyzer::MakeReport(&scene.Load(), {})));
  EXPECT_EQ(report["schema"], "fdaudit-report/1");
  EXPECT_EQ(report["session"]["command"], json({"./app", "--fast"}));
  EXPECT_EQ(report["session"]["started"], "2026-01-01T00:00:00Z");
  const json& process = report["processes"][0];
  EXPECT_EQ(process["id"], "p1");
  EXPECT_EQ(process["parent"], nullptr);
  EXPECT_EQ(process["started_by"], "run");
  EXPECT_EQ(process["end"], json({{"how", "exit"}, {"status", 0}}));
  EXPECT_EQ(process["descriptors"],
            json({{"opened", 4}, {"closed", 1}, {"inherited", 3}, {"peak", 6}, {"open_at_end", 6}}));
  EXPECT_EQ(process["coverage"]["untracked_opens"], 1);
  const json& leak = report["findings"][1];
  EXPECT_EQ(leak["kind"], "leak");
  EXPECT_EQ(leak["processes"], json({"p1"}));
  EXPECT_EQ(leak["fds"], json({5, 6, 7}));
  EXPECT_EQ(leak["descriptors"][0], json({{"fd", 5},
                                          {"type", "file"},
                                          {"target", "/etc/app.conf"},
                                          {"close_on_exec", false},
                                          {"received_from", nullptr},
                                          {"registered_in", nullptr},
                                          {"duplicated_from", nullptr}}));
  EXPECT_EQ(leak["omitted"], 0);
  EXPECT_EQ(leak["events"][0]["role"], "opened");
  EXPECT_EQ(leak["location"], json({{"function", "load_config"}, {"file", "/src/app.c"}, {"line", 41}}));
  const json& stack = report["stacks"][leak["events"][0]["stack"].get<std::string>()];
  EXPECT_EQ(stack[0]["function"], "load_config");
  EXPECT_EQ(stack[0]["module"], "app");
  EXPECT_EQ(stack[0]["language"], "native");
  EXPECT_EQ(report["summary"]["by_kind"].size(), analyzer::kKinds);
  EXPECT_EQ(report["summary"]["by_severity"], json({{"error", 1}, {"warning", 1}, {"note", 0}}));
  EXPECT_EQ(report["gate"]["failed"], true);
  EXPECT_EQ(report["gate"]["new"], 2);
}

/// A program of whose trace some regions were full.
void FillUp(Scene* scene) {
  FillScene(scene);
  scene->trace.SetLost(trace::RegionKind::kFindings, 3, 500000000);
  scene->trace.SetLost(trace::RegionKind::kStackIndex, 1, 250000000);
  scene->trace.SetLost(trace::RegionKind::kModules, 1);  // by a shim that did not note the moment
  scene->trace.SetLost(trace::RegionKind::kImages, 1, 900000000);
  scene->trace.SetLost(trace::RegionKind::kJournal, 4711, 1000000);  // a ring loses its beginning
  scene->trace.Image(1).reasons |= trace::kReasonNoRoom;
  scene->trace.Image(1).events_dropped = 2;
}

constexpr const char* kLostSentence =
    "evidence was lost for lack of room from 0.249 s on (3 findings, 2 call paths, 1 process, 2 opens and closes), "
    "so findings may be missing";

TEST(Losses, AreInTheReportWithTheMomentTheyBegan) {
  Scene scene;
  FillUp(&scene);
  const analyzer::Report report = analyzer::MakeReport(&scene.Load(), {});
  const json document = json::parse(RenderJson(report));
  EXPECT_EQ(document["coverage"]["lost"],
            json({{"findings", 3}, {"stacks", 2}, {"images", 1}, {"events", 2}, {"since_s", 0.249}}));
  EXPECT_EQ(document["gate"]["failed"], true);
  EXPECT_EQ(document["gate"]["failed_for_loss"], true);
  EXPECT_NE(RenderText(report, false).find(std::string("note: ") + kLostSentence + "\n"), std::string::npos)
      << RenderText(report, false);
}

TEST(Formats, AReportAndItsDocumentAreRenderedAlike) {
  Scene scene;
  FillScene(&scene);
  const analyzer::Report report = analyzer::MakeReport(&scene.Load(), {});
  ASSERT_FALSE(report.findings.empty());
  const analyzer::Document document(report);
  for (const char* format : {"json", "sarif", "junit", "github", "gitlab", "markdown"}) {
    std::string streamed;
    analyzer::Render(report, format, {}, [&streamed](std::string_view piece) { streamed += piece; });
    EXPECT_EQ(streamed, Rendered(document, format)) << format;
  }
}

TEST(Losses, AreInEveryFormat) {
  Scene scene;
  FillUp(&scene);
  const analyzer::Document document(analyzer::MakeReport(&scene.Load(), {}));
  for (const char* format : {"sarif", "junit", "github", "gitlab", "markdown"}) {
    std::string text = Rendered(document, format);
    std::erase(text, '\\');
    EXPECT_NE(text.find("evidence was lost for lack of room"), std::string::npos) << format << text;
    Scene whole;
    FillScene(&whole);
    const analyzer::Document other(analyzer::MakeReport(&whole.Load(), {}));
    EXPECT_EQ(Rendered(other, format).find("evidence was lost"), std::string::npos) << format;
  }
}

TEST(Losses, AreNothingWhereNothingWasLost) {
  Scene scene;
  FillScene(&scene);
  scene.trace.SetLost(trace::RegionKind::kJournal, 4711, 1000000);
  const json document = json::parse(RenderJson(analyzer::MakeReport(&scene.Load(), {})));
  EXPECT_EQ(document["coverage"]["lost"],
            json({{"findings", 0}, {"stacks", 0}, {"images", 0}, {"events", 0}, {"since_s", nullptr}}));
  EXPECT_EQ(document["gate"]["failed_for_loss"], false);
}

TEST(Losses, StayInStoredReports) {
  const Workshop shop;
  Scene scene;
  FillUp(&scene);
  std::ofstream(shop.Path("report.json")) << RenderJson(analyzer::MakeReport(&scene.Load(), {}));
  analyzer::Document document = analyzer::Document::Read(shop.Path("report.json"));
  EXPECT_EQ(analyzer::DescribeLosses(document.Lost()), kLostSentence);
  document.Merge(analyzer::Document::Read(shop.Path("report.json")));
  EXPECT_EQ(document.Lost().findings, 6u);
  EXPECT_EQ(document.Lost().since_s, 0.249);
}

TEST(Json, IsTheSameInPiecesAndAsADocument) {
  Scene scene;
  FillScene(&scene);
  const analyzer::Report report = analyzer::MakeReport(&scene.Load(), {});
  EXPECT_EQ(RenderJson(report), Rendered(analyzer::Document(report), "json"));
}

TEST(Json, ValidatesAgainstTheSchema) {
  if (std::system("/usr/bin/python3 -c 'import jsonschema' 2>/dev/null") != 0) GTEST_SKIP() << "no python3-jsonschema";
  const Workshop shop;
  Scene scene;
  FillScene(&scene);
  std::ofstream(shop.Path("report.json")) << RenderJson(analyzer::MakeReport(&scene.Load(), {}));
  const std::string schema = std::filesystem::absolute("docs/report.schema.json").string();
  if (!std::filesystem::exists(schema)) GTEST_SKIP() << "not run from the project's root";
  shop.Run(
      "/usr/bin/python3 -c 'import json, sys, jsonschema; s = json.load(open(sys.argv[1])); "
      "jsonschema.Draft202012Validator.check_schema(s); "
      "jsonschema.Draft202012Validator(s).validate(json.load(open(\"report.json\")))' " +
      schema);
}

TEST(Json, NamesThatAreNotUtf8AreRepaired) {
  Scene scene;
  const uint32_t image = scene.trace.AddImage();
  scene.trace.AddOpenSlot(image, 5, scene.trace.MakeAct(image, "open", 0), "/tmp/\xff\\\xc3\"\n");
  const json report = json::parse(RenderJson(analyzer::MakeReport(&scene.Load(), {})));
  EXPECT_EQ(report["findings"][0]["descriptors"][0]["target"], "/tmp/\\xff\\\\\\xc3\"\n");
}

TEST(Escape, OnlyWhatIsNotUtf8IsEscaped) {
  EXPECT_EQ(analyzer::RepairUtf8("plain äöü €  𝄞"), "plain äöü €  𝄞");
  EXPECT_EQ(analyzer::RepairUtf8("a\\b"), "a\\\\b");
  EXPECT_EQ(analyzer::RepairUtf8("\x80"), "\\x80");
  EXPECT_EQ(analyzer::RepairUtf8("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(analyzer::RepairUtf8("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(analyzer::RepairUtf8("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  EXPECT_EQ(analyzer::RepairUtf8("\xe2\x82"), "\\xe2\\x82");                    // cut short
  EXPECT_EQ(analyzer::RepairUtf8("\xe2\x82(\xe2\x82\xac"), "\\xe2\\x82(€");
  EXPECT_EQ(analyzer::EscapeForTerminal("a\tb\x7f\xc2\x9b\xe2\x80\xae"), "a\\x09b\\x7f\\xc2\\x9b\\xe2\\x80\\xae");
}

TEST(Escape, JsonStringsAreWhatTheLibraryWouldRead) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  std::string quoted;
  analyzer::AppendJsonString(all, &quoted);
  EXPECT_EQ(json::parse(quoted).get<std::string>(), analyzer::RepairUtf8(all));
}

TEST(Events, AreLinesOfJsonInTheOrderOfTime) {
  Scene scene;
  const uint32_t image = scene.trace.AddImage();
  const uint32_t stack = scene.Stack("f", 3);
  scene.trace.AddEvent(image, 2, TraceBuilder::MakeEvent(3000000, trace::EventKind::kClosed, 4, stack));
  scene.trace.AddEvent(image, 1, TraceBuilder::MakeEvent(2000000, trace::EventKind::kOpened, 4, stack));
  trace::Event failed = TraceBuilder::MakeEvent(4000000, trace::EventKind::kCloseFailed, 4, 0);
  failed.error = 9;
  failed.other = 6;
  scene.trace.AddEvent(image, 2, failed);
  const Workshop shop;
  std::FILE* out = std::fopen(shop.Path("events").c_str(), "we");
  ASSERT_NE(out, nullptr);
  const analyzer::Report report = MakeReport(&scene.Load(), {});
  EXPECT_TRUE(WriteEvents(report, {}, out));
  std::fclose(out);
  std::ifstream in(shop.Path("events"));
  std::vector<json> events;
  for (std::string line; std::getline(in, line);) events.push_back(json::parse(line));
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["event"], "opened");
  EXPECT_EQ(events[0]["thread"], 1);
  EXPECT_EQ(events[0]["process"], "p1");
  EXPECT_EQ(events[0]["frames"][0]["module"], "app");
  EXPECT_EQ(events[1]["event"], "closed");
  EXPECT_EQ(events[2]["error"], "EBADF");
  EXPECT_EQ(events[2]["other"], 6);
  EXPECT_EQ(events[2]["stack"], nullptr);
}

}  // namespace
}  // namespace fdaudit::testing
