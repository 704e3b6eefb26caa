// What people write by hand: .fdaudit.toml, suppressions; and perf maps, which compilers write.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "analyzer/commands/gate_options.h"
#include "analyzer/gate/suppressions.h"
#include "analyzer/symbols/perf_map.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int fd = memfd_create("settings", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) return 0;
  std::string problem;
  fdaudit::analyzer::Configuration configuration;
  static_cast<void>(ReadConfiguration(path, &configuration, &problem));
  problem.clear();
  static_cast<void>(fdaudit::analyzer::ReadSuppressions(path, &problem));
  fdaudit::analyzer::PerfMap map;
  map.Parse(std::string_view(reinterpret_cast<const char*>(data), size));
  static_cast<void>(map.Find(0x1000));
  return 0;
}
