#include "analyzer/model/model.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <fstream>

#include "analyzer/trace/trace_error.h"
#include "tests/support/model_fixture.h"

namespace fdaudit::testing {
namespace {

using analyzer::EndKind;
using analyzer::Liveness;
using analyzer::Process;

TEST(Model, ImagesBecomeProcessesInTheOrderOfTheirStarts) {
  Scene scene;
  const uint32_t late = scene.trace.AddImage();
  const uint32_t early = scene.trace.AddImage();
  std::swap(scene.trace.Image(late).started, scene.trace.Image(early).started);
  const analyzer::Model& model = scene.Load();
  ASSERT_EQ(model.processes().size(), 2u);
  EXPECT_EQ(model.processes()[0].id, "p1");
  EXPECT_EQ(model.processes()[0].image, early);
  EXPECT_EQ(model.Find(0, late), 1u);
  EXPECT_EQ(model.Find(0, 99), analyzer::kNoProcess);
  EXPECT_EQ(model.processes()[0].exe, "/home/me/app");
  EXPECT_EQ(model.processes()[0].argv, (std::vector<std::string>{"./app", "--fast"}));
  EXPECT_EQ(model.session().command, (std::vector<std::string>{"./app", "--fast"}));
  EXPECT_EQ(model.session().host, "testhost");
}

TEST(Model, AnExecedImageSpringsFromTheOneBeforeIt) {
  Scene scene;
  const uint32_t shell = scene.trace.AddImage();
  const uint32_t child = scene.trace.AddImage();
  const uint32_t program = scene.trace.AddImage();
  scene.trace.Image(child).parent = shell;
  scene.trace.Image(child).started_by = trace::StartedBy::kFork;
  scene.trace.Image(child).ended_by = trace::EndedBy::kExec;
  scene.trace.Image(child).successor = program;
  scene.trace.Image(program).parent = shell;
  scene.trace.Image(program).predecessor = child;
  scene.trace.Image(program).started_by = trace::StartedBy::kExec;
  const analyzer::Model& model = scene.Load();
  EXPECT_EQ(model.processes()[0].parent, analyzer::kNoProcess);
  EXPECT_EQ(model.processes()[1].parent, 0u);
  EXPECT_EQ(model.processes()[2].parent, 1u);
  EXPECT_EQ(model.processes()[1].end.kind, EndKind::kExec);
}

TEST(Model, AnExecedImageWithAFileOfItsOwnIsLinkedByItsPid) {
  Scene first;
  Scene second;
  const uint32_t before = first.trace.AddImage();
  const uint32_t after = second.trace.AddImage();
  first.trace.Image(before).ended_by = trace::EndedBy::kExec;
  second.trace.Image(after).pid = first.trace.Image(before).pid;
  second.trace.header().started_realtime_ns += 2000000000;
  strcpy(second.trace.header().family, "1.fdaudit");
  std::vector<analyzer::TraceFile> files;
  files.emplace_back(analyzer::FromMemory(first.trace.Bytes()), "1.fdaudit");
  files.emplace_back(analyzer::FromMemory(second.trace.Bytes()), "1+2.fdaudit");
  const analyzer::Model& model = first.LoadFiles(std::move(files));
  ASSERT_EQ(model.processes().size(), 2u);
  EXPECT_EQ(model.processes()[1].parent, 0u);
  EXPECT_EQ(model.processes()[1].started_by, trace::StartedBy::kExec);
  EXPECT_NEAR(model.processes()[1].started_s, 2.0, 0.01);
}

TEST(Model, AProcessOfAnotherSessionIsNoSuccessorByItsPid) {
  Scene first;
  Scene second;
  const uint32_t before = first.trace.AddImage();
  const uint32_t after = second.trace.AddImage();
  first.trace.Image(before).ended_by = trace::EndedBy::kExec;
  second.trace.Image(after).pid = first.trace.Image(before).pid;
  second.trace.header().started_realtime_ns += 2000000000;
  std::vector<analyzer::TraceFile> files;
  files.emplace_back(analyzer::FromMemory(first.trace.Bytes()), "1.fdaudit");
  files.emplace_back(analyzer::FromMemory(second.trace.Bytes()), "2.fdaudit");
  const analyzer::Model& model = first.LoadFiles(std::move(files));
  EXPECT_EQ(model.processes()[1].parent, analyzer::kNoProcess);
}

TEST(Model, APidMeansAProcessOfTheSameBoot) {
  Scene here;
  Scene elsewhere;
  const uint32_t reader = here.trace.AddImage();
  elsewhere.trace.AddImage();
  const uint32_t other = elsewhere.trace.AddImage();
  elsewhere.trace.Image(other).pid = 77;
  strcpy(elsewhere.trace.header().boot_id, "another");
  std::vector<analyzer::TraceFile> files;
  files.emplace_back(analyzer::FromMemory(here.trace.Bytes()), "1.fdaudit");
  files.emplace_back(analyzer::FromMemory(elsewhere.trace.Bytes()), "2.fdaudit");
  const analyzer::Model& model = here.LoadFiles(std::move(files));
  const analyzer::ProcessIndex there = model.Find(1, other);
  EXPECT_EQ(model.FindPid(there, 77, 100.0), there);
  EXPECT_EQ(model.FindPid(model.Find(0, reader), 77, 100.0), analyzer::kNoProcess);
}

TEST(Model, AnExecedImageThatNamesItsOriginIsLinkedToIt) {
  Scene first;
  Scene second;
  const uint32_t other = first.trace.AddImage();
  const uint32_t before = first.trace.AddImage();
  const uint32_t after = second.trace.AddImage();
  for (const uint32_t image : {other, before}) {
    first.trace.Image(image).pid = 77;  // of two processes one after the other
    first.trace.Image(image).ended_by = trace::EndedBy::kExec;
  }
  second.trace.Image(after).pid = 77;
  second.trace.Image(after).origin_file = second.trace.AddText("1.fdaudit");
  second.trace.Image(after).origin_image = before;
  std::vector<analyzer::TraceFile> files;
  files.emplace_back(analyzer::FromMemory(first.trace.Bytes()), "/traces/1.fdaudit");
  files.emplace_back(analyzer::FromMemory(second.trace.Bytes()), "/elsewhere/1+0.fdaudit");
  const analyzer::Model& model = first.LoadFiles(std::move(files));
  const Process& program = model.processes()[model.Find(1, after)];
  EXPECT_EQ(program.parent, model.Find(0, before));
  EXPECT_EQ(program.started_by, trace::StartedBy::kExec);
}

TEST(Model, EndsAreReportedAsFarAsTheyAreKnown) {
  Scene scene;
  const uint32_t exited = scene.trace.AddImage();
  const uint32_t silent = scene.trace.AddImage();
  scene.trace.Image(exited).status = 3;
  scene.trace.Image(silent).ended_by = trace::EndedBy::kNone;
  const auto end_of_silent = [&](Liveness liveness) {
    scene.liveness = liveness;
    return scene.Load().processes()[1].end.kind;
  };
  EXPECT_EQ(end_of_silent(Liveness::kGone), EndKind::kKilled);
  EXPECT_EQ(end_of_silent(Liveness::kRuns), EndKind::kRunning);
  EXPECT_TRUE(scene.model->session().is_running);
  EXPECT_EQ(end_of_silent(Liveness::kUnknown), EndKind::kUnknown);
  EXPECT_EQ(scene.model->processes()[0].end.kind, EndKind::kExit);
  EXPECT_EQ(scene.model->processes()[0].end.status, 3);
}

TEST(Model, WhatWaitpidSaidBeatsWhatTheImageSaid) {
  Scene scene;
  const uint32_t image = scene.trace.AddImage();
  scene.trace.Image(image).ended_by = trace::EndedBy::kNone;
  trace::Header& header = scene.trace.header();
  header.run_ended = 1;
  header.run_pid = scene.trace.Image(image).pid;
  header.run_end = {scene.trace.NextStamp() + 5000000000, 5000000000};
  header.run_wait_status = 11;  // died by SIGSEGV
  EXPECT_EQ(scene.Load().processes()[0].end.kind, EndKind::kSignal);
  EXPECT_EQ(scene.model->processes()[0].end.status, 11);
  header.run_wait_status = 7 << 8;  // exited with 7
  EXPECT_EQ(scene.Load().processes()[0].end.kind, EndKind::kExit);
  EXPECT_EQ(scene.model->processes()[0].end.status, 7);
  EXPECT_NEAR(scene.model->session().duration_s, 5.0, 0.1);
}

TEST(Model, SumsOfAnImageThatNeverEndedComeFromItsSlots) {
  Scene scene;
  const uint32_t image = scene.trace.AddImage();
  scene.trace.Image(image).ended_by = trace::EndedBy::kNone;
  scene.trace.Image(image).opened = 10;  // of blocks that were released
  for (int fd = 3; fd < 40; ++fd) scene.trace.AddOpenSlot(image, fd, scene.trace.MakeAct(image, "open", 0));
  const Process& process = scene.Load().processes()[0];
  EXPECT_EQ(process.opened, 47u);
  EXPECT_EQ(process.open_at_end, 37u);
  trace::Slot slot;
  ASSERT_TRUE(scene.model->FindSlot(0, 39, &slot));
  EXPECT_STREQ(slot.target, "/tmp/file");
  EXPECT_FALSE(scene.model->FindSlot(0, 41, &slot));
  EXPECT_FALSE(scene.model->FindSlot(0, -1, &slot));
}

TEST(Timeline, TheFarthestPairGivesTheRate) {
  trace::Header header{};
  header.features = trace::kStampsAreTsc;
  header.started = {1000, 500};
  header.latest = {1000 + 30, 500 + 500};  // torn: nonsense
  const analyzer::Timeline timeline(header, {{1000 + 3000, 500 + 1000}, {1000 + 3000000000, 500 + 1000000000}, {5, 9}});
  EXPECT_NEAR(timeline.Seconds(1000 + 1500000000), 0.5, 1e-9);
  EXPECT_EQ(timeline.Seconds(0), 0.0);
  EXPECT_LT(timeline.Seconds(999), 0.0);
  EXPECT_EQ(timeline.Monotonic(1000 + 3000000000), 500 + 1000000000);
}

TEST(Timeline, NanosecondsNeedNoRate) {
  trace::Header header{};
  header.started = {1000, 1000};
  EXPECT_NEAR(analyzer::Timeline(header, {}).Seconds(1000 + 250000000), 0.25, 1e-12);
}

TEST(Liveness, ThisProcessRunsAndAnEarlierOneOfItsPidDoesNot) {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string boot_id;
  in >> boot_id;
  struct stat status = {};
  ASSERT_EQ(stat("/proc/self/ns/pid", &status), 0);
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t now_ns = now.tv_sec * 1000000000 + now.tv_nsec;
  analyzer::LiveQuery query{getpid(), boot_id.c_str(), status.st_ino, now_ns};
  EXPECT_EQ(AskLiveness(query), Liveness::kRuns);
  query.started_monotonic_ns = 0;  // long before we did
  EXPECT_EQ(AskLiveness(query), Liveness::kGone);
  query.started_monotonic_ns = now_ns;
  query.boot_id = "another";
  EXPECT_EQ(AskLiveness(query), Liveness::kUnknown);
  query.boot_id = boot_id.c_str();
  query.pid_namespace = 1;
  EXPECT_EQ(AskLiveness(query), Liveness::kUnknown);
}

TEST(CallPaths, EqualPathsOfTwoFilesAreOne) {
  Scene first;
  Scene second;
  second.trace.AddStack({{second.libc, 1}});  // so that numbers differ
  const uint32_t in_first = first.Stack("open_it", 10);
  const uint32_t in_second = second.Stack("open_it", 10);
  const uint32_t other = second.Stack("open_it", 11);
  std::vector<analyzer::TraceFile> files;
  files.emplace_back(analyzer::FromMemory(first.trace.Bytes()), "1.fdaudit");
  files.emplace_back(analyzer::FromMemory(second.trace.Bytes()), "2.fdaudit");
  analyzer::CallPaths& paths = first.LoadFiles(std::move(files)).paths();
  EXPECT_EQ(paths.Intern(0, in_first), paths.Intern(1, in_second));
  EXPECT_NE(paths.Intern(1, in_second), paths.Intern(1, other));
  EXPECT_TRUE(paths.InSameFunction(paths.Intern(1, in_second), paths.Intern(1, other)));
  EXPECT_EQ(paths.Intern(1, 999), analyzer::kNoPath);
}

std::string LocationOf(Scene& scene, uint32_t stack) {
  analyzer::CallPaths& paths = scene.Load().paths();
  const analyzer::Frame* frame = paths.Location(paths.Intern(0, stack));
  return frame == nullptr ? "" : frame->function;
}

TEST(CallPaths, LocationSkipsPreloadedLibraries) {
  Scene scene;
  const uint32_t wrapper = scene.trace.AddModule("/home/me/libwrap.so", "w", trace::kModulePreloaded);
  const uint32_t other = scene.trace.AddModule("/home/me/libother.so", "o");
  const uint32_t through = scene.trace.AddStack({{wrapper, 5}, {scene.app, scene.functions.In("serve", 3)}});
  EXPECT_EQ(LocationOf(scene, through), "serve");
  EXPECT_EQ(LocationOf(scene, scene.trace.AddStack({{other, 5}, {scene.app, scene.functions.In("serve", 3)}})), "");
}

TEST(CallPaths, LocationSkipsInnermostFunctionsOfInterceptedNames) {
  Scene scene;
  scene.trace.AddCall("open");
  EXPECT_EQ(LocationOf(scene, scene.Stack("open", 3)), "main");
  EXPECT_EQ(LocationOf(scene, scene.Stack("open_it", 3)), "open_it");
  // Further out it is a function like any other.
  const uint32_t inside =
      scene.trace.AddStack({{scene.app, scene.functions.In("helper", 3)}, {scene.app, scene.functions.In("open", 4)}});
  EXPECT_EQ(LocationOf(scene, inside), "helper");
}

TEST(CallPaths, ASanitizersOwnCallsAreDistinguishedFromThoseItPassesOn) {
  Scene scene;
  scene.trace.AddCall("pipe");
  const uint32_t asan = scene.trace.AddModule("/usr/lib/libasan.so.8");
  const uint64_t main = scene.functions.In("main", 9);
  const auto is_own = [&scene](const std::vector<TestFrame>& frames) {
    const uint32_t stack = scene.trace.AddStack(frames);
    analyzer::CallPaths& paths = scene.Load().paths();
    return paths.IsSanitizersOwn(paths.Intern(0, stack));
  };
  EXPECT_FALSE(is_own({{asan, 5}, {scene.app, main}}));
  EXPECT_TRUE(is_own({{asan, 5}, {asan, 9}, {scene.app, main}}));
  EXPECT_TRUE(is_own({{scene.app, scene.functions.In("pipe", 1)},
                      {scene.app, scene.functions.In("__sanitizer::StartSymbolizer()", 1)},
                      {scene.app, main}}));
  EXPECT_FALSE(is_own({{scene.app, scene.functions.In("pipe", 1)}, {scene.app, main}}));
  EXPECT_FALSE(is_own({{scene.app, main}, {asan, 9}}));  // a thread, which the runtime has started
}

TEST(CallPaths, ReturnAddressesAreLookedUpInTheCall) {
  Scene scene;
  scene.trace.AddImage();
  const uint32_t stack = scene.trace.AddStack(
      {{scene.app, scene.functions.In("f", 10)}, {scene.app, (scene.functions.In("g", 20) - 1) | trace::kFrameExact}});
  analyzer::CallPaths& paths = scene.Load().paths();
  const analyzer::FrameList& frames = paths.Frames(paths.Intern(0, stack));
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].line, 10);
  EXPECT_EQ(frames[1].line, 20);
  EXPECT_EQ(Describe(frames[1]), "g (app.c:20)");
}

TEST(CallPaths, CodeMadeAtRunTimeIsNamedByItsProcess) {
  Scene scene;
  const uint32_t stack = scene.trace.AddStack({{0, 0x70000001001}, {scene.app, scene.functions.In("main", 1)}});
  scene.trace.AddImage();
  std::vector<analyzer::TraceFile> files;
  files.emplace_back(analyzer::FromMemory(scene.trace.Bytes()), "1.fdaudit");
  analyzer::CallPaths paths(files, nullptr, [](int pid, uint64_t address) {
    return pid == 7 && address == 0x70000001000 ? std::string("jitted") : std::string();
  });
  const analyzer::PathId known = paths.Intern(0, stack, 7);
  EXPECT_EQ(known, paths.Intern(0, stack, 7));
  EXPECT_NE(known, paths.Intern(0, stack, 8));
  EXPECT_EQ(paths.Frames(known)[0].function, "jitted");
  EXPECT_EQ(paths.Frames(known)[0].module, "");
  EXPECT_EQ(paths.Frames(paths.Intern(0, stack, 8))[0].function, "");
}

analyzer::Frame FrameOf(const std::string& module, const std::string& function = "", const std::string& file = "") {
  analyzer::Frame frame;
  frame.module = module;
  frame.function = function;
  frame.file = file;
  return frame;
}

TEST(FrameClass, RuntimeCodeIsRecognised) {
  for (const char* module : {"/lib/x86_64-linux-gnu/libc.so.6", "/lib/libc-2.31.so", "/lib64/ld-linux-x86-64.so.2",
                             "/usr/lib/libstdc++.so.6.0.30", "/usr/lib/libasan.so.8", "linux-vdso.so.1",
                             "/home/me/.rustup/lib/libstd-0123abcd.so", "/opt/libfdaudit.so", "/usr/bin/python3.11",
                             "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0"}) {
    EXPECT_TRUE(IsRuntime(FrameOf(module, "f"))) << module;
  }
  for (const char* module : {"/home/me/app", "/usr/lib/libcurl.so.4", "/usr/lib/libm17n.so.0", "/usr/lib/libcap.so.2",
                             "/usr/lib/libc-client.so.2007e", ""}) {
    EXPECT_FALSE(IsRuntime(FrameOf(module, "f"))) << module;
  }
  EXPECT_TRUE(IsRuntime(FrameOf("/home/me/app", "open", "/usr/include/x86_64-linux-gnu/bits/fcntl2.h")));
  EXPECT_TRUE(IsRuntime(FrameOf("/home/me/app", "std::fs::File::open", "/rustc/90b35a6/library/std/src/fs.rs")));
  EXPECT_TRUE(IsRuntime(FrameOf("/home/me/app", "std::basic_filebuf<char>::open")));
  EXPECT_TRUE(IsRuntime(FrameOf("/home/me/app", "__interceptor_open")));
  EXPECT_FALSE(IsRuntime(FrameOf("/home/me/app", "stdio_open")));
  analyzer::Frame python = FrameOf("", "f", "/usr/lib/python3.11/subprocess.py");
  python.is_python = true;
  EXPECT_TRUE(IsRuntime(python));
  python.file = "/usr/lib/python3/dist-packages/yaml/__init__.py";
  EXPECT_FALSE(IsRuntime(python));
  python.file = "/home/me/venv/lib/python3.11/site-packages/x.py";
  EXPECT_FALSE(IsRuntime(python));
}

TEST(FrameClass, OwnIsWhatTheSystemDidNotInstall) {
  for (const char* path : {"/home/me/app", "/usr/local/bin/app", "/src/app", "/work/opt/app", "/libexec/app"}) {
    EXPECT_TRUE(analyzer::IsOwnPath(path)) << path;
  }
  for (const char* path : {"/usr/bin/bash", "/lib/x.so", "/lib64/x.so", "/bin/sh", "/sbin/init", "/opt/app", "/snap/x",
                           "/nix/store/x", "[vdso]"}) {
    EXPECT_FALSE(analyzer::IsOwnPath(path)) << path;
  }
  const analyzer::Frame packaged = FrameOf("/usr/bin/app", "f", "/home/me/src/app.c");
  EXPECT_FALSE(IsOwn(packaged, ""));
  EXPECT_TRUE(IsOwn(packaged, "/home/me/src"));
  EXPECT_TRUE(IsOwn(packaged, "/home/me/src/"));
  EXPECT_FALSE(IsOwn(packaged, "/home/me/sr"));
}

}  // namespace
}  // namespace fdaudit::testing
