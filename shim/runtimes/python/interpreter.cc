// See interpreter.h.

#include "shim/runtimes/python/interpreter.h"

#include <pthread.h>

#include <atomic>

#include "shim/base/gnu_hash.h"
#include "shim/interpose/libraries_behind.h"
#include "shim/process/image.h"
#include "shim/runtimes/python/memory.h"

namespace fdaudit::shim::python {
namespace {

uintptr_t Find(const SymbolTable& symbols, const char* name) {
  return reinterpret_cast<uintptr_t>(symbols.Find(name, GnuHash(name), ""));
}

struct Version {
  uint32_t major = 0;
  uint32_t minor = 0;
};

uint32_t ReadNumber(const char** text) {
  uint32_t number = 0;
  for (; **text >= '0' && **text <= '9' && number < 1000; ++*text)
    number = number * 10 + static_cast<uint32_t>(**text - '0');
  return number;
}

Version VersionOf(const SymbolTable& symbols) {
  if (const uintptr_t version = Find(symbols, "Py_Version"); version != 0) {
    const auto hex = *reinterpret_cast<const unsigned long*>(version);
    return {static_cast<uint32_t>(hex >> 24 & 0xff), static_cast<uint32_t>(hex >> 16 & 0xff)};
  }
  // Before 3.11: puts a text together from constants, in memory of its own.
  const uintptr_t function = Find(symbols, "Py_GetVersion");
  if (function == 0) return {};
  const char* text = reinterpret_cast<const char* (*)()>(function)();
  Version version;
  version.major = ReadNumber(&text);
  if (*text == '.') version.minor = ReadNumber(&++text);
  return version;
}

}  // namespace

bool Consider(const link_map* map, uintptr_t start, uintptr_t end) {
  SymbolTable symbols;
  if (knowledge != Knowledge::kNone || map == nullptr || !symbols.Read(*map)) return false;
  const uintptr_t runtime = Find(symbols, "_PyRuntime");
  if (runtime == 0) return false;
  // Several threads may do this at once: all store the same.
  Interpreter found = {};
  const Version version = VersionOf(symbols);
  found.start = start;
  found.end = end;
  found.thread_state = Find(symbols, "PyGILState_GetThisThreadState");
  found.is_up = Find(symbols, "_Py_IsCoreInitialized");
  if (found.is_up == 0) found.is_up = Find(symbols, "Py_IsInitialized");
  found.code_type = Find(symbols, "PyCode_Type");
  uint64_t size = 0;
  constexpr const char* kEvaluation = "_PyEval_EvalFrameDefault";
  found.evaluation = reinterpret_cast<uintptr_t>(symbols.Find(kEvaluation, GnuHash(kEvaluation), "", &size));
  found.evaluation_end = found.evaluation + size;
  const bool complete = found.thread_state != 0 && found.is_up != 0 && found.code_type != 0 && found.evaluation != 0;
  if (!complete || !FindLayout(reinterpret_cast<const char*>(runtime), version.major, version.minor, &found.layout)) {
    GiveUp();
    return true;
  }
  interpreter = found;
  std::atomic_thread_fence(std::memory_order_release);
  knowledge = Knowledge::kKnown;
  return true;
}

void GiveUp() {
  knowledge = Knowledge::kUnknown;
  NoteReason(process_mark->image, trace::kReasonPythonUnknown);
}

uintptr_t ThreadState(bool* is_safe) {
  *is_safe = reinterpret_cast<int (*)()>(interpreter.is_up)() != 0;
  const auto state = reinterpret_cast<uintptr_t (*)()>(interpreter.thread_state)();
  if (state == 0 || *is_safe) return state;
  // Its thread-specific key may be another library's by now, or not made yet.
  return Load<Guarded>(state + interpreter.layout.thread_id) == pthread_self() ? state : 0;
}

}  // namespace fdaudit::shim::python
