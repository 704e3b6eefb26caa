#include "analyzer/output/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>

#include "analyzer/output/escape.h"

namespace fdaudit::analyzer {

Report MakeReport(Model* model, const DetectOptions& options, const Policy& policy) {
  Report report;
  report.model = model;
  report.ignore_before = options.ignore_before;
  report.has_baseline = !policy.baseline.empty();
  report.findings = Detect(*model, options, &report.left_out);
  report.contexts = FindLeftOpen(*model);
  for (const Finding& finding : report.findings) {
    ++report.by_kind[static_cast<size_t>(finding.kind)];
    ++report.by_severity[static_cast<size_t>(finding.severity)];
  }
  std::vector<Subject> subjects = Subjects(report);
  report.gate = Judge(policy, model->session().lost, &subjects);
  for (size_t i = 0; i < subjects.size(); ++i) {
    report.findings[i].state = subjects[i].state;
    report.findings[i].gates = subjects[i].gates;
  }
  return report;
}

std::vector<Subject> Subjects(const Report& report) {
  std::vector<Subject> subjects;
  for (const Finding& finding : report.findings) {
    Subject subject{
        finding.id, finding.kind, finding.severity, finding.own,   finding.count, RepairUtf8(finding.message),
        {},         {},           finding.includes, finding.state, finding.gates};
    subject.traits.is_growing = finding.growing;
    const PathId path = finding.events[finding.deciding].path;
    if (path != kNoPath) subject.traits.frames = &report.model->paths().Frames(path);
    if (finding.location) {
      subject.traits.location = &*finding.location;
      subject.place = RepairUtf8(Describe(*finding.location));
    }
    for (const DescriptorNote& note : finding.descriptors) subject.traits.targets.push_back(note.target);
    subjects.push_back(std::move(subject));
  }
  return subjects;
}

std::string DescribeLeftOut(const Report& report) {
  if (!report.model->Reaches(report.ignore_before)) {
    return fmt::format("nothing is left out: no process reached the checkpoint \"{}\"", report.ignore_before);
  }
  return fmt::format("{} left out: before the checkpoint \"{}\"",
                     report.left_out == 1 ? "1 descriptor is" : fmt::format("{} descriptors are", report.left_out),
                     report.ignore_before);
}

std::string FormatTime(int64_t realtime_ns) {
  const auto seconds = static_cast<time_t>(realtime_ns / 1000000000);
  tm parts = {};
  if (gmtime_r(&seconds, &parts) == nullptr) return "1970-01-01T00:00:00Z";
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

}  // namespace fdaudit::analyzer
