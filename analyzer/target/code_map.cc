#include "analyzer/target/code_map.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "analyzer/trace/file_text.h"

namespace fdaudit::analyzer {

bool CodeMap::ReadProcess(int pid) {
  std::istringstream maps(ReadFileText("/proc/" + std::to_string(pid) + "/maps").text);
  std::string line;
  while (std::getline(maps, line)) {
    // start-end permissions offset device inode path
    std::istringstream fields(line);
    Mapping mapping{};
    char dash = 0;
    std::string permissions, device, inode;
    fields >> std::hex >> mapping.start >> dash >> mapping.end >> permissions >> mapping.file_offset >> device >> inode;
    if (!fields) continue;
    std::getline(fields >> std::ws, mapping.path);
    mapping.is_writable = permissions.find('w') != std::string::npos;
    if (mapping.path.starts_with('/')) mappings_.push_back(std::move(mapping));
  }
  return !mappings_.empty();
}

const std::vector<CodeMap::Segment>& CodeMap::SegmentsOf(const std::string& path) {
  const auto [known, is_new] = segments_.try_emplace(path);
  if (!is_new) return known->second;
  std::ifstream file(path, std::ios::binary);
  Elf64_Ehdr header;
  if (!file.read(reinterpret_cast<char*>(&header), sizeof header)) return known->second;
  const bool is_elf = memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64;
  if (!is_elf || header.e_phentsize != sizeof(Elf64_Phdr)) return known->second;
  file.seekg(static_cast<std::streamoff>(header.e_phoff));
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (!file.read(reinterpret_cast<char*>(&segment), sizeof segment)) break;
    if (segment.p_type == PT_LOAD) known->second.push_back({segment.p_offset, segment.p_filesz, segment.p_vaddr});
  }
  return known->second;
}

bool CodeMap::Holds(uint64_t address) const {
  return std::any_of(mappings_.begin(), mappings_.end(),
                     [address](const Mapping& one) { return address >= one.start && address < one.end; });
}

bool CodeMap::HoldsConstant(uint64_t address) const {
  return std::any_of(mappings_.begin(), mappings_.end(), [address](const Mapping& one) {
    return !one.is_writable && address >= one.start && address < one.end;
  });
}

CodePlace CodeMap::Find(uint64_t address) {
  for (const Mapping& mapping : mappings_) {
    if (address < mapping.start || address >= mapping.end) continue;
    const uint64_t at = address - mapping.start + mapping.file_offset;
    for (const Segment& segment : SegmentsOf(mapping.path)) {
      if (at >= segment.file_offset && at - segment.file_offset < segment.size) {
        return {mapping.path, at - segment.file_offset + segment.address};
      }
    }
    return {mapping.path, at};  // the file is not here
  }
  return {"", address};
}

}  // namespace fdaudit::analyzer
