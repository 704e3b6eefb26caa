#pragma once

// Descriptors that somebody else than the program keeps open for good: the programmer could not fix such a leak.

#include <string>

#include "analyzer/detect/finding.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

/// Who keeps the descriptor that `opened` is about, and until when, as a clause of the message. Empty: the program
/// does.
///   - libc itself, until a function is called (getpwent, syslog …), and the modules of its name service;
///   - a library that opened it where it is set up: in its constructor, or in what pthread_once(3) runs;
///   - a library that reads random numbers;
///   - Python's multiprocessing, one or two for each process object: as many as the program has workers.
/// A library is code that is not own.
struct Keeper {
  std::string who;
  bool may_be_many = false;  ///< what would be growing in others' hands is not in these
};
Keeper KeeperOf(Model& model, const trace::Incarnation& life, const std::string& target, const StoryEvent& opened);

}  // namespace fdaudit::analyzer
