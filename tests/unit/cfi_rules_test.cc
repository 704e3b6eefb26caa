// The interpreter of .eh_frame, on hand-made tables. Real ones are the referee's business (tests/referee).

#include "shim/stack/cfi_rules.h"

#include <dlfcn.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <link.h>
#include <sys/mman.h>

#include <cstring>
#include <random>
#include <vector>

#include "shim/stack/expression.h"
#include "shim/stack/objects.h"
#include "shim/stack/rule.h"

namespace fdaudit::shim {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uintptr_t kCodeStart = 0x1000;
constexpr uintptr_t kCodeSize = 0x100;
constexpr uintptr_t kHeaderOffset = 0x2000;
constexpr uintptr_t kFrameOffset = 0x2100;

void Put32(Bytes* bytes, uint32_t value) {
  for (int i = 0; i < 4; ++i) bytes->push_back(static_cast<uint8_t>(value >> 8 * i));
}

/// An ELF image in memory with one function and its table, followed by a page that cannot be read.
class Image {
 public:
  /// `common` and `program`: instructions of CIE and FDE. The CIE begins with CFA = RSP + 8, return address at CFA - 8.
  explicit Image(const Bytes& program, const char* augmentation = "zR", const Bytes& common = {}) {
    memory_ =
        static_cast<uint8_t*>(mmap(nullptr, kSize + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(memory_ + kSize, kPage, PROT_NONE);
    WriteHeaders();
    WriteTables(program, augmentation, common);
    EXPECT_TRUE(DescribeImage(reinterpret_cast<uintptr_t>(memory_), kSize, &module_));
  }
  ~Image() { munmap(memory_, kSize + kPage); }
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  static constexpr size_t kSize = 0x3000;

  FoundRule At(uintptr_t offset) const {
    const uintptr_t pc = module_.map_start + kCodeStart + offset;
    return FindCfiRule(module_, pc, pc);
  }

  uint8_t* memory() { return memory_; }
  const Module& module() const { return module_; }

 private:
  static constexpr size_t kPage = 4096;

  void WriteHeaders() {
    auto* header = reinterpret_cast<ElfW(Ehdr)*>(memory_);
    std::memcpy(header->e_ident, ELFMAG, SELFMAG);
    header->e_phoff = sizeof(*header);
    header->e_phentsize = sizeof(ElfW(Phdr));
    header->e_phnum = 2;
    auto* segments = reinterpret_cast<ElfW(Phdr)*>(header + 1);
    segments[0].p_type = PT_LOAD;
    segments[0].p_flags = PF_R | PF_X;
    segments[0].p_memsz = kSize;
    segments[1].p_type = PT_GNU_EH_FRAME;
    segments[1].p_vaddr = kHeaderOffset;
  }

  void WriteTables(const Bytes& program, const char* augmentation, const Bytes& common) {
    Bytes frame;
    Bytes cie;
    Put32(&cie, 0);
    cie.push_back(1);  // version
    for (const char* letter = augmentation; *letter != '\0'; ++letter) cie.push_back(static_cast<uint8_t>(*letter));
    cie.insert(cie.end(), {0, 1, 0x78, 16});  // code alignment 1, data alignment -8, return column 16
    if (augmentation[0] == 'z') cie.insert(cie.end(), {1, 0x1b});  // 'R': pcrel sdata4
    cie.insert(cie.end(), {0x0c, 7, 8, 0x90, 1});
    cie.insert(cie.end(), common.begin(), common.end());
    while (cie.size() % 4 != 0) cie.push_back(0);
    Put32(&frame, static_cast<uint32_t>(cie.size()));
    frame.insert(frame.end(), cie.begin(), cie.end());

    const uint32_t entry = static_cast<uint32_t>(frame.size());
    Bytes fde;
    Put32(&fde, entry + 4);  // back to the CIE at the beginning
    Put32(&fde, static_cast<uint32_t>(kCodeStart - (kFrameOffset + entry + 8)));
    Put32(&fde, kCodeSize);
    if (augmentation[0] == 'z') fde.push_back(0);
    fde.insert(fde.end(), program.begin(), program.end());
    while (fde.size() % 4 != 0) fde.push_back(0);
    Put32(&frame, static_cast<uint32_t>(fde.size()));
    frame.insert(frame.end(), fde.begin(), fde.end());
    Put32(&frame, 0);
    std::memcpy(memory_ + kFrameOffset, frame.data(), frame.size());

    Bytes table = {1, 0x1b, 0x03, 0x3b};
    Put32(&table, static_cast<uint32_t>(kFrameOffset - (kHeaderOffset + 4)));
    Put32(&table, 1);
    Put32(&table, static_cast<uint32_t>(kCodeStart - kHeaderOffset));
    Put32(&table, static_cast<uint32_t>(kFrameOffset + entry - kHeaderOffset));
    std::memcpy(memory_ + kHeaderOffset, table.data(), table.size());
  }

  uint8_t* memory_;
  Module module_;
};

Rule FromRsp(int n) { return Rule::Pack({.cfa = CfaKind::kRsp, .n = n}); }

TEST(RuleTest, KeepsEveryField) {
  const RuleParts parts = {.cfa = CfaKind::kAtRbp,
                           .rbp = RbpKind::kAtRsp,
                           .return_at_rsp = true,
                           .signal = true,
                           .n = -(1 << 27),
                           .k = (1 << 19) - 1,
                           .extra = -128};
  const RuleParts back = Rule::Pack(parts).Unpack();
  EXPECT_EQ(back.cfa, parts.cfa);
  EXPECT_EQ(back.rbp, parts.rbp);
  EXPECT_TRUE(back.return_at_rsp);
  EXPECT_TRUE(back.signal);
  EXPECT_EQ(back.n, parts.n);
  EXPECT_EQ(back.k, parts.k);
  EXPECT_EQ(back.extra, parts.extra);
}

TEST(RuleTest, NumbersThatDoNotFitAreUnknown) {
  EXPECT_EQ(FromRsp(1 << 27), Rule::Unknown());
  EXPECT_EQ(Rule::Pack({.cfa = CfaKind::kRsp, .rbp = RbpKind::kAtCfa, .k = 1 << 19}), Rule::Unknown());
}

TEST(RuleTest, OnlyTheUsualFormsArePlain) {
  EXPECT_TRUE(FromRsp(8).plain());
  EXPECT_TRUE(Rule::Pack({.cfa = CfaKind::kRbp, .rbp = RbpKind::kAtCfa, .n = 16, .k = -16}).plain());
  EXPECT_FALSE(Rule::Pack({.cfa = CfaKind::kRsp, .rbp = RbpKind::kLost}).plain());
  EXPECT_FALSE(kSignalFrameRule.plain());
  EXPECT_FALSE(Rule::Unknown().plain());
  EXPECT_FALSE(Rule().plain());
}

TEST(CfiRulesTest, FollowsAPrologue) {
  // push %rbp; mov %rsp, %rbp; … at 0x40: leave; ret
  const Image image({0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x02, 0x3c, 0x0c, 7, 8, 0xc6});
  EXPECT_EQ(image.At(0).rule, FromRsp(8));
  EXPECT_EQ(image.At(1).rule, Rule::Pack({.cfa = CfaKind::kRsp, .rbp = RbpKind::kAtCfa, .n = 16, .k = -16}));
  EXPECT_EQ(image.At(4).rule, Rule::Pack({.cfa = CfaKind::kRbp, .rbp = RbpKind::kAtCfa, .n = 16, .k = -16}));
  EXPECT_EQ(image.At(0x3f).rule, image.At(4).rule);
  EXPECT_EQ(image.At(0x40).rule, FromRsp(8));
  EXPECT_EQ(image.At(0xff).rule, FromRsp(8));
}

TEST(CfiRulesTest, TellsWhereARowBeginsAndEnds) {
  const Image image({0x44, 0x0e, 16, 0x48, 0x0e, 24});
  const FoundRule found = image.At(6);
  const uintptr_t code = image.module().map_start + kCodeStart;
  EXPECT_EQ(found.range.start, code + 4);
  EXPECT_EQ(found.range.end, code + 12);
  EXPECT_EQ(image.At(200).range.end, code + kCodeSize);
}

TEST(CfiRulesTest, AddressOutsideEveryEntryHasNoRule) {
  const Image image({});
  EXPECT_EQ(image.At(kCodeSize).rule, Rule::Of(CfaKind::kGuess));
  EXPECT_EQ(image.At(static_cast<uintptr_t>(-1)).rule, Rule::Of(CfaKind::kGuess));
}

TEST(CfiRulesTest, RemembersAndRestoresRows) {
  const Image image({0x0e, 32, 0x0a, 0x41, 0x0e, 64, 0x86, 2, 0x41, 0x0b});
  EXPECT_EQ(image.At(0).rule, FromRsp(32));
  EXPECT_EQ(image.At(1).rule.n(), 64);
  EXPECT_EQ(image.At(2).rule, FromRsp(32));
}

TEST(CfiRulesTest, RestoreGoesBackToTheCommonPart) {
  const Image image({0x86, 4, 0x41, 0xc6}, "zR", {0x86, 3});
  EXPECT_EQ(image.At(0).rule.k(), -32);
  EXPECT_EQ(image.At(1).rule.k(), -24);
}

TEST(CfiRulesTest, RestoreWithoutRememberIsUnknown) { EXPECT_EQ(Image({0x0b}).At(0).rule, Rule::Unknown()); }

TEST(CfiRulesTest, UndefinedReturnAddressIsTheEnd) { EXPECT_EQ(Image({0x07, 16}).At(0).rule, Rule::Of(CfaKind::kEnd)); }

TEST(CfiRulesTest, SkipsArgumentSizes) { EXPECT_EQ(Image({0x2e, 0x90, 0x01, 0x0e, 16}).At(0).rule, FromRsp(16)); }

TEST(CfiRulesTest, UnknownInstructionIsUnknown) { EXPECT_EQ(Image({0x3f}).At(0).rule, Rule::Unknown()); }

TEST(CfiRulesTest, AnotherRegisterIsUnknown) { EXPECT_EQ(Image({0x0c, 10, 0}).At(0).rule, Rule::Unknown()); }

TEST(CfiRulesTest, LostRbpDoesNotStopTheWalk) {
  EXPECT_EQ(Image({0x07, 6}).At(0).rule, Rule::Pack({.cfa = CfaKind::kRsp, .rbp = RbpKind::kLost, .n = 8}));
  EXPECT_EQ(Image({0x09, 6, 3}).At(0).rule.rbp(), RbpKind::kLost);
  EXPECT_EQ(Image({0x14, 6, 2}).At(0).rule.rbp(), RbpKind::kLost);
}

TEST(CfiRulesTest, RealignedStack) {
  // CFA = *(RBP - 8), RBP at RBP + 0
  const Image image({0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0});
  EXPECT_EQ(image.At(0).rule, Rule::Pack({.cfa = CfaKind::kAtRbp, .rbp = RbpKind::kAtRbp, .n = -8}));
}

TEST(CfiRulesTest, SavedStackPointerWithDistance) {
  // CFA = *(RSP + 40) + 8, as OpenSSL's assembly has it.
  const Image image({0x0f, 5, 0x77, 40, 0x06, 0x23, 8});
  EXPECT_EQ(image.At(0).rule, Rule::Pack({.cfa = CfaKind::kAtRsp, .n = 40, .extra = 8}));
}

TEST(CfiRulesTest, SignalFrame) {
  // CFA, RBP and return address as glibc's __restore_rt has them.
  const Image image({0x0f, 4,  0x77, 0xa0, 0x01, 0x06, 0x10, 6, 3, 0x77, 0xf8, 0x00,
                     0x10, 16, 3,    0x77, 0xa8, 0x01, 0x10, 7, 3, 0x77, 0xa0, 0x01},
                    "zRS");
  EXPECT_EQ(image.At(0).rule, kSignalFrameRule);
}

TEST(CfiRulesTest, ProcedureLinkageTable) {
  const Bytes expression = {0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22};
  Bytes program = {0x0f, static_cast<uint8_t>(expression.size())};
  program.insert(program.end(), expression.begin(), expression.end());
  const Image image(program);
  EXPECT_EQ(image.At(0x10).rule, FromRsp(8));
  EXPECT_EQ(image.At(0x1a).rule, FromRsp(8));
  EXPECT_EQ(image.At(0x1b).rule, FromRsp(16));
  EXPECT_EQ(image.At(0x1f).rule, FromRsp(16));
}

TEST(CfiRulesTest, StackPointerThatIsNotTheCfaIsUnknown) {
  EXPECT_EQ(Image({0x87, 3}).At(0).rule, Rule::Unknown());
  EXPECT_EQ(Image({0x14, 7, 0}).At(0).rule, FromRsp(8));
}

TEST(CfiRulesTest, ScansWhereNoSortedTableIs) {
  Image image({0x0e, 48});
  image.memory()[kHeaderOffset + 2] = 0xff;
  image.memory()[kHeaderOffset + 3] = 0xff;
  EXPECT_EQ(image.At(5).rule, FromRsp(48));
  EXPECT_EQ(image.At(kCodeSize).rule, Rule::Of(CfaKind::kGuess));
}

TEST(CfiRulesTest, DamagedTablesNeverFault) {
  std::mt19937 random(1);
  const Bytes program = {0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x0a, 0x0f, 3, 0x76, 0x78, 0x06, 0x0b, 0xc6};
  for (int round = 0; round < 20'000; ++round) {
    Image image(program, round % 2 == 0 ? "zR" : "zRS");
    for (int damage = 0; damage < 1 + round % 5; ++damage) {
      image.memory()[kHeaderOffset + random() % 0x180] = static_cast<uint8_t>(random());
    }
    image.At(random() % kCodeSize);
    VisitCfiEntries(
        image.module(), [](void*, uintptr_t, uintptr_t) {}, nullptr);
  }
}

TEST(CfiRulesTest, TablesThatEndAtTheLastByteNeverFault) {
  Image image({});
  // The header at the very end of the readable segment, claiming more than there is.
  const uint8_t header[] = {1, 0x1b, 0x03, 0x3b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x0f};
  for (size_t size = 1; size <= sizeof(header); ++size) {
    Module module = image.module();
    module.eh_frame_hdr = module.map_start + Image::kSize - size;
    std::memcpy(image.memory() + Image::kSize - size, header, size);
    EXPECT_EQ(FindCfiRule(module, module.map_start + kCodeStart, 0).rule, Rule::Of(CfaKind::kGuess));
  }
}

TEST(ExpressionTest, ComputesWithNumbers) {
  const auto evaluate = [](const Bytes& code) {
    return EvaluateExpression(ByteReader(code.data(), code.data() + code.size()), 0, nullptr);
  };
  EXPECT_EQ(evaluate({0x08, 20, 0x09, 0xfd, 0x1b}).offset, -6);       // 20 / -3
  EXPECT_EQ(evaluate({0x35, 0x12, 0x1e, 0x34, 0x1c}).offset, 21);     // 5 * 5 - 4
  EXPECT_EQ(evaluate({0x31, 0x38, 0x24, 0x31, 0x21}).offset, 0x101);  // 1 << 8 | 1
  EXPECT_EQ(evaluate({0x31, 0x30, 0x1b}).base, SymbolicValue::Base::kUnknown);
  EXPECT_EQ(evaluate({0x22}).base, SymbolicValue::Base::kUnknown);
  EXPECT_EQ(evaluate({0x0c, 1, 2}).base, SymbolicValue::Base::kUnknown);
  EXPECT_EQ(evaluate({0x77, 0, 0x76, 0, 0x22}).base, SymbolicValue::Base::kUnknown);
}

TEST(ObjectsTest, FindsThisProgramAndLibc) {
  Module program;
  Module libc;
  ASSERT_TRUE(FindModule(reinterpret_cast<uintptr_t>(&FindModule), &program));
  ASSERT_TRUE(FindModule(reinterpret_cast<uintptr_t>(dlsym(RTLD_DEFAULT, "getpid")), &libc));
  EXPECT_STREQ(program.name, "");
  EXPECT_NE(std::strstr(libc.name, "libc.so"), nullptr);
  EXPECT_EQ(libc.load_bias, libc.map_start);
  EXPECT_EQ(BuildId(libc).size(), 20U);
  EXPECT_FALSE(FindModule(reinterpret_cast<uintptr_t>(&program), &program));
}

TEST(ObjectsTest, LinkMapsShowTheSame) {
  for (const char* name : {"getpid", "dlopen", "cos", "_dl_find_object", "_ZSt9terminatev"}) {
    const auto address = reinterpret_cast<uintptr_t>(dlsym(RTLD_DEFAULT, name));
    if (address == 0) continue;
    Module asked;
    Module listed;
    ASSERT_TRUE(FindModule(address, &asked));
    UseLinkMapsOnly(true);
    for (int cached = 0; cached < 2; ++cached) {
      ASSERT_TRUE(FindModule(address, &listed));
      EXPECT_EQ(asked.map, listed.map);
      EXPECT_EQ(asked.load_bias, listed.load_bias);
      EXPECT_EQ(asked.eh_frame_hdr, listed.eh_frame_hdr);
      EXPECT_EQ(asked.map_start, listed.map_start);
      EXPECT_STREQ(asked.name, listed.name);
    }
    UseLinkMapsOnly(false);
  }
}

TEST(ObjectsTest, FindsTheVdso) {
  Module vdso;
  ASSERT_TRUE(FindVdso(&vdso));
  EXPECT_NE(vdso.eh_frame_hdr, 0U);
  Module found;
  ASSERT_TRUE(FindModule(vdso.map_start + 0x800, &found));
  EXPECT_EQ(found.load_bias, vdso.load_bias);
}

}  // namespace
}  // namespace fdaudit::shim
