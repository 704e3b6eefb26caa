// Core files, and ELF files as programs to be audited.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "analyzer/target/elf_target.h"
#include "analyzer/target/stopped_process.h"
#include "analyzer/trace/trace_error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int fd = memfd_create("core", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) return 0;
  try {
    static_cast<void>(fdaudit::analyzer::LookAtCore(path));
  } catch (const fdaudit::analyzer::TraceError&) {
  }
  static_cast<void>(fdaudit::analyzer::InspectProgram(path));
  return 0;
}
