#include "analyzer/output/baseline.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "analyzer/detect/kinds.h"
#include "analyzer/output/document.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

using Json = nlohmann::ordered_json;

/// Told of each token in turn; keeps those of findings, which are objects in a list of the root.
class BaselineReader : public nlohmann::json_sax<Json> {
 public:
  explicit BaselineReader(const std::string& path) : path_(path) {}

  Baseline Take();

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const std::string&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool string(std::string& text) override;
  bool key(std::string& name) override;
  bool start_object(size_t) override;
  bool end_object() override;
  bool start_array(size_t) override { return ++depth_, true; }
  bool end_array() override { return --depth_, true; }
  bool parse_error(size_t place, const std::string&, const nlohmann::detail::exception&) override {
    throw TraceError(path_, place, "no valid JSON");
  }

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

bool BaselineReader::key(std::string& name) {
  if (depth_ == 1) {
    member_ = name;
    has_findings_ |= name == "findings";
  } else if (IsInFinding()) {
    field_ = name;
  }
  return true;
}

bool BaselineReader::string(std::string& text) {
  if (depth_ == 1 && member_ == "schema") schema_ = text;
  if (!IsInFinding()) return true;
  if (field_ == "id") id_ = text;
  if (field_ == "kind") finding_.kind = text;
  if (field_ == "message") finding_.message = text;
  return true;
}

bool BaselineReader::start_object(size_t) {
  ++depth_;
  if (IsInFinding()) {
    id_.clear();
    finding_ = {};
  }
  return true;
}

bool BaselineReader::end_object() {
  if (IsInFinding()) {
    if (id_.empty()) throw TraceError(path_, "a finding without 'id'");
    if (!FindKind(finding_.kind)) throw TraceError(path_, "a finding of unknown kind '" + finding_.kind + "'");
    baseline_[id_] = finding_;
  }
  --depth_;
  return true;
}

Baseline BaselineReader::Take() {
  if (const std::string problem = SchemaProblem(schema_); !problem.empty()) throw TraceError(path_, problem);
  if (!has_findings_) throw TraceError(path_, "'findings' is missing from the report");
  return std::move(baseline_);
}

}  // namespace

Baseline ReadBaseline(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw TraceError(path, strerror(errno));
  BaselineReader reader(path);
  Json::sax_parse(file, &reader);
  return reader.Take();
}

}  // namespace fdaudit::analyzer
