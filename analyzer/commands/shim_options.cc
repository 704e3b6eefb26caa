#include "analyzer/commands/shim_options.h"

#include <fmt/core.h>

#include <iterator>

#include "analyzer/commands/options.h"
#include "shim/base/settings.h"

namespace fdaudit::analyzer {
namespace {

using settings::Setting;
using settings::Type;

std::string Expected(const Setting& setting) {
  switch (setting.type) {
    case Type::kSwitch:
      return "0 or 1";
    case Type::kSize:
      return "a size such as 16M, 4G at most";
    case Type::kNames:
      return fmt::format("file names, separated by commas, {} bytes at most", setting.most);
    case Type::kChoice:
      return "one of " + std::string(setting.value);
    default:
      return fmt::format("a number from {} to {}", setting.least, setting.most);
  }
}

/// A colon would end the option.
bool IsValid(const Setting& setting, const std::string& value) {
  uint64_t number = 0;
  return value.find(':') == std::string::npos && settings::Parse(setting, value.data(), value.size(), &number);
}

}  // namespace

void ShimOptionReader::Declare(CommandLine* line) {
  given_.resize(std::size(settings::kAll));
  auto given = given_.begin();
  for (const Setting& setting : settings::kAll) {
    const std::string usual = *setting.usual == '\0' ? "" : fmt::format(" ({})", setting.usual);
    line->Add({{.names = std::string("--") + setting.name,
                .target = &*given++,
                .help = setting.help + usual,
                .type = setting.value,
                .value_is_optional = setting.may_stand_alone,
                .group = "Options for the shim"}});
  }
}

std::string ShimOptionReader::Read(std::vector<ShimOption>* options) const {
  auto given = given_.begin();
  for (const Setting& setting : settings::kAll) {
    if (const std::optional<std::string>& one = *given++) {
      const std::string value = one->empty() ? "1" : *one;
      if (!IsValid(setting, value))
        return fmt::format("--{} takes {}, not '{}'", setting.name, Expected(setting), value);
      options->emplace_back(setting.name, value);
    }
  }
  return "";
}

}  // namespace fdaudit::analyzer
