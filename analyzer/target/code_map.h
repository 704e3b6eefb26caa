#pragma once

// What lies where in a process's memory, and which place of an ELF file an address is.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fdaudit::analyzer {

struct CodePlace {
  std::string module;   ///< path of the ELF file; empty = none known
  uint64_t offset = 0;  ///< ELF virtual address; without a module the bare address
};

class CodeMap {
 public:
  struct Mapping {
    uint64_t start;
    uint64_t end;
    uint64_t file_offset;
    std::string path;
    bool is_writable = false;
  };

  void Add(Mapping mapping) { mappings_.push_back(std::move(mapping)); }
  const std::vector<Mapping>& mappings() const { return mappings_; }
  /// From /proc/PID/maps. False where it can't be read.
  bool ReadProcess(int pid);
  CodePlace Find(uint64_t address);
  bool Holds(uint64_t address) const;
  /// In what is mapped of a file and cannot be written to.
  bool HoldsConstant(uint64_t address) const;

 private:
  struct Segment {
    uint64_t file_offset;
    uint64_t size;
    uint64_t address;
  };
  const std::vector<Segment>& SegmentsOf(const std::string& path);

  std::vector<Mapping> mappings_;
  std::map<std::string, std::vector<Segment>> segments_;
};

}  // namespace fdaudit::analyzer
