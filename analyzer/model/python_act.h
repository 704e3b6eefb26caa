#pragma once

// What the interpreter's own frames show of an act, where its symbols are there: whether it collected the object, and
// of which class that is.

#include <string>

#include "analyzer/model/frame_list.h"

namespace fdaudit::analyzer {

struct PythonAct {
  bool by_collector = false;  ///< no Python code asked for it: the object's last reference went, or a cycle was found
  std::string object;         ///< the class of the object that made the call, with its module; empty = not known
};

/// `frames`: from the innermost outwards.
PythonAct PythonActOf(const FrameList& frames);

}  // namespace fdaudit::analyzer
