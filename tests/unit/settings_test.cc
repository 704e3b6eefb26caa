// One definition of each setting: what flags, configuration, the shim's variable and the documentation say of it.

#include "analyzer/commands/settings.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "shim/base/settings.h"

namespace fdaudit::testing {
namespace {

std::string Read(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool Fits(const char* name, const std::string& value) {
  for (const settings::Setting& setting : settings::kAll) {
    uint64_t number = 0;
    if (setting.name == std::string(name)) return settings::Parse(setting, value.data(), value.size(), &number);
  }
  return false;
}

TEST(ShimSettings, StandInTheOrderOfTheirIds) {
  size_t index = 0;
  for (const settings::Setting& setting : settings::kAll) {
    EXPECT_EQ(static_cast<size_t>(setting.id), index++);
    EXPECT_TRUE(Fits(setting.name, setting.usual)) << setting.name;
  }
}

TEST(ShimSettings, HaveTheirRanges) {
  EXPECT_TRUE(Fits("depth", "1") && Fits("depth", "256"));
  EXPECT_FALSE(Fits("depth", "0") || Fits("depth", "257") || Fits("depth", "") || Fits("depth", "1x"));
  EXPECT_TRUE(Fits("journal", "0") && Fits("journal", "4G") && Fits("journal", "512k"));
  EXPECT_FALSE(Fits("journal", "5G") || Fits("journal", "99999999999999999999") || Fits("journal", "1T"));
  EXPECT_TRUE(Fits("follow", "0"));
  EXPECT_FALSE(Fits("follow", "2") || Fits("follow", "01"));
  EXPECT_TRUE(Fits("unwinder", "libunwind") && Fits("last_use", "stack"));
  EXPECT_FALSE(Fits("unwinder", "lib") || Fits("unwinder", ""));
  EXPECT_FALSE(Fits("skip", std::string(256, 'x')));
}

TEST(ShimSettings, AreInTheReadme) {
  const std::string page = Read("README.md");
  if (page.empty()) GTEST_SKIP() << "not run from the project's root";
  for (const settings::Setting& setting : settings::kAll) {
    const size_t row = page.find("\n| `" + std::string(setting.name) + "=");
    ASSERT_NE(row, std::string::npos) << setting.name;
    const std::string line = page.substr(row + 1, page.find('\n', row + 1) - row);
    EXPECT_NE(line.find("` | " + std::string(setting.usual)), std::string::npos) << line;
  }
}

TEST(Settings, HaveTheirRanges) {
  const auto problem = [](const char* name, const char* value) {
    return analyzer::ProblemOf(analyzer::FindSetting(name), value);
  };
  EXPECT_EQ(problem("error-exitcode", "255"), "");
  EXPECT_EQ(problem("error-exitcode", "256"), "error-exitcode is a number from 1 to 255, not '256'");
  EXPECT_NE(problem("min-count", "99999999999"), "");
  EXPECT_NE(problem("scope", "mine"), "");
  EXPECT_EQ(problem("max", "leak=3"), "");
  EXPECT_NE(problem("max", "leak"), "");
  EXPECT_EQ(problem("max", "leek=3"), "unknown finding kind 'leek' (did you mean 'leak'?)");
}

TEST(Settings, AreInTheDocumentation) {
  const std::string page = Read("docs/ci.md");
  if (page.empty()) GTEST_SKIP() << "not run from the project's root";
  for (const analyzer::Setting& setting : analyzer::AllSettings()) {
    const bool is_flag = page.find("--" + std::string(setting.name)) != std::string::npos;
    const bool is_key = page.find("\n" + std::string(setting.name) + " = ") != std::string::npos;
    EXPECT_TRUE(is_flag || is_key) << setting.name;
  }
}

}  // namespace
}  // namespace fdaudit::testing
