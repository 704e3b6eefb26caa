// Writes the trace that the fuzzer begins with.

#include <fstream>

#include "tests/support/rich_trace.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::ofstream out(argv[1], std::ios::binary);
  out << fdaudit::testing::RichTrace();
  return out.flush() ? 0 : 1;
}
