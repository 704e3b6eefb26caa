#include "analyzer/target/elf_target.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "analyzer/target/script.h"
#include "tests/support/workshop.h"

namespace fdaudit::analyzer {
namespace {

class ElfTargetTest : public ::testing::Test {
 protected:
  TargetInfo Inspect(const std::string& name) { return InspectProgram(shop_.Path(name)); }

  /// An executable file.
  void Write(const std::string& name, const std::string& bytes) {
    shop_.Write(name, bytes);
    chmod(shop_.Path(name).c_str(), 0755);
  }

  void Compile(const std::string& name, const std::string& flags) {
    shop_.Write("main.c", "int main(void) { return 0; }\n");
    shop_.Run("gcc -o " + name + " main.c " + flags);
  }

  /// A copy of /bin/true with `size` bytes of its header replaced.
  void WriteForged(const std::string& name, size_t offset, size_t size, uint64_t value) {
    shop_.Run("cp /bin/true forged");
    std::string bytes = shop_.Read("forged");
    for (size_t i = 0; i < size; ++i) bytes[offset + i] = static_cast<char>(value >> (8 * i));
    Write(name, bytes);
  }

  testing::Workshop shop_;
};

/// Sets PATH for one test.
class PathGuard {
 public:
  explicit PathGuard(const std::string& path) : old_(std::getenv("PATH") ? std::getenv("PATH") : "") {
    setenv("PATH", path.c_str(), 1);
  }
  ~PathGuard() { setenv("PATH", old_.c_str(), 1); }
  PathGuard(const PathGuard&) = delete;
  PathGuard& operator=(const PathGuard&) = delete;

 private:
  std::string old_;
};

TEST_F(ElfTargetTest, NamesThatAFileRepeatsAreNotReadWithoutEnd) {
  constexpr size_t kSegments = 1000, kNames = 5000;
  Elf64_Ehdr header = {};
  std::copy_n(
      "\x7f"
      "ELF\2\1\1",
      7, header.e_ident);
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = kSegments + 1;
  const uint64_t dynamic = sizeof header + sizeof(Elf64_Phdr) * (kSegments + 1);
  const uint64_t names = dynamic + sizeof(Elf64_Dyn) * (kNames + 2);
  std::string bytes;
  const auto add = [&bytes](const auto& part) { bytes.append(reinterpret_cast<const char*>(&part), sizeof part); };
  add(header);
  add(Elf64_Phdr{PT_LOAD, PF_R, 0, 0, 0, names + 4096, names + 4096, 4096});
  for (size_t i = 0; i < kSegments; ++i) {
    add(Elf64_Phdr{PT_DYNAMIC, PF_R, dynamic, dynamic, dynamic, names - dynamic, names - dynamic, 8});
  }
  add(Elf64_Dyn{DT_STRTAB, {names}});
  for (size_t i = 0; i < kNames; ++i) add(Elf64_Dyn{DT_NEEDED, {0}});
  add(Elf64_Dyn{DT_NULL, {0}});
  bytes += std::string(4095, 'x') + '\0';
  Write("greedy", bytes);
  EXPECT_LE(Inspect("greedy").needed.size(), 4096u);
}

TEST_F(ElfTargetTest, AnOrdinaryProgramCanBeAudited) {
  TargetInfo info = InspectProgram("/bin/true");
  EXPECT_EQ(info.problem, "");
  EXPECT_EQ(info.advice, "");
  EXPECT_TRUE(info.exists && info.executable && info.is_elf && info.is_dynamic);
  EXPECT_FALSE(info.is_script || info.is_directory || info.is_set_id || info.foreign_machine || info.foreign_libc);
  EXPECT_EQ(info.path, "/bin/true");
  EXPECT_NE(std::find(info.needed.begin(), info.needed.end(), "libc.so.6"), info.needed.end());
}

TEST_F(ElfTargetTest, StaticProgramsCannotBeAudited) {
  for (const char* flags : {"-static", "-static-pie"}) {
    Compile("program", flags);
    TargetInfo info = Inspect("program");
    EXPECT_TRUE(info.executable && info.is_elf);
    EXPECT_FALSE(info.is_dynamic);
    EXPECT_NE(info.problem.find("statically linked"), std::string::npos) << info.problem;
    EXPECT_NE(info.advice, "");
  }
}

TEST_F(ElfTargetTest, PositionDependentProgramsCanBeAudited) {
  Compile("program", "-no-pie");
  EXPECT_EQ(Inspect("program").problem, "");
}

TEST_F(ElfTargetTest, GoProgramsAreDistinguished) {
  shop_.Write("note.s",
              ".section .note.go.buildid,\"a\",@note\n.long 4, 4, 4\n.asciz \"Go\\0\"\n.ascii \"abcd\"\n"
              ".section .note.GNU-stack,\"\"\n");
  Compile("static_go", "note.s -static");
  TargetInfo info = Inspect("static_go");
  EXPECT_TRUE(info.is_go);
  EXPECT_NE(info.problem, "");
  EXPECT_NE(info.advice.find("Go"), std::string::npos);
  Compile("dynamic_go", "note.s");
  info = Inspect("dynamic_go");
  EXPECT_EQ(info.problem, "");
  EXPECT_NE(info.advice.find("Go"), std::string::npos);
}

TEST_F(ElfTargetTest, TheDynamicLinkerItselfMayBeStarted) {
  std::string linker = shop_.Run("readelf -l /bin/true | sed -n 's/.*interpreter: \\(.*\\)]/\\1/p' | tr -d '\\n'");
  EXPECT_EQ(InspectProgram(linker).problem, "") << linker;
}

TEST_F(ElfTargetTest, SetIdProgramsCannotBeAudited) {
  shop_.Run("cp /bin/true program && chmod 4755 program");
  TargetInfo info = Inspect("program");
  EXPECT_TRUE(info.is_set_id);
  EXPECT_NE(info.problem.find("set-user-ID"), std::string::npos);
  shop_.Run("chmod 2755 program");
  EXPECT_NE(Inspect("program").problem.find("set-group-ID"), std::string::npos);
  // Without the execute bit of the group it once meant mandatory locking.
  shop_.Run("chmod 2745 program");
  EXPECT_EQ(Inspect("program").problem, "");
}

TEST_F(ElfTargetTest, FileCapabilitiesAreNoticed) {
  if (!testing::HasTool("setcap")) GTEST_SKIP() << "no setcap";
  if (std::system(("cp /bin/true " + shop_.Path("program") + " && setcap cap_net_raw+ep " + shop_.Path("program") +
                   " 2>/dev/null")
                      .c_str()) != 0) {
    GTEST_SKIP() << "may not set capabilities";
  }
  EXPECT_TRUE(Inspect("program").is_set_id);
  EXPECT_NE(Inspect("program").problem.find("capabilities"), std::string::npos);
}

TEST_F(ElfTargetTest, OtherMachinesAreRefused) {
  WriteForged("arm", offsetof(Elf64_Ehdr, e_machine), 2, EM_ARM);
  TargetInfo info = Inspect("arm");
  EXPECT_TRUE(info.foreign_machine);
  EXPECT_NE(info.problem.find("ARM"), std::string::npos) << info.problem;
  WriteForged("half", EI_CLASS, 1, ELFCLASS32);
  EXPECT_TRUE(Inspect("half").foreign_machine);
  WriteForged("big", EI_DATA, 1, ELFDATA2MSB);
  EXPECT_TRUE(Inspect("big").foreign_machine);
}

TEST_F(ElfTargetTest, OtherLibcsAreRefused) {
  Compile("musl", "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1");
  TargetInfo info = Inspect("musl");
  EXPECT_TRUE(info.foreign_libc && info.is_dynamic);
  EXPECT_NE(info.problem.find("musl"), std::string::npos);
  Compile("android", "-Wl,--dynamic-linker=/system/bin/linker64");
  EXPECT_NE(Inspect("android").problem.find("Android"), std::string::npos);
}

TEST_F(ElfTargetTest, AMissingDynamicLinkerIsNamed) {
  Compile("program", "-Wl,--dynamic-linker=/nowhere/ld-linux-x86-64.so.2");
  TargetInfo info = Inspect("program");
  EXPECT_FALSE(info.foreign_libc);
  EXPECT_NE(info.problem.find("/nowhere/ld-linux-x86-64.so.2"), std::string::npos);
}

TEST_F(ElfTargetTest, ObjectFilesAreNoPrograms) {
  shop_.Write("main.c", "int main(void) { return 0; }\n");
  shop_.Run("gcc -c main.c && chmod +x main.o");
  EXPECT_NE(Inspect("main.o").problem.find("no program"), std::string::npos);
}

TEST_F(ElfTargetTest, TruncatedFilesAreSafe) {
  shop_.Run("cp /bin/true whole");
  std::string whole = shop_.Read("whole");
  for (size_t size = 0; size < whole.size(); size += size < 1200 ? 1 : 997) {
    Write("cut", whole.substr(0, size));
    TargetInfo info = Inspect("cut");
    // The section headers at the end are for tools, programs run without them.
    if (size >= 4 && size < whole.size() * 3 / 4) {
      EXPECT_NE(info.problem, "") << size;
    }
  }
}

TEST_F(ElfTargetTest, GarbageIsSafe) {
  shop_.Run("cp /bin/true whole");
  const std::string whole = shop_.Read("whole");
  uint64_t random = 1;
  for (int round = 0; round < 400; ++round) {
    std::string bytes = whole;
    for (int i = 0; i < 20; ++i) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      bytes[4 + (random >> 33) % 2000] = static_cast<char>(random >> 25);
    }
    Write("garbage", bytes);
    Inspect("garbage");
  }
  Write("ones", "\177ELF\2\1" + std::string(4096, '\xff'));
  EXPECT_NE(Inspect("ones").problem, "");
  Write("data", std::string("MZ\0\1", 4));
  EXPECT_NE(Inspect("data").problem.find("neither"), std::string::npos);
}

TEST_F(ElfTargetTest, ScriptsStandForTheirInterpreter) {
  Write("script", "#! /bin/sh -e\nexit 0\n");
  TargetInfo info = Inspect("script");
  EXPECT_EQ(info.problem, "");
  EXPECT_TRUE(info.is_script && info.is_elf && info.is_dynamic);
  EXPECT_EQ(info.interpreter, "/bin/sh");
  EXPECT_EQ(info.path, shop_.Path("script"));
}

TEST_F(ElfTargetTest, ScriptsOfEnvStandForTheProgramItStarts) {
  Compile("static_tool", "-static");
  PathGuard guard(shop_.Path("") + ":/usr/bin:/bin");
  for (const char* line : {"#!/usr/bin/env static_tool", "#!/usr/bin/env -S static_tool -u"}) {
    Write("script", std::string(line) + "\n");
    TargetInfo info = Inspect("script");
    EXPECT_TRUE(info.exists && info.executable && info.is_script);
    EXPECT_TRUE(info.interpreter.ends_with("/static_tool")) << info.interpreter;
    EXPECT_NE(info.problem.find("statically linked"), std::string::npos) << info.problem;
  }
  Write("script", "#!/usr/bin/env no-such-program-here\n");
  EXPECT_NE(Inspect("script").problem, "");
}

TEST_F(ElfTargetTest, ScriptsOfScriptsEndSomewhere) {
  Write("inner", "#!/bin/sh\n");
  Write("outer", "#!" + shop_.Path("inner") + "\n");
  EXPECT_EQ(Inspect("outer").problem, "");
  Write("loop", "#!" + shop_.Path("loop") + "\n");
  EXPECT_NE(Inspect("loop").problem, "");
  Write("missing", "#!/nowhere/interpreter\n");
  EXPECT_NE(Inspect("missing").problem.find("/nowhere/interpreter"), std::string::npos);
}

TEST_F(ElfTargetTest, FilesWithoutAnInterpreterAreGivenToTheShell) {
  for (const char* text : {"", "echo hello\n", "#!\n"}) {
    Write("script", text);
    TargetInfo info = Inspect("script");
    EXPECT_TRUE(info.is_script);
    EXPECT_EQ(info.interpreter, "/bin/sh");
    EXPECT_EQ(info.problem, "");
  }
}

TEST_F(ElfTargetTest, PathIsSearchedAsExecvpDoes) {
  shop_.Run("mkdir a b c d && cp /bin/true b/tool && chmod 644 b/tool && mkdir c/tool && cp /bin/true d/tool");
  PathGuard guard(shop_.Path("missing") + ":" + shop_.Path("a") + ":" + shop_.Path("b") + ":" + shop_.Path("c") + ":" +
                  shop_.Path("d"));
  EXPECT_EQ(InspectProgram("tool").path, shop_.Path("d/tool"));
  unlink(shop_.Path("d/tool").c_str());
  TargetInfo info = InspectProgram("tool");
  EXPECT_TRUE(info.exists);
  EXPECT_FALSE(info.executable);
  EXPECT_EQ(info.path, shop_.Path("b/tool"));
  EXPECT_NE(info.problem, "");
  info = InspectProgram("absent");
  EXPECT_FALSE(info.exists);
  EXPECT_EQ(info.problem, "absent: not found in PATH");
}

TEST_F(ElfTargetTest, WhatIsNoFileIsExplained) {
  TargetInfo info = Inspect("missing");
  EXPECT_FALSE(info.exists);
  EXPECT_NE(info.problem, "");
  info = Inspect(".");
  EXPECT_TRUE(info.exists && info.is_directory);
  EXPECT_FALSE(info.executable);
  EXPECT_NE(info.problem.find("directory"), std::string::npos);
  info = InspectProgram("");
  EXPECT_FALSE(info.exists);
  EXPECT_NE(info.problem, "");
}

TEST(ScriptTest, LinesAreReadAsTheKernelDoes) {
  ScriptLine line = ParseScriptLine("#! \t/bin/a  -x  y \nrest");
  EXPECT_EQ(line.interpreter, "/bin/a");
  EXPECT_EQ(line.argument, "-x  y");
  EXPECT_EQ(ParseScriptLine("#!/bin/a").interpreter, "/bin/a");
  EXPECT_EQ(ParseScriptLine("#!").interpreter, "");
  EXPECT_EQ(ParseScriptLine("#").interpreter, "");
  EXPECT_EQ(ParseScriptLine("#!   \n/bin/a").interpreter, "");
  // The kernel reads no further than this.
  EXPECT_EQ(ParseScriptLine("#!/" + std::string(300, 'a')).interpreter, "");
  EXPECT_EQ(ParseScriptLine("#!/bin/a " + std::string(300, 'b')).interpreter, "/bin/a");
}

TEST(ScriptTest, EnvNamesAProgram) {
  EXPECT_EQ(ProgramOfEnv("python3"), "python3");
  EXPECT_EQ(ProgramOfEnv("-S python3 -u"), "python3");
  EXPECT_EQ(ProgramOfEnv("-Spython3 -u"), "python3");
  EXPECT_EQ(ProgramOfEnv("-vS python3"), "python3");
  EXPECT_EQ(ProgramOfEnv("--split-string=python3 -u"), "python3");
  EXPECT_EQ(ProgramOfEnv("-S -i -u HOME A=b python3 x=y"), "python3");
  EXPECT_EQ(ProgramOfEnv("-S"), "");
  EXPECT_EQ(ProgramOfEnv("-i"), "");
  EXPECT_EQ(ProgramOfEnv(""), "");
}

}  // namespace
}  // namespace fdaudit::analyzer
