#pragma once

// The report that all formats render: what the model says, what the detectors found, and the sums.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "analyzer/detect/detectors.h"
#include "analyzer/detect/finding.h"
#include "analyzer/detect/left_open.h"
#include "analyzer/gate/gate.h"
#include "analyzer/model/model.h"
#include "analyzer/output/json/text.h"

namespace fdaudit::analyzer {

struct Report {
  Model* model = nullptr;
  std::vector<Finding> findings;  // the worst first
  std::array<uint64_t, kKinds> by_kind{};
  std::array<uint64_t, 3> by_severity{};
  std::vector<ContextLeft> contexts;  // what tests and other contexts left open
  std::string ignore_before;          // checkpoint; empty = nothing was left out
  uint64_t left_out = 0;              // descriptors whose findings lie before it
  bool has_baseline = false;          // something was known before
  Verdict gate;
};

/// Runs the detectors, judges by `policy` and sums up. `model` must outlive the report.
Report MakeReport(Model* model, const DetectOptions& options, const Policy& policy = {});

/// The findings as the gate sees them, in their order.
std::vector<Subject> Subjects(const Report& report);

/// What --ignore-before has done.
std::string DescribeLeftOut(const Report& report);

/// The report as JSON: finding by finding, because a document of many takes ten times its size in memory.
void WriteJson(const Report& report, const Sink& sink);
/// The same, and the report as text, at once.
std::string RenderJson(const Report& report);
std::string RenderText(const Report& report, bool color);

/// "2026-01-01T00:00:00Z".
std::string FormatTime(int64_t realtime_ns);

}  // namespace fdaudit::analyzer
