// Stored reports: read, checked, merged with themselves, judged and rendered in every format.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "analyzer/gate/gate.h"
#include "analyzer/output/baseline.h"
#include "analyzer/output/document.h"
#include "analyzer/trace/trace_error.h"
#include "analyzer/viewer/page.h"

namespace {

using fdaudit::analyzer::Document;

void ReadReport(const std::string& path) {
  Document document = Document::Read(path);
  document.Merge(Document::Read(path));
  std::vector<fdaudit::analyzer::Subject> subjects = document.Subjects();
  const fdaudit::analyzer::Verdict verdict = Judge(fdaudit::analyzer::Policy(), document.Lost(), &subjects);
  document.SetVerdict(subjects, verdict);
  for (const char* format : {"json", "sarif", "junit", "github", "gitlab", "markdown"}) {
    Render(document, format, {}, [](std::string_view) {});
  }
  static_cast<void>(RenderPage(document, nullptr, fdaudit::analyzer::PageOptions{}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int fd = memfd_create("report", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) return 0;
  try {
    ReadReport(path);
  } catch (const fdaudit::analyzer::TraceError&) {
  }
  try {
    static_cast<void>(fdaudit::analyzer::ReadBaseline(path));
  } catch (const fdaudit::analyzer::TraceError&) {
  }
  return 0;
}
