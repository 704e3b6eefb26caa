#include "analyzer/detect/judge/functions.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string_view>
#include <utility>

#include "analyzer/model/python_act.h"

namespace fdaudit::analyzer {
namespace {

/// Words that any function's name may have.
constexpr std::string_view kVerbs[] = {
    "accept",  "acquire", "add",      "alloc",   "and",     "at",      "begin",    "by",     "call",    "check",
    "cleanup", "clear",   "close",    "closed",  "connect", "create",  "ctor",     "data",   "deinit",  "del",
    "delete",  "destroy", "detach",   "dispose", "do",      "done",    "drop",     "dtor",   "dup",     "end",
    "enter",   "error",   "event",    "exec",    "exit",    "fail",    "failed",   "fd",     "fds",     "fini",
    "finish",  "flush",   "for",      "free",    "from",    "get",     "give",     "handle", "handler", "helper",
    "impl",    "init",    "internal", "is",      "job",     "kill",    "leave",    "loop",   "main",    "make",
    "my",      "new",     "next",     "of",      "off",     "on",      "once",     "open",   "opened",  "or",
    "os",      "out",     "pop",      "post",    "pre",     "process", "push",     "put",    "read",    "release",
    "remove",  "reset",   "return",   "round",   "run",     "send",    "set",      "setup",  "shut",    "shutdown",
    "start",   "stop",    "sys",      "take",    "task",    "tear",    "teardown", "term",   "test",    "the",
    "thread",  "to",      "try",      "uninit",  "unref",   "up",      "use",      "wait",   "with",    "work",
    "worker",  "write",   "x"};

bool IsVerb(const std::string& word) { return std::binary_search(std::begin(kVerbs), std::end(kVerbs), word); }

}  // namespace

namespace {

/// "ConnOpen2" and "conn_open" -> "conn", "open".
std::vector<std::string> WordsOf(std::string_view name) {
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&words, &word] {
    if (!word.empty()) words.push_back(word);
    word.clear();
  };
  for (size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    if (!std::isalpha(c)) {
      finish();
      continue;
    }
    const bool begins = std::isupper(c) && i != 0 && std::islower(static_cast<unsigned char>(name[i - 1]));
    if (begins) finish();
    word += static_cast<char>(std::tolower(c));
  }
  finish();
  return words;
}

}  // namespace

std::vector<std::string> SubjectsOf(std::string_view name) {
  std::vector<std::string> words = WordsOf(name);
  std::erase_if(words, [](const std::string& word) { return word.size() < 2 || IsVerb(word); });
  return words;
}

bool IsGeneralName(std::string_view name) {
  constexpr std::string_view kAny[] = {"checked", "do",  "fd",   "helper", "impl", "inner", "internal", "my",
                                       "os",      "raw", "real", "retry",  "safe", "sys",   "try",      "wrapper"};
  constexpr std::string_view kActs[] = {"close", "open", "xclose", "xopen"};
  bool acts = false;
  for (const std::string& word : WordsOf(name)) {
    const bool is_act = std::find(std::begin(kActs), std::end(kActs), word) != std::end(kActs);
    if (!is_act && !std::binary_search(std::begin(kAny), std::end(kAny), word)) return false;
    acts |= is_act;
  }
  return acts;
}

bool Way::LeadsThrough(FunctionId function) const {
  return function != 0 &&
         std::any_of(steps.begin(), steps.end(), [function](const Step& step) { return step.function == function; });
}

const Way& Functions::WayOf(PathId path) {
  const auto known = ways_.find(path);
  return known != ways_.end() ? known->second : ways_.emplace(path, MakeWay(path)).first->second;
}

Way Functions::MakeWay(PathId path) {
  Way way;
  const FrameList& frames = model_.paths().Frames(path);
  const Frame* location = model_.paths().Location(path);
  bool begun = false;  // what lies inside of the location is runtime code or a helper
  for (size_t i = 0; i < frames.size(); ++i) {
    const Frame& frame = frames[i];
    begun = begun || &frame == location;
    if (!begun || (frame.is_runtime && &frame != location)) continue;
    const FunctionId id = IdOf(frame);
    const auto line = static_cast<uint64_t>(frame.line);
    const bool is_innermost = i == 0 || frames[i - 1].offset != frame.offset || frames[i - 1].module != frame.module;
    way.steps.push_back({id, frame.is_python ? line : frame.offset, line, i, frame.is_inlined, is_innermost});
  }
  way.object = PythonActOf(frames).object;
  return way;
}

FunctionId Functions::IdOf(const Frame& frame) {
  const auto [known, is_new] = of_frame_.try_emplace(&frame, 0);
  if (!is_new) return known->second;
  if (frame.function.empty() && frame.module.empty()) return 0;
  const std::string place = frame.module + '\n' + frame.file;
  const std::string key = (frame.function.empty() ? std::to_string(frame.offset) : frame.function) + '\n' + place;
  const auto [id, is_first] = ids_.try_emplace(key, static_cast<FunctionId>(functions_.size()));
  if (is_first) {
    Function function;
    function.name = frame.function.empty() ? Describe(frame) : frame.function;
    function.owner = std::string(Qualifier(frame.function));
    function.file = frame.file;
    function.module = frame.is_python ? frame.file : frame.module;
    function.words = SubjectsOf(Unqualified(frame.function));
    function.has_name = !frame.function.empty();
    functions_.push_back(std::move(function));
  }
  return known->second = id->second;
}

}  // namespace fdaudit::analyzer
