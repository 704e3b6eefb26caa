#pragma once

// docs/report.schema.json, bundled when the analyzer is built: what a stored report is checked against.

namespace fdaudit::analyzer {

extern const char kReportSchema[];

}  // namespace fdaudit::analyzer
