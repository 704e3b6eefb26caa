// What tells one place in a function from another: calls by their target, lines by their text.

#include "analyzer/symbols/call_site.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "analyzer/symbols/source_file.h"
#include "tests/support/workshop.h"

namespace fdaudit::testing {
namespace {

using analyzer::CallSite;
using analyzer::NormalisedLine;

constexpr uint64_t kStart = 0x401000;

/// Appends a call of `target` (E8 rel32) to a function's code.
void Call(std::string* code, uint64_t target) {
  const auto offset = static_cast<int32_t>(target - (kStart + code->size() + 5));
  *code += '\xe8';
  code->append(reinterpret_cast<const char*>(&offset), sizeof offset);
}

TEST(CallSites, AreCountedByTheirTarget) {
  std::string code = "\x55\x48\x89\xe5";
  Call(&code, 0x400500);
  EXPECT_EQ(CallSite(EM_X86_64, code, kStart), 1u);
  Call(&code, 0x400900);
  EXPECT_EQ(CallSite(EM_X86_64, code, kStart), 1u);  // the first of that one
  code += "\x90\x90\x90";
  Call(&code, 0x400500);
  EXPECT_EQ(CallSite(EM_X86_64, code, kStart), 2u);
}

TEST(CallSites, OfOtherCallsHaveTheirPlaceAlone) {
  const std::string through_register = "\x55\xff\xd0";
  EXPECT_EQ(CallSite(EM_X86_64, through_register, kStart), uint64_t{1} << 63 | 3);
  EXPECT_EQ(CallSite(EM_RISCV, through_register, kStart), 0u);
  EXPECT_EQ(CallSite(EM_X86_64, "", kStart), 0u);
}

TEST(CallSites, OfArm) {
  std::string code;
  const auto add = [&code](uint32_t word) { code.append(reinterpret_cast<const char*>(&word), sizeof word); };
  add(0x94000010);  // bl +0x40
  EXPECT_EQ(CallSite(EM_AARCH64, code, kStart), 1u);
  add(0x9400000f);  // the same target
  EXPECT_EQ(CallSite(EM_AARCH64, code, kStart), 2u);
}

TEST(SourceLines, CommentsAndBlanksSayNothing) {
  EXPECT_EQ(NormalisedLine("  int fd = open(path, 0);  // why", false),
            NormalisedLine("int  fd=open( path,0 );", false));
  EXPECT_NE(NormalisedLine("int fd;", false), NormalisedLine("intfd;", false));
  EXPECT_EQ(NormalisedLine("puts(\"a  // b\"); /* c */ done();", false), "puts(\"a  // b\");done();");
  EXPECT_EQ(NormalisedLine("fd = os.open(path, 0)  # why", true), "fd=os.open(path,0)");
  EXPECT_EQ(NormalisedLine("// nothing", false), "");
}

TEST(SourceLines, EqualOnesAreCountedFromTheFunctionsStart) {
  Workshop shop;
  shop.Write("a.c", "void f(void) {\n  g();\n}\nvoid h(void) {\n  g();\n  k();\n  g();  // again\n}\n");
  analyzer::SourceLines lines;
  const auto first = lines.Find(shop.Path("a.c"), 4, 5);
  const auto second = lines.Find(shop.Path("a.c"), 4, 7);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->text, second->text);
  EXPECT_EQ(first->ordinal, 0u);
  EXPECT_EQ(second->ordinal, 1u);
  EXPECT_FALSE(lines.Find(shop.Path("a.c"), 1, 99));
  EXPECT_FALSE(lines.Find("/dev/zero", 1, 1));
}

}  // namespace
}  // namespace fdaudit::testing
