#pragma once

// A report from inside (fdaudit_report_now): the analyzer is started on the trace that this process writes to, and
// waited for.

namespace fdaudit::shim {

/// 0, or -1 where nothing is recorded, or the report could not be written.
int ReportNow(const char* path);

}  // namespace fdaudit::shim
