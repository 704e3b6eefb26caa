#include "analyzer/output/finding_source.h"

#include "analyzer/output/escape.h"
#include "analyzer/output/report_json.h"

namespace fdaudit::analyzer {
namespace {

template <typename Send>
JsonValue Made(Send send) {
  JsonValueMaker maker;
  send(&maker);
  return maker.Take();
}

}  // namespace

FindingSource::Brief DocumentFindings::BriefOf(size_t index) const {
  const JsonValue& finding = document_["findings"][index];
  return {finding["context"].Text(), finding["gates"].IsTrue(), finding["state"].Text() == Name(State::kNew)};
}

void DocumentFindings::Show(size_t index, const Visit& visit) const {
  visit(document_["findings"][index], document_["stacks"]);
}

ReportFindings::ReportFindings(const Report& report)
    : report_(report), head_(Made([&](JsonEvents* to) { SendReport(report, to, 0); })) {}

FindingSource::Brief ReportFindings::BriefOf(size_t index) const {
  const Finding& finding = report_.findings[index];
  return {RepairUtf8(finding.context), finding.gates, finding.state == State::kNew};
}

void ReportFindings::Show(size_t index, const Visit& visit) const {
  const Finding& finding = report_.findings[index];
  visit(Made([&](JsonEvents* to) { SendFinding(report_, finding, to); }),
        Made([&](JsonEvents* to) { SendStacks(report_, finding, to); }));
}

}  // namespace fdaudit::analyzer
