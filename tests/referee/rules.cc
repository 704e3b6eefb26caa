// referee-rules FILE…: compares the shim's unwind rules with libunwind's, for every row of every function's unwind
// table. Each ELF file is mapped with its segments in place ("vdso" means the kernel's). Exit status 1 on a difference
// that docs/unwinding.md does not explain, 2 on a file that cannot be read.

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "shim/stack/cfi_rules.h"
#include "shim/stack/libunwind_rules.h"

namespace {

using fdaudit::shim::CfaKind;
using fdaudit::shim::FoundRule;
using fdaudit::shim::Module;
using fdaudit::shim::Rule;
using fdaudit::shim::RuleParts;

constexpr uintptr_t kPage = 4096;
constexpr uint64_t kShownDifferences = 10;

struct Tally {
  uint64_t entries = 0;
  uint64_t rows = 0;
  uint64_t equal = 0;
  std::map<std::string, uint64_t> inexpressible;  ///< for both
  std::map<std::string, uint64_t> explained;
  std::map<std::string, uint64_t> unexplained;
};

std::string Describe(Rule rule) {
  static constexpr const char* kCfa[] = {"RSP+n", "RBP+n", "*(RSP+n)+m", "*(RBP+n)+m", "unknown", "end", "none", "?"};
  static constexpr const char* kRbp[] = {"same", "CFA+k", "RSP+k", "RBP+k", "lost", "?", "?", "?"};
  const RuleParts parts = rule.Unpack();
  char text[200];
  std::snprintf(text, sizeof(text), "cfa %s n=%d rbp %s k=%d extra=%d%s%s", kCfa[static_cast<int>(parts.cfa)], parts.n,
                kRbp[static_cast<int>(parts.rbp)], parts.k, parts.extra, parts.return_at_rsp ? " return at RSP" : "",
                parts.signal ? " signal" : "");
  return text;
}

/// Why a difference is none of our mistakes; empty where it may be.
std::string Explanation(Rule ours, Rule theirs) {
  RuleParts a = ours.Unpack();
  RuleParts b = theirs.Unpack();
  if (ours.cfa() == CfaKind::kUnknown || theirs.cfa() == CfaKind::kUnknown) return "";
  // libunwind recognizes a signal frame by its code, we by the augmentation, and later by the code.
  a.signal = b.signal = false;
  if (Rule::Pack(a) == Rule::Pack(b)) return "signal frame known by its code only";
  return "";
}

class Comparison {
 public:
  Comparison(const Module& module, Tally* tally) : module_(module), tally_(tally) {}

  void Run() {
    tally_->entries = fdaudit::shim::VisitCfiEntries(
        module_,
        [](void* self, uintptr_t start, uintptr_t end) { static_cast<Comparison*>(self)->CompareEntry(start, end); },
        this);
  }

 private:
  /// Every row at its first and at its last byte: a row that we make too long differs at its end.
  void CompareEntry(uintptr_t start, uintptr_t end) {
    for (uintptr_t pc = start; pc < end;) {
      const FoundRule found = fdaudit::shim::FindCfiRule(module_, pc, pc);
      const uintptr_t next = found.range.end > pc && found.range.end <= end ? found.range.end : pc + 1;
      ++tally_->rows;
      Compare(pc, found.rule);
      if (next - 1 != pc) Compare(next - 1, fdaudit::shim::FindCfiRule(module_, next - 1, next - 1).rule);
      pc = next;
    }
  }

  void Compare(uintptr_t pc, Rule ours) {
    const char* inexpressible = nullptr;
    const Rule theirs = fdaudit::shim::ProbeLibunwindRule(module_, pc, &inexpressible);
    if (ours == theirs) {
      ++(ours.cfa() == CfaKind::kUnknown ? tally_->inexpressible[inexpressible] : tally_->equal);
      return;
    }
    const std::string reason = Explanation(ours, theirs);
    if (!reason.empty()) {
      ++tally_->explained[reason];
      return;
    }
    ++tally_->unexplained[Describe(ours) + "  |  libunwind: " + Describe(theirs)];
    if (++shown_ <= kShownDifferences) {
      std::printf("  at %#" PRIxPTR ": %s\n    libunwind: %s\n", pc - module_.load_bias, Describe(ours).c_str(),
                  Describe(theirs).c_str());
    }
  }

  const Module& module_;
  Tally* tally_;
  uint64_t shown_ = 0;
};

/// Maps the loadable segments as the dynamic linker would, readable only.
bool MapFile(const char* path, Module* module) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0 || status.st_size < static_cast<off_t>(sizeof(ElfW(Ehdr)))) return false;
  void* file = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
  const auto* header = static_cast<const ElfW(Ehdr)*>(file);
  if (file == MAP_FAILED || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return false;
  const auto* segments = reinterpret_cast<const ElfW(Phdr)*>(static_cast<const char*>(file) + header->e_phoff);
  uintptr_t end = 0;
  uintptr_t first = UINTPTR_MAX;
  for (int i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type != PT_LOAD) continue;
    if (segments[i].p_vaddr < first) first = segments[i].p_vaddr & ~(kPage - 1);
    if (segments[i].p_vaddr + segments[i].p_memsz > end) end = segments[i].p_vaddr + segments[i].p_memsz;
  }
  if (first >= end) return false;
  void* base = mmap(nullptr, end - first, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return false;
  for (int i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type != PT_LOAD || segments[i].p_filesz == 0) continue;
    const uintptr_t start = segments[i].p_vaddr & ~(kPage - 1);
    const uintptr_t shift = segments[i].p_vaddr - start;
    if (mmap(static_cast<char*>(base) + (start - first), segments[i].p_filesz + shift, PROT_READ,
             MAP_PRIVATE | MAP_FIXED, fd, static_cast<off_t>(segments[i].p_offset - shift)) == MAP_FAILED) {
      return false;
    }
  }
  close(fd);
  return fdaudit::shim::DescribeImage(reinterpret_cast<uintptr_t>(base), end - first, module);
}

bool Report(const char* name, const Tally& tally) {
  std::printf("%s: %" PRIu64 " functions, %" PRIu64 " rows; comparisons: %" PRIu64 " equal", name, tally.entries,
              tally.rows, tally.equal);
  for (const auto& [why, count] : tally.inexpressible)
    std::printf(", %" PRIu64 " inexpressible (%s)", count, why.c_str());
  for (const auto& [reason, count] : tally.explained) std::printf(", %" PRIu64 " %s", count, reason.c_str());
  uint64_t unexplained = 0;
  for (const auto& [difference, count] : tally.unexplained) unexplained += count;
  std::printf(", %" PRIu64 " unexplained\n", unexplained);
  for (const auto& [difference, count] : tally.unexplained)
    std::printf("  %8" PRIu64 "  %s\n", count, difference.c_str());
  return unexplained == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: referee-rules FILE... (\"vdso\" for the kernel's)\n");
    return 2;
  }
  if (!fdaudit::shim::LoadLibunwind()) {
    std::fprintf(stderr, "referee-rules: libunwind-x86_64 cannot be loaded\n");
    return 2;
  }
  bool all_equal = true;
  for (int i = 1; i < argc; ++i) {
    Module module;
    const bool ok = std::strcmp(argv[i], "vdso") == 0 ? fdaudit::shim::FindVdso(&module) : MapFile(argv[i], &module);
    if (!ok) {
      std::fprintf(stderr, "referee-rules: %s: not an ELF file that can be mapped\n", argv[i]);
      return 2;
    }
    Tally tally;
    Comparison(module, &tally).Run();
    if (!Report(argv[i], tally)) all_equal = false;
  }
  return all_equal ? 0 : 1;
}
