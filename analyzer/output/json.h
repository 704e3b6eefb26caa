#pragma once

// The report's JSON (docs/report.schema.json).

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "analyzer/output/report.h"

namespace fdaudit::analyzer {

nlohmann::ordered_json ReportJson(const Report& report);
nlohmann::ordered_json GateJson(const Verdict& verdict);
/// Indented, valid UTF-8, with a line end.
std::string Dump(const nlohmann::ordered_json& json);

}  // namespace fdaudit::analyzer
