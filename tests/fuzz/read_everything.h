#pragma once

// All that the analyzer does with a trace, on bytes from anywhere. Shared by the fuzzer and the damage tests.

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "analyzer/output/events.h"
#include "analyzer/output/report.h"
#include "analyzer/trace/byte_source.h"
#include "analyzer/trace/trace_error.h"
#include "analyzer/viewer/page.h"

namespace fdaudit::testing {

/// Reads, judges and renders. True where the bytes were taken for a trace.
inline bool ReadEverything(std::string bytes) {
  try {
    std::vector<analyzer::TraceFile> files;
    files.emplace_back(analyzer::FromMemory(std::move(bytes)), "fuzz.fdaudit");
    analyzer::ModelOptions options;
    options.liveness = [](const analyzer::LiveQuery&) { return analyzer::Liveness::kGone; };
    analyzer::Model model(std::move(files), options);
    const analyzer::Report report = analyzer::MakeReport(&model, {});
    static_cast<void>(RenderText(report, true));
    static_cast<void>(RenderJson(report));
    static std::FILE* const nowhere = std::fopen("/dev/null", "we");
    static_cast<void>(RenderPage(analyzer::Document(report), &report, analyzer::PageOptions{}));
    return analyzer::WriteEvents(report, {}, nowhere);
  } catch (const analyzer::TraceError&) {
    return false;
  }
}

}  // namespace fdaudit::testing
