// The tables from which a Python frame's line is read, byte by byte: what CPython's Objects/lnotab_notes.txt
// (3.9, 3.10) and Objects/locations.md (3.11 and later) say.

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "shim/runtimes/python/line_table.h"

namespace fdaudit::testing {
namespace {

using shim::python::Direct;
using shim::python::LineAt;
using shim::python::LineTable;
using shim::python::TableReader;

int64_t Line(LineTable format, const std::vector<uint8_t>& table, int64_t offset, int64_t first_line) {
  const TableReader<Direct> reader(reinterpret_cast<uintptr_t>(table.data()), table.size());
  return LineAt(format, reader, offset, first_line);
}

uint8_t Byte(int8_t value) { return static_cast<uint8_t>(value); }

/// An entry's head: its kind, and its length in instructions.
uint8_t Head(int kind, int instructions) { return static_cast<uint8_t>(0x80 | kind << 3 | (instructions - 1)); }

TEST(PythonLines, DeltasAddUpToTheInstruction) {
  const std::vector<uint8_t> table = {6, 1, 50, 2, 4, Byte(-3)};
  EXPECT_EQ(Line(LineTable::kDeltas, table, 0, 10), 10);
  EXPECT_EQ(Line(LineTable::kDeltas, table, 4, 10), 10);
  EXPECT_EQ(Line(LineTable::kDeltas, table, 6, 10), 11);
  EXPECT_EQ(Line(LineTable::kDeltas, table, 56, 10), 13);
  EXPECT_EQ(Line(LineTable::kDeltas, table, 60, 10), 10);
}

TEST(PythonLines, LongDeltasComeInSeveralPairs) {
  // 300 bytes of code and 200 lines further on.
  const std::vector<uint8_t> table = {255, 0, 45, 127, 0, 73};
  EXPECT_EQ(Line(LineTable::kDeltas, table, 298, 1), 1);
  EXPECT_EQ(Line(LineTable::kDeltas, table, 300, 1), 201);
}

TEST(PythonLines, EmptyTableOfDeltasIsTheFirstLine) { EXPECT_EQ(Line(LineTable::kDeltas, {}, 20, 7), 7); }

TEST(PythonLines, RangesHoldUntilTheirEnd) {
  const std::vector<uint8_t> table = {4, 1, 8, 1, 2, Byte(-1)};
  EXPECT_EQ(Line(LineTable::kRanges, table, 2, 20), 21);
  EXPECT_EQ(Line(LineTable::kRanges, table, 4, 20), 22);
  EXPECT_EQ(Line(LineTable::kRanges, table, 12, 20), 21);
  EXPECT_EQ(Line(LineTable::kRanges, table, 14, 20), 0);
}

TEST(PythonLines, RangesMayHaveNoLine) {
  const std::vector<uint8_t> table = {4, 1, 4, Byte(-128), 4, 1};
  EXPECT_EQ(Line(LineTable::kRanges, table, 4, 20), 0);
  EXPECT_EQ(Line(LineTable::kRanges, table, 8, 20), 22);
}

TEST(PythonLines, ShortAndOneLineLocations) {
  // Kinds 0 to 9 stay on the line and have one byte of columns, 10 to 12 go on by 0 to 2 lines and have two.
  const std::vector<uint8_t> table = {Head(10, 1), 4, 9, Head(3, 2), 0x12, Head(12, 1), 0, 5, Head(11, 8), 1, 2};
  EXPECT_EQ(Line(LineTable::kLocations, table, 0, 30), 30);
  EXPECT_EQ(Line(LineTable::kLocations, table, 4, 30), 30);
  EXPECT_EQ(Line(LineTable::kLocations, table, 6, 30), 32);
  EXPECT_EQ(Line(LineTable::kLocations, table, 8, 30), 33);
  EXPECT_EQ(Line(LineTable::kLocations, table, 22, 30), 33);
  EXPECT_EQ(Line(LineTable::kLocations, table, 24, 30), 0);
}

TEST(PythonLines, LongLocationsHaveSignedNumbersOfAnyLength) {
  // +1000 = 2000 as unsigned: 16 + 31 * 64; -3 = 7.
  const std::vector<uint8_t> table = {Head(14, 1), 0x40 | 16, 31, 1, 2, 3, Head(13, 1), 7};
  EXPECT_EQ(Line(LineTable::kLocations, table, 0, 5), 1005);
  EXPECT_EQ(Line(LineTable::kLocations, table, 2, 5), 1002);
}

TEST(PythonLines, LocationsMayHaveNoLine) {
  const std::vector<uint8_t> table = {Head(15, 3), Head(11, 1), 0, 0};
  EXPECT_EQ(Line(LineTable::kLocations, table, 4, 5), 0);
  EXPECT_EQ(Line(LineTable::kLocations, table, 6, 5), 6);
}

TEST(PythonLines, InstructionBeforeTheFirstIsTheFirstLine) {
  EXPECT_EQ(Line(LineTable::kLocations, {Head(11, 1), 0, 0}, -2, 5), 5);
}

TEST(PythonLines, TablesLongerThanTheReadersWindow) {
  std::vector<uint8_t> table;
  for (int i = 0; i < 200; ++i) table.insert(table.end(), {2, 1});
  EXPECT_EQ(Line(LineTable::kRanges, table, 398, 0), 200);
}

}  // namespace
}  // namespace fdaudit::testing
