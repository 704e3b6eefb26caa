#pragma once

// Which functions a call path leads through, as numbers that are equal for the same function: what the judge compares.
// Runtime code is left out, and so are helpers, which open and close for others (helpers.h).

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

/// A function by name, module and source file; where it has no name, a call in it. 0 = unknown.
using FunctionId = uint32_t;

struct Function {
  std::string name;                ///< as reports show it
  std::string owner;               ///< its class or the like; empty = none
  std::string file;                ///< source file; empty = unknown
  std::string module;              ///< of a Python function its source file
  std::vector<std::string> words;  ///< what its name is about, without verbs: "conn_destroy" -> "conn"
  bool has_name = true;            ///< false: it is a call in code without symbols
};

/// One act's way through the program.
struct Way {
  struct Step {
    FunctionId function;
    uint64_t address;  ///< of the call in it; inlined calls have that of what they are inlined in
    uint64_t line;     ///< of the call in it
    size_t frame;      ///< index among the path's frames
    bool is_inlined;
    bool is_innermost;  ///< nothing is inlined there in turn: the line is the call's own
  };
  std::vector<Step> steps;  ///< from the innermost outwards
  std::string object;       ///< class of the runtime's object that made the call; empty = none known

  FunctionId function(size_t depth = 0) const { return depth < steps.size() ? steps[depth].function : 0; }
  bool LeadsThrough(FunctionId function) const;
};

class Functions {
 public:
  explicit Functions(Model& model) : model_(model) {}

  const Way& WayOf(PathId path);
  FunctionId IdOf(PathId path) { return WayOf(path).function(); }
  const Function& operator[](FunctionId id) const { return functions_[id]; }

 private:
  FunctionId IdOf(const Frame& frame);
  Way MakeWay(PathId path);

  Model& model_;
  std::map<std::string, FunctionId> ids_;
  std::unordered_map<const Frame*, FunctionId> of_frame_;
  std::deque<Function> functions_ = std::deque<Function>(1);
  std::unordered_map<PathId, Way> ways_;
};

/// A name that says no more than that it opens or closes: "os_close", "xopen", "close_fd".
bool IsGeneralName(std::string_view name);

/// The words of a name that say what it is about: "conn_destroy" and "ConnOpen" -> "conn".
std::vector<std::string> SubjectsOf(std::string_view name);

}  // namespace fdaudit::analyzer
