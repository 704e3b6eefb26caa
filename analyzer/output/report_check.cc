#include "analyzer/output/report_check.h"

#include <fmt/core.h>

#include <optional>
#include <string_view>
#include <unordered_map>

#include "analyzer/output/json/reader.h"
#include "analyzer/output/json/schema.h"
#include "analyzer/output/report_schema.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

constexpr char kSchemaName[] = "fdaudit-report/1";

const JsonSchema& ReportSchema() {
  static const JsonSchema schema(ParseJson(kReportSchema, "report.schema.json"));
  return schema;
}

/// What the schema cannot say: that names lead to something.
class References {
 public:
  References(const std::string& path, const JsonValue& report) : path_(path), report_(report) {}

  void Check() {
    CheckProcesses();
    CheckFindings();
    size_t index = 0;
    for (const JsonValue& context : report_["contexts"]) {
      Process(context["process"], fmt::format("/contexts/{}/process", index++));
    }
  }

 private:
  [[noreturn]] void Fail(const std::string& pointer, const std::string& what) const {
    throw TraceError(path_, "at " + pointer + ": " + what);
  }

  void CheckProcesses();
  void CheckFindings();

  /// Null names none.
  void Process(const JsonValue& id, const std::string& pointer) const {
    if (id.IsText() && !processes_.contains(id.Text())) Fail(pointer, "there is no process '" + id.Text() + "'");
  }
  void Stack(const JsonValue& key, const std::string& pointer) const {
    if (key.IsText() && !report_["stacks"].Has(key.Text())) Fail(pointer, "there is no stack '" + key.Text() + "'");
  }

  const std::string& path_;
  const JsonValue& report_;
  std::unordered_map<std::string_view, size_t> processes_;
};

/// A process that was met on the way to an ancestor of another one is not looked at again: that takes a step each.
void References::CheckProcesses() {
  const JsonValue::List& processes = report_["processes"].Elements();
  for (size_t i = 0; i < processes.size(); ++i) {
    const std::string& id = processes[i]["id"].Text();
    if (!processes_.emplace(id, i).second) Fail(fmt::format("/processes/{}/id", i), "a second process '" + id + "'");
  }
  std::vector<size_t> met(processes.size(), 0);  // by whose walk, + 1
  for (size_t i = 0; i < processes.size(); ++i) {
    for (size_t at = i; met[at] == 0;) {
      met[at] = i + 1;
      const std::string pointer = fmt::format("/processes/{}/parent", at);
      const JsonValue& parent = processes[at]["parent"];
      Process(parent, pointer);
      if (parent.IsNull()) break;
      at = processes_.at(parent.Text());
      if (met[at] == i + 1) Fail(pointer, "'" + parent.Text() + "' is its own ancestor");
    }
  }
}

void References::CheckFindings() {
  size_t index = 0;
  for (const JsonValue& finding : report_["findings"]) {
    const std::string place = fmt::format("/findings/{}", index++);
    size_t inner = 0;
    for (const JsonValue& id : finding["processes"]) Process(id, fmt::format("{}/processes/{}", place, inner++));
    inner = 0;
    for (const JsonValue& event : finding["events"]) {
      const std::string pointer = fmt::format("{}/events/{}", place, inner++);
      Process(event["process"], pointer + "/process");
      Stack(event["stack"], pointer + "/stack");
    }
    if (finding["deciding"].Count() >= finding["events"].size()) Fail(place + "/deciding", "there is no such event");
    inner = 0;
    for (const JsonValue& closer : finding["siblings"]["closers"]) {
      Stack(closer["stack"], fmt::format("{}/siblings/closers/{}/stack", place, inner++));
    }
  }
}

}  // namespace

void CheckReport(const std::string& path, JsonValue* report) {
  if (const std::string problem = SchemaProblem((*report)["schema"].Text()); !problem.empty()) {
    throw TraceError(path, problem);
  }
  if (const std::optional<SchemaViolation> found = ReportSchema().Check(report)) {
    throw TraceError(path, (found->pointer.empty() ? "" : "at " + found->pointer + ": ") + found->what);
  }
  References(path, *report).Check();
}

std::string SchemaProblem(const std::string& schema) {
  if (schema.empty()) return "no fdaudit report (run `fdaudit report -f json`)";
  return schema == kSchemaName ? "" : "a report of schema '" + schema + "'; this version reads fdaudit-report/1";
}

}  // namespace fdaudit::analyzer
