#pragma once

// What only the end of the program closes. An interpreter, a static object's destructor and a collector empty the table
// when the program ends: what was kept until then was left by whoever opened it, as much as what is still open.

#include <unordered_map>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

class ProgramEnd {
 public:
  enum class Closes {
    kNot,
    kWithOwner,  ///< a static object of the program's own class ended, and what it has with it: a pool, or a cache
    kAlone,      ///< nobody's own code had a part in it
  };

  explicit ProgramEnd(Model& model) : model_(model) {}

  /// Whether the close that ended `life` was made by the end of the program: by the shutdown of an interpreter, by
  /// exit(3)'s handlers and static destructors. Not where code of the program's own, or of a library's, closes what it
  /// has kept (a pool, a log), which is how it should be.
  Closes Closed(const Process& process, const trace::Incarnation& life);
  /// The same of a call path.
  Closes Makes(PathId closing);
  /// Whether a call path leads through the end of the program, whoever acts there.
  static bool LeadsThrough(Model& model, PathId path);

 private:
  Closes Judge(PathId path);

  Model& model_;
  std::unordered_map<PathId, Closes> known_;
};

}  // namespace fdaudit::analyzer
