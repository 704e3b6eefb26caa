#pragma once

// What the page's charts show: open descriptors over time, call paths that held them, and the biographies of numbers,
// summed up before they are written. The script (web/page.js) is its only reader.

#include "analyzer/output/json/value.h"
#include "analyzer/output/report.h"

namespace fdaudit::analyzer {

/// At most some megabytes, whatever the trace holds; "omitted" says what was left out.
JsonValue HistoryJson(const Report& report);

}  // namespace fdaudit::analyzer
