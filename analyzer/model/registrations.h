#pragma once

// What the epoll sets of the processes watch, as of the end (or of now, where a process still runs). A registration
// counts only while both numbers are what they were when it was made.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

class Registrations {
 public:
  explicit Registrations(const Model& model);

  static constexpr int kSomewhere = -1;

  /// The live epoll set that watches a number; kSomewhere where it is not known which one.
  std::optional<int> SetOf(ProcessIndex process, int fd) const;

  /// "watches 5, 6, 9 and 12 more"; empty where nothing is known to be registered in it.
  std::string WhatWatches(ProcessIndex process, int set) const;

 private:
  void Add(const Model& model, ProcessIndex process, int fd, uint16_t registered_in, uint32_t life);

  std::unordered_map<uint64_t, int> sets_;                            // process << 32 | number -> set
  std::map<std::pair<ProcessIndex, int>, std::vector<int>> watched_;  // process, set -> numbers
};

}  // namespace fdaudit::analyzer
