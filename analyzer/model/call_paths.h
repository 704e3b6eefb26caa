#pragma once

// Call paths: each distinct one once, whichever process and trace file it comes from, so that "the same call path" is
// one comparison. Symbolized on demand, each distinct frame once.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "analyzer/model/frame_list.h"
#include "analyzer/model/process.h"
#include "analyzer/symbols/symbolizer.h"
#include "analyzer/trace/trace_file.h"

namespace fdaudit::analyzer {

using PathId = uint32_t;
inline constexpr PathId kNoPath = 0;

/// Names an address of a module, as Symbolizer::Lookup does.
using SymbolLookup = std::function<std::vector<SymbolFrame>(const ModuleRef&, uint64_t)>;
/// Names an address of code that a process made at run time; empty = unknown.
using CodeLookup = std::function<std::string(ProcessIndex process, uint64_t address)>;

class CallPaths {
 public:
  CallPaths(const std::vector<TraceFile>& files, SymbolLookup lookup, CodeLookup code_lookup);

  /// Modules whose frames were looked up so far.
  std::vector<ModuleRef> NamedModules() const;
  /// All programs and libraries that any process had loaded.
  std::vector<ModuleRef> Modules();

  /// The path of stack number `stack` of a trace file; kNoPath where none was recorded, or it is damaged.
  /// `process`: the one that it was recorded in, which alone can name code made at run time.
  PathId Intern(uint32_t file, uint32_t stack, ProcessIndex process = kNoProcess);

  /// Frames from the innermost outwards, inlined ones included. Empty for kNoPath.
  const FrameList& Frames(PathId path);
  /// The same, unnamed and without inlined frames: cheap.
  std::vector<Frame> RawFrames(PathId path) const;
  /// Equal for the same path in another run or on another machine, but for code made at run time.
  uint64_t Hash(PathId path) const { return paths_[path].hash; }
  uint16_t Flags(PathId path) const { return paths_[path].flags; }  ///< trace::StackFlags
  /// True where some frame is code made at run time: the path of another process even where the addresses are equal.
  bool IsOfOneProcess(PathId path) const;

  /// The innermost frame that is neither runtime code nor a helper, else not runtime code, else the innermost of all;
  /// null for an empty path. The innermost `skipped` frames are passed over as helpers are.
  const Frame* Location(PathId path, size_t skipped = 0);

  /// Functions that open or close for others, from now on: as their frames name them, with module and source file; and
  /// those that the user names, with or without what qualifies them.
  using Helper = std::tuple<std::string, std::string, std::string>;
  void SetHelpers(std::set<Helper> helpers, std::set<std::string, std::less<>> names);

  /// True where a sanitizer's runtime made the call for itself (to a program that names addresses, say), rather than
  /// passed on one of the program's.
  bool IsSanitizersOwn(PathId path);

  /// True where both paths are of one function, by their locations. False where that can't be known.
  bool InSameFunction(PathId a, PathId b);

 private:
  struct Module {
    ModuleRef ref;
    uint64_t hash = 0;
    bool was_named = false;
    ProcessIndex code_of = kNoProcess;  ///< not a file but the code that this process made
    bool preloaded = false;
    bool is_python = false;  ///< a Python function: ref.path is its source file
    int first_line = 0;      ///< of a Python function
    bool is_interpreter = false;
    std::string function = {};
  };
  struct RawFrame {
    uint32_t module;  // index in modules_; 0 = none
    uint64_t offset;  // inside the call; a Python function's line
    bool operator<(const RawFrame& other) const {
      return module != other.module ? module < other.module : offset < other.offset;
    }
  };
  struct Path {
    std::vector<RawFrame> raw;
    FrameList frames;
    uint64_t hash = 0;
    uint16_t flags = 0;
    bool named = false;
    bool has_bare_addresses = false;
  };

  RawFrame Decode(uint32_t file, uint64_t word);
  uint32_t InternModule(uint32_t file, uint32_t module);
  uint32_t InternPython(uint32_t file, uint32_t code);
  PathId InternFrames(uint32_t file, const std::vector<uint64_t>& words, uint16_t flags);
  PathId InternPath(Path path);
  std::vector<RawFrame> WithoutPlumbing(const std::vector<RawFrame>& raw) const;
  PathId InProcess(PathId path, ProcessIndex process);
  Frame PythonFrame(const RawFrame& raw) const;
  const std::vector<Frame>& NameFrame(const RawFrame& raw);
  const Frame& AsRuntime(const Frame& frame);
  bool IsHelper(const Frame& frame) const;

  const std::vector<TraceFile>& files_;
  SymbolLookup lookup_;
  CodeLookup code_lookup_;
  std::set<std::string, std::less<>> intercepted_;
  std::set<Helper> helpers_;
  std::set<std::string, std::less<>> helper_names_;
  std::vector<Module> modules_ = std::vector<Module>(1);
  std::map<std::pair<std::string, std::vector<uint8_t>>, uint32_t> module_ids_;
  std::unordered_map<uint64_t, uint32_t> module_of_;                    // file << 32 | index in the file
  std::map<std::pair<std::string, std::string>, uint32_t> python_ids_;  // source file, function
  std::unordered_map<uint64_t, uint32_t> python_of_;                    // file << 32 | code number
  std::deque<Path> paths_ = std::deque<Path>(1);      // a deque: frames handed out must stay where they are
  std::map<std::vector<RawFrame>, PathId> path_ids_;  // of frames without plumbing
  std::unordered_map<uint64_t, PathId> path_of_;      // file << 32 | stack number
  std::map<std::pair<PathId, ProcessIndex>, PathId> in_process_;
  std::map<ProcessIndex, uint32_t> code_modules_;
  std::map<RawFrame, std::vector<Frame>> named_;  // inlined ones first
  std::map<const Frame*, Frame> as_runtime_;      // by the frame that it is a copy of
};

}  // namespace fdaudit::analyzer
