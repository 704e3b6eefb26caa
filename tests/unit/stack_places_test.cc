// The stack walk on every kind of stack, in every kind of child, and over libraries that come and go.

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "shim/base/raw_io.h"
#include "shim/stack/libunwind_rules.h"
#include "shim/stack/walk.h"
#include "tests/unit/stack_testing.h"

namespace fdaudit::shim {
namespace {

class Coroutine {
 public:
  explicit Coroutine(void (*function)()) {
    memory_ = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    getcontext(&context_);
    context_.uc_stack.ss_sp = memory_;
    context_.uc_stack.ss_size = kStackSize;
    context_.uc_link = &back_;
    makecontext(&context_, function, 0);
  }
  ~Coroutine() { munmap(memory_, kStackSize); }
  Coroutine(const Coroutine&) = delete;
  Coroutine& operator=(const Coroutine&) = delete;

  NOINLINE void Resume() {
    Coroutine* previous = current;
    current = this;
    swapcontext(&back_, &context_);
    current = previous;
  }
  static NOINLINE void Yield() {
    Coroutine* self = current;
    swapcontext(&self->context_, &self->back_);
  }
  static thread_local Coroutine* current;

 private:
  void* memory_;
  ucontext_t context_;
  ucontext_t back_;
};
thread_local Coroutine* Coroutine::current;

void CoroutineBody() {
  for (int i = 0; i < 50; ++i) {
    Recurse(i % 7, kMaxDepth);
    ExpectSameAsBacktrace();
    Coroutine::Yield();
  }
}

TEST(StackTest, CoroutinesThatTakeTurns) {
  for (int life = 0; life < 20; ++life) {  // their stacks are unmapped, and mapped again
    Coroutine first(CoroutineBody);
    Coroutine second(CoroutineBody);
    for (int i = 0; i < 20; ++i) {
      first.Resume();
      Recurse(i % 5, kMaxDepth);
      ExpectSameAsBacktrace();
      if (i % 3 != 0) second.Resume();
    }
  }
}

TEST(StackTest, CoroutinesInAThread) {
  std::thread([] {
    Coroutine coroutine(CoroutineBody);
    for (int i = 0; i < 20; ++i) {
      coroutine.Resume();
      Event();
      ExpectSameAsBacktrace();
    }
  }).join();
}

TEST(StackTest, UnknownStackWithoutSystemCallsEndsTheWalk) {
  static StackTrace trace;
  Coroutine coroutine([] {
    system_calls_forbidden = true;
    const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
    FillStack(caller, kMaxDepth, &trace);
    system_calls_forbidden = false;
  });
  coroutine.Resume();
  EXPECT_GE(trace.count, 1U);
}

TEST(StackTest, OwnStackWithoutSystemCalls) {
  std::thread([] {
    system_calls_forbidden = true;
    Recurse(5, kMaxDepth);
    system_calls_forbidden = false;
    ExpectSameAsBacktrace();
  }).join();
}

void* SmallThread(void*) {
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  static StackTrace trace;
  const uint64_t hash = HashStack(caller, kMaxDepth, false);
  FillStack(caller, kMaxDepth, &trace);
  EXPECT_EQ(hash, trace.hash);
  EXPECT_FALSE(trace.broken);
  EXPECT_GE(trace.count, 2U);
  return nullptr;
}

TEST(StackTest, ThreadWithTheSmallestStack) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, static_cast<size_t>(sysconf(_SC_THREAD_STACK_MIN))), 0);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, SmallThread, nullptr), 0);
  pthread_join(thread, nullptr);
}

TEST(StackTest, LibunwindLeavesDescriptorNumbersFree) {
  ExpectInForkedChild([] {
    const int before = dup(0);
    close(before);
    if (!UseLibunwindRules()) return false;
    Event();
    return dup(0) == before;
  });
}

TEST(StackTest, VforkedChild) {
  static volatile bool same;
  Event();
  const pid_t child = vfork();
  if (child == 0) {
    const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
    same = HashStack(caller, 64, false) == HashStack(caller, 64, true);
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_TRUE(same);
  Event();
  ExpectSameAsBacktrace();
}

int CloneBody(void* same) {
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  *static_cast<bool*>(same) = HashStack(caller, 64, false) == HashStack(caller, 64, true);
  return 0;
}

TEST(StackTest, ClonedChildOnItsOwnStackInTheSameMemory) {
  void* stack = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  bool same = false;
  const pid_t child = clone(CloneBody, static_cast<char*>(stack) + kStackSize, CLONE_VM | SIGCHLD, &same);
  int status = -1;
  waitpid(child, &status, 0);
  munmap(stack, kStackSize);
  EXPECT_TRUE(same);
  Event();
  ExpectSameAsBacktrace();
}

TEST(StackTest, ForkedChild) {
  Event();
  ExpectInForkedChild([] {
    StackThreadReset();
    Event();
    return seen.hash == seen.trace.hash && !seen.trace.broken;
  });
}

/// Nothing on the stack makes sense: the walk ends, and the process lives.

// ---------------------------------------------------------------------------------------------------------------------
// Another library at the same address

class LibraryTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/stack-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// A library whose function has a frame of `size` bytes and calls back.
  std::string Build(const char* name, int size) {
    const std::string source = folder_ + "/" + name + ".c";
    std::string library = folder_ + "/" + name + ".so";
    std::ofstream(source) << "void Call(void (*f)(void)) { volatile char b[" << size
                          << "]; b[0] = 1; f(); b[1] = 1; }\n";
    const std::string command = "cc -O1 -fPIC -shared -o " + library + " " + source;
    EXPECT_EQ(system(command.c_str()), 0);
    return library;
  }

 private:
  std::string folder_;
};

TEST_F(LibraryTest, AnotherLibraryAtTheSameAddress) {
  const std::string libraries[] = {Build("a", 100), Build("b", 900)};
  uintptr_t addresses[2] = {};
  for (int i = 0; i < 6; ++i) {
    void* handle = dlopen(libraries[i % 2].c_str(), RTLD_NOW);
    ASSERT_NE(handle, nullptr) << dlerror();
    const auto call = reinterpret_cast<void (*)(void (*)())>(dlsym(handle, "Call"));
    addresses[i % 2] = reinterpret_cast<uintptr_t>(call);
    call([] { Event(); });
    ExpectSameAsBacktrace();
    dlclose(handle);
    ForgetRules();
  }
  EXPECT_EQ(addresses[0], addresses[1]) << "not what was meant to be tested";
}

}  // namespace
}  // namespace fdaudit::shim
