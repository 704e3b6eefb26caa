#include "analyzer/output/baseline.h"

#include <string>
#include <utility>

#include "analyzer/detect/kinds.h"
#include "analyzer/output/json/reader.h"
#include "analyzer/output/report_check.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

/// Receives each event in turn; keeps those of findings, which are objects in a list of the root.
class BaselineReader : public JsonEvents {
 public:
  explicit BaselineReader(const std::string& path) : path_(path) {}

  Baseline Take();

  void BeginObject() override;
  void EndObject() override;
  void BeginList() override { ++depth_; }
  void EndList() override { --depth_; }
  void Name(std::string_view name) override;
  void Null() override {}
  void Boolean(bool) override {}
  void Integer(int64_t) override {}
  void Count(uint64_t) override {}
  void Real(double) override {}
  void Text(std::string_view text) override;

 private:
  bool IsInFinding() const { return depth_ == 3 && member_ == "findings"; }

  const std::string& path_;
  int depth_ = 0;
  std::string member_;  // of the root
  std::string field_;   // of a finding
  bool has_findings_ = false;
  std::string schema_;
  std::string id_;
  KnownFinding finding_;
  Baseline baseline_;
};

void BaselineReader::Name(std::string_view name) {
  if (depth_ == 1) {
    member_ = name;
    has_findings_ |= name == "findings";
  } else if (IsInFinding()) {
    field_ = name;
  }
}

void BaselineReader::Text(std::string_view text) {
  if (depth_ == 1 && member_ == "schema") schema_ = text;
  if (!IsInFinding()) return;
  if (field_ == "id") id_ = text;
  if (field_ == "kind") finding_.kind = text;
  if (field_ == "message") finding_.message = text;
}

void BaselineReader::BeginObject() {
  ++depth_;
  if (IsInFinding()) {
    id_.clear();
    finding_ = {};
  }
}

void BaselineReader::EndObject() {
  if (IsInFinding()) {
    if (id_.empty()) throw TraceError(path_, "a finding without 'id'");
    if (!FindKind(finding_.kind)) throw TraceError(path_, "a finding of unknown kind '" + finding_.kind + "'");
    baseline_[id_] = finding_;
  }
  --depth_;
}

Baseline BaselineReader::Take() {
  if (const std::string problem = SchemaProblem(schema_); !problem.empty()) throw TraceError(path_, problem);
  if (!has_findings_) throw TraceError(path_, "'findings' is missing from the report");
  return std::move(baseline_);
}

}  // namespace

Baseline ReadBaseline(const std::string& path) {
  BaselineReader reader(path);
  ReadJson(path, &reader);
  return reader.Take();
}

}  // namespace fdaudit::analyzer
