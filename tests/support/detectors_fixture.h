#pragma once

// Made-up histories of one program, for tests of what the detectors say about them.

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "analyzer/detect/kinds.h"
#include "tests/support/model_fixture.h"

namespace fdaudit::testing {

inline std::vector<std::string> Roles(const analyzer::Finding& finding) {
  std::vector<std::string> roles;
  for (const analyzer::StoryEvent& event : finding.events) roles.emplace_back(Name(event.role));
  return roles;
}

using Texts = std::vector<std::string>;

/// A scene with one image.
class Detectors : public ::testing::Test {
 protected:
  trace::Act Act(const std::string& call, const std::string& function, int line, uint32_t thread = 0) {
    trace::Act act = trace().MakeAct(image_, call, Stack(function, line));
    if (thread != 0) act.thread = thread;
    return act;
  }

  /// One number for each place, as the shim has.
  uint32_t Stack(const std::string& function, int line) {
    uint32_t& stack = stacks_[function + ":" + std::to_string(line)];
    return stack != 0 ? stack : stack = scene_.Stack(function, line);
  }

  void Leak(int fd, const std::string& function, int line) {
    trace().AddOpenSlot(image_, fd, Act("open", function, line), "/etc/app.conf");
  }

  TraceBuilder& trace() { return scene_.trace; }
  trace::ImageRecord& image() { return trace().Image(image_); }

  Scene scene_;
  std::map<std::string, uint32_t> stacks_;
  uint32_t image_ = scene_.trace.AddImage();
};

}  // namespace fdaudit::testing
