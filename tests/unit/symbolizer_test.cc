#include "analyzer/symbols/symbolizer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/support/workshop.h"

namespace fdaudit::analyzer {
namespace {

using testing::Fixture;
using testing::HasTool;
using testing::LineOf;
using testing::Workshop;

std::string Tool(const char* variable, const char* otherwise) {
  const char* value = std::getenv(variable);
  return value && *value ? value : otherwise;
}

/// A library of one fixture.
class SymbolizerTest : public ::testing::Test {
 protected:
  void Build(const std::string& fixture, const std::string& flags, const std::string& compiler = Tool("CC", "gcc")) {
    shop_.Run(compiler + " -O2 -fPIC -shared -Wl,--build-id=sha1 " + flags + " -o lib.so " + Fixture(fixture));
  }
  void BuildInlines(const std::string& flags, const std::string& compiler = Tool("CC", "gcc")) {
    Build("inlines.c", flags, compiler);
  }
  uint64_t Address(const std::string& symbol) const { return shop_.Address("lib.so", symbol); }
  ModuleRef Module() const { return {shop_.Path("lib.so"), shop_.BuildId("lib.so")}; }

  std::vector<SymbolFrame> Lookup(const ModuleRef& module, uint64_t address, Symbolizer::Options options = {}) {
    return Symbolizer(std::move(options)).Lookup(module, address);
  }
  std::string Name(const ModuleRef& module, uint64_t address, Symbolizer::Options options = {}) {
    return Lookup(module, address, std::move(options)).back().function;
  }

  void ExpectInlinedChain() {
    std::vector<SymbolFrame> frames = Lookup(Module(), Address("mark_inner"));
    ASSERT_EQ(frames.size(), 3u);
    const char* names[] = {"Inner", "Middle", "Outer"};
    const char* marks[] = {"inner", "middle", "outer"};
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(frames[i].function, names[i]);
      EXPECT_EQ(frames[i].file, Fixture("inlines.c"));
      EXPECT_EQ(frames[i].line, LineOf("inlines.c", marks[i]));
      EXPECT_EQ(frames[i].is_inlined, i < 2);
    }
    EXPECT_EQ(Name(Module(), Address("mark_hidden")), "Hidden");
  }

  /// Splits the debug information off into lib.debug and strips the library.
  void SplitOff() { shop_.Run("cp lib.so whole.so && objcopy --only-keep-debug lib.so lib.debug && strip lib.so"); }
  void ExpectHiddenIsFound(Symbolizer::Options options = {}) {
    std::vector<SymbolFrame> frames = Lookup(Module(), shop_.Address("whole.so", "mark_hidden"), std::move(options));
    EXPECT_EQ(frames[0].function, "Hidden");
    EXPECT_EQ(frames[0].line, LineOf("inlines.c", "hidden"));
  }
  void MoveToBuildId(const std::string& file, const std::string& dir, const std::string& suffix) {
    std::string id;
    for (uint8_t byte : Module().build_id) {
      char hex[3];
      std::snprintf(hex, sizeof(hex), "%02x", byte);
      id += hex;
    }
    std::string folder = dir + "/.build-id/" + id.substr(0, 2);
    shop_.Run("mkdir -p " + folder + " && mv " + file + " " + folder + "/" + id.substr(2) + suffix);
  }

  Workshop shop_;
};

/// 4,000 functions share one list of 4,000 ranges: 16 million extents, of 84 KB.
constexpr const char* kGreedy = R"(
  .text
  .globl here
here:
  .skip 0x20000
  .section .debug_abbrev,"",@progbits
  .uleb128 1, 0x11
  .byte 1
  .uleb128 0x55, 0x17, 0, 0
  .uleb128 2, 0x2e
  .byte 0
  .uleb128 0x55, 0x17, 0, 0
  .byte 0
  .section .debug_ranges,"",@progbits
  .set at, 16
  .rept 4000
  .quad at, at + 4
  .set at, at + 8
  .endr
  .quad 0, 0
  .section .debug_info,"",@progbits
  .long end - start
start:
  .value 4
  .long 0
  .byte 8
  .uleb128 1
  .long 0
  .rept 4000
  .uleb128 2
  .long 0
  .endr
  .byte 0
end:
)";

TEST_F(SymbolizerTest, AFileThatTakesTooMuchIsRefusedAndOthersAreRead) {
  BuildInlines("-g");
  shop_.Write("greedy.s", kGreedy);
  shop_.Run("gcc -shared -nostdlib -o greedy.so greedy.s");
  const ModuleRef greedy{shop_.Path("greedy.so"), {}};
  {
    Symbolizer symbolizer({});
    EXPECT_EQ(symbolizer.Lookup(Module(), Address("mark_hidden")).back().function, "Hidden");
    const std::vector<SymbolFrame> frames = symbolizer.Lookup(greedy, 0x1010);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].function, "");
    EXPECT_NE(symbolizer.Problem(greedy).find("more memory or time"), std::string::npos) << symbolizer.Problem(greedy);
    EXPECT_EQ(symbolizer.Lookup(Module(), Address("mark_inner")).size(), 3u);
    EXPECT_EQ(symbolizer.Problem(Module()), "");
  }
  rusage children = {};
  getrusage(RUSAGE_CHILDREN, &children);
  EXPECT_LT(children.ru_maxrss, 1 << 20);  // KB
}

TEST_F(SymbolizerTest, InlinedCallsOfGcc) {
  for (const char* flags : {"-g", "-gdwarf-4", "-gdwarf-5", "-g1", "-g -gz", "-g -flto", "-gdwarf-5 -gsplit-dwarf"}) {
    SCOPED_TRACE(flags);
    BuildInlines(flags, "gcc");
    ExpectInlinedChain();
  }
}

TEST_F(SymbolizerTest, InlinedCallsOfClangWhichWritesNoAranges) {
  if (!HasTool("clang")) GTEST_SKIP() << "no clang";
  for (const char* flags : {"-g", "-gdwarf-4", "-gdwarf-5", "-gmlt", "-gdwarf-5 -gsplit-dwarf"}) {
    SCOPED_TRACE(flags);
    BuildInlines(flags, "clang");
    ExpectInlinedChain();
  }
}

TEST_F(SymbolizerTest, ObjectsWithAndWithoutArangesInOneModule) {
  if (!HasTool("clang")) GTEST_SKIP() << "no clang";
  shop_.Write("other.c", "int Other(int value);\nint Other(int value) { return value + 1; }\n");
  shop_.Run("gcc -g -O2 -fPIC -c other.c && clang -g -O2 -fPIC -c " + Fixture("inlines.c"));
  shop_.Run("gcc -shared -Wl,--build-id=sha1 -o lib.so other.o inlines.o");
  ExpectInlinedChain();
  EXPECT_EQ(Lookup(Module(), Address("Other"))[0].line, 2);
}

TEST_F(SymbolizerTest, RelativeSourcesBecomeAbsolute) {
  shop_.Run("mkdir -p src/sub && cp " + Fixture("inlines.c") + " src/");
  for (const char* flags : {"-gdwarf-4", "-gdwarf-5"}) {
    shop_.Run("cd src && gcc -O2 -fPIC -shared " + std::string(flags) + " -o ../lib.so sub/../inlines.c");
    std::vector<SymbolFrame> frames = Lookup(Module(), Address("mark_inner"));
    ASSERT_EQ(frames.size(), 3u);
    for (const SymbolFrame& frame : frames) EXPECT_EQ(frame.file, shop_.Path("src/inlines.c")) << flags;
  }
}

TEST_F(SymbolizerTest, WithoutDebugInformationSymbolsRemain) {
  BuildInlines("");
  std::vector<SymbolFrame> frames = Lookup(Module(), Address("mark_inner"));
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].function, "Outer");
  EXPECT_EQ(frames[0].file, "");
  EXPECT_EQ(Name(Module(), Address("mark_hidden")), "Hidden");
}

TEST_F(SymbolizerTest, StaticFunctionOfAStrippedLibraryIsNotNamedByItsNeighbour) {
  BuildInlines("-g");
  uint64_t hidden = Address("mark_hidden"), inner = Address("mark_inner"), after = Address("mark_after");
  shop_.Run("strip lib.so");
  std::vector<SymbolFrame> frames = Lookup(Module(), hidden);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].function, "");
  EXPECT_EQ(Name(Module(), inner), "Outer");
  EXPECT_EQ(Name(Module(), after), "After");
}

TEST_F(SymbolizerTest, AddressesOutsideOfEveryFunctionHaveNoName) {
  BuildInlines("-g");
  for (uint64_t address : {uint64_t{0}, uint64_t{1}, uint64_t{0x7fffffff}, ~uint64_t{0}}) {
    std::vector<SymbolFrame> frames = Lookup(Module(), address);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].function, "") << address;
    EXPECT_EQ(frames[0].line, 0) << address;
  }
}

TEST_F(SymbolizerTest, DebugFileBesideTheLibraryIsFoundByItsLink) {
  BuildInlines("-g");
  SplitOff();
  shop_.Run("objcopy --add-gnu-debuglink=lib.debug lib.so");
  ExpectHiddenIsFound();
  shop_.Run("mkdir .debug && mv lib.debug .debug/");
  ExpectHiddenIsFound();
  shop_.Run("mkdir elsewhere && mv .debug/lib.debug elsewhere/");
  ExpectHiddenIsFound({.sysroot = "", .debug_dirs = {shop_.Path("elsewhere")}});
}

TEST_F(SymbolizerTest, DebugFileOfAnotherBuildIsNotTaken) {
  BuildInlines("-g");
  uint64_t hidden = Address("mark_hidden");
  SplitOff();
  shop_.Run("objcopy --add-gnu-debuglink=lib.debug lib.so && cp lib.so kept.so");
  BuildInlines("-g -O0");
  shop_.Run("objcopy --only-keep-debug lib.so lib.debug && mv kept.so lib.so");
  EXPECT_EQ(Name(Module(), hidden), "");
}

TEST_F(SymbolizerTest, DebugFileIsFoundByBuildId) {
  BuildInlines("-g");
  SplitOff();
  MoveToBuildId("lib.debug", "symbols", ".debug");
  ExpectHiddenIsFound({.sysroot = "", .debug_dirs = {shop_.Path("nowhere"), shop_.Path("symbols")}});
}

TEST_F(SymbolizerTest, DebugFileAloneServesForALibraryThatIsGone) {
  BuildInlines("-g");
  SplitOff();
  MoveToBuildId("lib.debug", "symbols", ".debug");
  ModuleRef gone = {"/nowhere/lib.so", Module().build_id};
  Symbolizer symbolizer({.sysroot = "", .debug_dirs = {shop_.Path("symbols")}});
  EXPECT_EQ(symbolizer.Lookup(gone, shop_.Address("whole.so", "mark_hidden"))[0].function, "Hidden");
  EXPECT_EQ(symbolizer.Problem(gone), "");
}

TEST_F(SymbolizerTest, ALibraryThatIsGoneIsFoundByBuildId) {
  for (const char* flags : {"-g", "-g -Wl,-Ttext-segment=0x400000"}) {
    BuildInlines(flags);
    ModuleRef gone = {"/nowhere/lib.so", Module().build_id};
    uint64_t inner = Address("mark_inner"), end = Address("_fini");
    MoveToBuildId("lib.so", "symbols", "");
    Symbolizer symbolizer({.sysroot = "", .debug_dirs = {shop_.Path("symbols")}});
    std::vector<SymbolFrame> frames = symbolizer.Lookup(gone, inner);
    ASSERT_EQ(frames.size(), 3u);
    EXPECT_EQ(frames[0].function, "Inner");
    EXPECT_EQ(symbolizer.Lookup(gone, end)[0].line, 0);
    EXPECT_EQ(symbolizer.Problem(gone), "");
  }
}

TEST_F(SymbolizerTest, SharedDebugInformationOfDwz) {
  if (!HasTool("dwz")) GTEST_SKIP() << "no dwz";
  BuildInlines("-gdwarf-4");
  shop_.Run("cp lib.so copy.so && dwz -m common.debug lib.so copy.so");
  ExpectInlinedChain();
}

TEST_F(SymbolizerTest, MiniDebugInformation) {
  if (!HasTool("xz")) GTEST_SKIP() << "no xz";
  BuildInlines("");
  uint64_t hidden = Address("mark_hidden");
  shop_.Run(
      "nm lib.so >/dev/null && objcopy -S --keep-symbol=Hidden lib.so mini && xz mini && strip lib.so && "
      "objcopy --add-section .gnu_debugdata=mini.xz lib.so");
  EXPECT_EQ(Name(Module(), hidden), "Hidden");
}

TEST_F(SymbolizerTest, AnotherBuildInItsPlaceGivesNoNames) {
  BuildInlines("-g");
  ModuleRef audited = Module();
  BuildInlines("-g -O1");
  Symbolizer symbolizer({});
  EXPECT_EQ(symbolizer.Lookup(audited, Address("mark_hidden"))[0].function, "");
  EXPECT_EQ(symbolizer.Problem(audited), audited.path + ": it was rebuilt after the recording (build ID differs)");
  EXPECT_EQ(symbolizer.Problem(Module()), "");
  EXPECT_EQ(symbolizer.Lookup(Module(), Address("mark_hidden"))[0].function, "Hidden");
}

TEST_F(SymbolizerTest, WithoutBuildIdThePathIsTrusted) {
  BuildInlines("-g -Wl,--build-id=none");
  EXPECT_TRUE(Module().build_id.empty());
  ExpectInlinedChain();
  EXPECT_EQ(Name({shop_.Path("lib.so"), {1, 2, 3}}, Address("mark_hidden")), "");
}

TEST_F(SymbolizerTest, SysrootComesBeforeThePath) {
  BuildInlines("-g");
  uint64_t hidden = Address("mark_hidden");
  ModuleRef module = {"/opt/app/lib.so", Module().build_id};
  shop_.Run("mkdir -p root/opt/app && mv lib.so root/opt/app/");
  EXPECT_EQ(Name(module, hidden, {.sysroot = shop_.Path("root/"), .debug_dirs = {}}), "Hidden");
  EXPECT_EQ(Name(module, hidden), "");
}

TEST_F(SymbolizerTest, ModulesThatCannotBeReadAreExplained) {
  shop_.Write("text.so", "no ELF file");
  shop_.Write("cut.so", "\177ELF\2\1\1");
  shop_.Write("empty.so", "");
  ASSERT_EQ(mkfifo(shop_.Path("pipe.so").c_str(), 0600), 0);
  Symbolizer symbolizer({});
  for (const char* name : {"text.so", "cut.so", "empty.so", "pipe.so", "missing.so", "."}) {
    ModuleRef module = {shop_.Path(name), {}};
    EXPECT_EQ(symbolizer.Lookup(module, 0x1000).size(), 1u);
    EXPECT_TRUE(symbolizer.Problem(module).starts_with(module.path)) << name;
  }
  EXPECT_EQ(symbolizer.Problem({shop_.Path("missing.so"), {}}),
            shop_.Path("missing.so") + ": No such file or directory");
}

TEST_F(SymbolizerTest, DamagedFilesDoNoHarm) {
  BuildInlines("-g");
  std::string whole = shop_.Read("lib.so");
  uint64_t inner = Address("mark_inner");
  for (size_t i = 0; i < 150; ++i) {
    std::string bytes = whole;
    if (i % 3 == 0) bytes.resize(bytes.size() * i / 150);
    uint64_t random = 0x9E3779B97F4A7C15u * (i + 1);
    for (size_t n = 0; !bytes.empty() && n < 40; ++n, random = random * 6364136223846793005u + 1442695040888963407u) {
      bytes[(random >> 16) % bytes.size()] = static_cast<char>(random >> 56);
    }
    shop_.Write("bad.so", bytes);
    EXPECT_FALSE(Lookup({shop_.Path("bad.so"), {}}, inner).empty());
  }
}

TEST_F(SymbolizerTest, TheKernelsOwnCodeIsNoProblem) {
  Symbolizer symbolizer({});
  for (const char* path : {"[vdso]", "linux-vdso.so.1", ""}) {
    EXPECT_EQ(symbolizer.Lookup({path, {}}, 0x1000).size(), 1u);
    EXPECT_EQ(symbolizer.Problem({path, {}}), "");
  }
}

TEST_F(SymbolizerTest, ADeletedExecutableThatCameBackIsFound) {
  BuildInlines("-g");
  EXPECT_EQ(Name({shop_.Path("lib.so") + " (deleted)", Module().build_id}, Address("mark_hidden")), "Hidden");
}

TEST_F(SymbolizerTest, CxxNamesWithDebugInformation) {
  for (const std::string compiler : {"g++", "clang++"}) {
    if (!HasTool(compiler)) continue;
    SCOPED_TRACE(compiler);
    Build("names.cc", "-g", compiler);
    EXPECT_EQ(Name(Module(), Address("mark_method")), "shop::Till::Open(int) const");
    EXPECT_EQ(Name(Module(), Address("mark_template")),
              "shop::Sorted<long>(std::vector<long> const&, std::map<std::string, long> const&)");
    EXPECT_EQ(Name(Module(), Address("mark_anonymous")), "shop::(anonymous namespace)::Secret(std::string const&)");
    std::vector<SymbolFrame> frames = Lookup(Module(), Address("mark_inlined_anonymous"));
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_TRUE(frames[0].function.starts_with("shop::(anonymous namespace)::InlinedSecret")) << frames[0].function;
    EXPECT_EQ(frames[1].function, "shop::Work()");
    std::string lambda = Name(Module(), Address("mark_lambda"));
    EXPECT_TRUE(lambda.starts_with("shop::Work()::")) << lambda;
    EXPECT_NE(lambda.find("::operator()(int) const"), std::string::npos) << lambda;
  }
}

TEST_F(SymbolizerTest, CxxNamesWithoutDebugInformation) {
  Build("names.cc", "", Tool("CXX", "g++"));
  EXPECT_EQ(Name(Module(), Address("mark_method")), "shop::Till::Open(int) const");
  uint64_t secret = Address("mark_anonymous");
  EXPECT_EQ(Name(Module(), secret), "shop::(anonymous namespace)::Secret(std::string const&)");
  shop_.Run("strip lib.so");
  EXPECT_EQ(Name(Module(), secret), "");
}

TEST_F(SymbolizerTest, RustNames) {
  Build("rust_names.c", "-g0");
  EXPECT_EQ(Name(Module(), Address("_ZN5quiet4file4open17h0123456789abcdefE.llvm.77")), "quiet::file::open");
  EXPECT_EQ(Name(Module(), Address("_RNvMs_Cs1234_5quietNtB4_4File4open")), "<quiet::File>::open");
}

TEST_F(SymbolizerTest, OfSeveralNamesThePublicOneIsShown) {
  shop_.Write("alias.c",
              "static int Local(void); int __lib_open(void);\n"
              "int __lib_open(void) { __asm__ volatile(\"nop\"); return 1; }\n"
              "static int Local(void) __attribute__((alias(\"__lib_open\"), used));\n"
              "int open_it(void) __attribute__((weak, alias(\"__lib_open\")));\n");
  for (const char* flags : {"-g", "-g0"}) {
    shop_.Run("gcc -shared -fPIC " + std::string(flags) + " -o lib.so alias.c");
    EXPECT_EQ(Name(Module(), Address("__lib_open")), "open_it") << flags;
  }
}

}  // namespace
}  // namespace fdaudit::analyzer
