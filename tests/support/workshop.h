#pragma once

// A temporary folder in which a test builds small programs with the machine's tools.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace fdaudit::testing {

class Workshop {
 public:
  Workshop() {
    std::string path = (std::filesystem::temp_directory_path() / "fdaudit-test-XXXXXX").string();
    dir_ = mkdtemp(path.data()) ? path : "";
    EXPECT_FALSE(dir_.empty());
  }
  ~Workshop() {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }

  /// Runs a shell command in the folder; what it prints is the result. The test fails where the command does.
  std::string Run(const std::string& command) const {
    std::string output;
    FILE* pipe = popen(("cd " + dir_ + " && " + command).c_str(), "r");
    if (!pipe) return output;
    std::array<char, 4096> buffer;
    while (size_t size = fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), size);
    EXPECT_EQ(pclose(pipe), 0) << command;
    return output;
  }

  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }

  std::string Read(const std::string& name) const {
    std::ostringstream bytes;
    bytes << std::ifstream(Path(name), std::ios::binary).rdbuf();
    return bytes.str();
  }

  /// Address of a symbol of an ELF file that is not stripped.
  uint64_t Address(const std::string& file, const std::string& symbol) const {
    std::istringstream lines(Run("nm " + file));
    std::string address, type, name;
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      if (words >> address >> type >> name && name == symbol) return std::stoull(address, nullptr, 16);
    }
    ADD_FAILURE() << "no symbol " << symbol << " in " << file;
    return 0;
  }

  /// Build ID of an ELF file; empty where it has none.
  std::vector<uint8_t> BuildId(const std::string& file) const {
    std::string notes = Run("readelf -n " + file), marker = "Build ID: ";
    std::vector<uint8_t> id;
    size_t at = notes.find(marker);
    if (at == std::string::npos) return id;
    for (at += marker.size(); at + 1 < notes.size() && std::isxdigit(notes[at]); at += 2) {
      id.push_back(static_cast<uint8_t>(std::stoi(notes.substr(at, 2), nullptr, 16)));
    }
    return id;
  }

 private:
  std::string dir_;
};

/// Where a source below tests/support/fixtures lies.
inline std::string Fixture(const std::string& name) {
  std::filesystem::path file = std::filesystem::path(__FILE__).parent_path() / "fixtures" / name;
  return std::filesystem::absolute(file).lexically_normal().string();
}

/// The line of a fixture that ends with "// line: <mark>".
inline int LineOf(const std::string& fixture, const std::string& mark) {
  std::ifstream file(Fixture(fixture));
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.ends_with("// line: " + mark)) return number;
  }
  ADD_FAILURE() << "no line " << mark << " in " << fixture;
  return 0;
}

inline bool HasTool(const std::string& name) {
  return std::system(("command -v " + name + " >/dev/null 2>&1").c_str()) == 0;
}

}  // namespace fdaudit::testing
