// libFuzzer entry: clang++ -fsanitize=fuzzer,address,undefined. `make fuzz` builds it. The same code runs on mutations
// of a good trace in the unit tests (TraceFile.FlippedBytesNeverCrash), with any compiler.

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/fuzz/read_everything.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fdaudit::testing::ReadEverything(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
