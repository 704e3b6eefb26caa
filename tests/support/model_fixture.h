#pragma once

// A model of a made-up trace, with functions named by where they lie instead of by an ELF file.

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "analyzer/detect/detectors.h"
#include "analyzer/model/model.h"
#include "analyzer/trace/byte_source.h"
#include "tests/support/trace_builder.h"

namespace fdaudit::testing {

/// Names of functions: each begins at a multiple of 0x100, its line is what lies above that.
class FunctionTable {
 public:
  /// The return address of a call in line `line` of `function`.
  uint64_t In(const std::string& function, int line) {
    const auto [known, is_new] = starts_.try_emplace(function, 0x1000 * (starts_.size() + 1));
    names_[known->second] = function;
    std::vector<int>& lines = calls_[known->second];
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
    return known->second + static_cast<uint64_t>(line) + 1;
  }

  std::vector<analyzer::SymbolFrame> Lookup(const analyzer::ModuleRef&, uint64_t address) const {
    const auto found = names_.find(address / 0x1000 * 0x1000);
    if (found == names_.end()) return {analyzer::SymbolFrame{}};
    const int line = static_cast<int>(address % 0x1000);
    const std::vector<int>& lines = calls_.at(found->first);
    const auto site = static_cast<uint64_t>(std::find(lines.begin(), lines.end(), line) - lines.begin()) + 1;
    return {{found->second, "/src/app.c", line, false, 0, site}};
  }

 private:
  std::map<std::string, uint64_t> starts_;
  std::map<uint64_t, std::string> names_;
  std::map<uint64_t, std::vector<int>> calls_;  // lines, in the order of the code
};

/// A trace with one program in it, and what the detectors say about it.
struct Scene {
  TraceBuilder trace;
  FunctionTable functions;
  uint32_t app = trace.AddModule("/home/me/app");
  uint32_t libc = trace.AddModule("/lib/x86_64-linux-gnu/libc.so.6");
  analyzer::Liveness liveness = analyzer::Liveness::kGone;
  std::unique_ptr<analyzer::Model> model;

  /// The stack of a call in `function`, called by main, called by libc.
  uint32_t Stack(const std::string& function, int line) {
    return trace.AddStack({{app, functions.In(function, line)}, {app, functions.In("main", 90)}, {libc, 0x27249}});
  }

  analyzer::Model& Load() {
    std::vector<analyzer::TraceFile> files;
    files.emplace_back(analyzer::FromMemory(trace.Bytes()), "test.fdaudit");
    return LoadFiles(std::move(files));
  }

  analyzer::Model& LoadFiles(std::vector<analyzer::TraceFile> files) {
    analyzer::ModelOptions options;
    options.lookup = [this](const analyzer::ModuleRef& module, uint64_t address) {
      return functions.Lookup(module, address);
    };
    options.liveness = [this](const analyzer::LiveQuery&) { return liveness; };
    model = std::make_unique<analyzer::Model>(std::move(files), std::move(options));
    return *model;
  }

  std::vector<analyzer::Finding> Detect() { return analyzer::Detect(Load(), {}); }
};

}  // namespace fdaudit::testing
