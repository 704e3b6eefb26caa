#include "analyzer/output/exports/exports.h"

#include <fmt/core.h>

namespace fdaudit::analyzer {
namespace {

struct Export {
  const char* name;
  std::string (*render)(const Report&);
};

constexpr Export kExports[] = {{"folded", RenderFolded}, {"pprof", RenderPprof}, {"perfetto", RenderPerfetto}};

const Export* Find(const std::string& name) {
  for (const Export& one : kExports) {
    if (name == one.name) return &one;
  }
  return nullptr;
}

}  // namespace

bool IsTraceFormat(const std::string& format) { return Find(format) != nullptr; }

std::string RenderExport(const Report& report, const std::string& format) {
  const Export* found = Find(format);
  return found == nullptr ? "" : found->render(report);
}

std::string FrameName(const Frame& frame) {
  if (frame.function.empty()) return fmt::format("{}+{:#x}", BaseName(frame.module), frame.offset);
  // Many a Python function is called __init__ or <module>.
  if (frame.is_python) return fmt::format("{} ({})", frame.function, BaseName(frame.file));
  return frame.function;
}

}  // namespace fdaudit::analyzer
