#include "analyzer/output/report.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <ctime>

namespace fdaudit::analyzer {

Report MakeReport(Model* model, const DetectOptions& options) {
  Report report;
  report.model = model;
  report.findings = Detect(*model, options);
  for (const Finding& finding : report.findings) {
    ++report.by_kind[static_cast<size_t>(finding.kind)];
    ++report.by_severity[static_cast<size_t>(finding.severity)];
    report.gate.failed |= finding.gates;
  }
  report.gate.new_findings = report.findings.size();  // baselines and suppressions don't exist yet
  return report;
}

std::string FormatTime(int64_t realtime_ns) {
  const auto seconds = static_cast<time_t>(realtime_ns / 1000000000);
  tm parts = {};
  if (gmtime_r(&seconds, &parts) == nullptr) return "1970-01-01T00:00:00Z";
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", parts);
}

}  // namespace fdaudit::analyzer
