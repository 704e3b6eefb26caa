// .fdaudit.toml: the gate's options, checked in beside the code that they are about. The only file that knows the TOML
// library.

// What nobody here uses of it would be compiled all the same.
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_UNRELEASED_FEATURES 0
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "analyzer/commands/command.h"
#include "analyzer/commands/gate_options.h"

namespace fdaudit::analyzer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = ".fdaudit.toml";

enum class Shape { kText, kTexts, kNumber, kFlag, kCounts, kFile, kFiles };

struct Key {
  const char* name;
  Shape shape;
};

constexpr Key kGateKeys[] = {{"fail-on", Shape::kTexts},
                             {"scope", Shape::kText},
                             {"baseline", Shape::kFiles},
                             {"suppressions", Shape::kFiles},
                             {"max", Shape::kCounts},
                             {"min-count", Shape::kNumber},
                             {"error-exitcode", Shape::kNumber},
                             {"no-default-suppressions", Shape::kFlag},
                             {"allow-loss", Shape::kFlag}};
constexpr Key kReportKeys[] = {{"source-root", Shape::kFile},
                               {"sysroot", Shape::kFile},
                               {"debug-dir", Shape::kFiles},
                               {"helper", Shape::kTexts},
                               {"ignore-before", Shape::kText}};

std::string Find(const std::string& given) {
  if (!given.empty()) return given;
  std::error_code error;
  for (fs::path folder = fs::current_path(error); !error; folder = folder.parent_path()) {
    std::error_code missing;
    if (fs::is_regular_file(folder / kName, missing)) return folder / kName;
    if (folder == folder.parent_path()) break;
  }
  return "";
}

class Reader {
 public:
  Reader(std::string file, std::string* problem) : file_(std::move(file)), problem_(problem) {}

  template <size_t N>
  void Section(const toml::table& root, const char* name, const Key (&keys)[N],
               std::map<std::string, std::vector<std::string>>* out) {
    const toml::node* node = root.get(name);
    if (node == nullptr) return;
    if (!node->is_table()) return Bad(*node, std::string("'") + name + "' is no table");
    for (const auto& [key, value] : *node->as_table()) {
      const auto* known =
          std::find_if(std::begin(keys), std::end(keys), [&key = key](const Key& k) { return key.str() == k.name; });
      if (known == std::end(keys)) {
        std::vector<std::string> names;
        for (const Key& k : keys) names.emplace_back(k.name);
        const std::string meant = Closest(key.str(), names);
        return Bad(value, "unknown key '" + std::string(key.str()) + "' in [" + name + "]" +
                              (meant.empty() ? "" : ", did you mean '" + meant + "'?"));
      }
      Value(value, *known, &(*out)[known->name]);
    }
  }

  void Bad(const toml::node& node, const std::string& what) {
    if (problem_->empty()) *problem_ = file_ + ":" + std::to_string(node.source().begin.line) + ": " + what;
  }

 private:
  std::string Absolute(const std::string& name) const {
    return (fs::path(file_).parent_path() / name).lexically_normal().string();
  }

  void Value(const toml::node& value, const Key& key, std::vector<std::string>* out) {
    const bool is_file = key.shape == Shape::kFile || key.shape == Shape::kFiles;
    const auto add = [&](const std::string& text) { out->push_back(is_file ? Absolute(text) : text); };
    switch (key.shape) {
      case Shape::kText:
      case Shape::kFile:
        if (const auto text = value.value_exact<std::string>()) return add(*text);
        return Bad(value, std::string(key.name) + " is a text");
      case Shape::kNumber:
        if (const auto number = value.value_exact<int64_t>()) return add(std::to_string(*number));
        return Bad(value, std::string(key.name) + " is a number");
      case Shape::kFlag:
        if (const auto flag = value.value_exact<bool>()) return add(*flag ? "true" : "false");
        return Bad(value, std::string(key.name) + " is true or false");
      case Shape::kCounts:
        if (!value.is_table()) return Bad(value, std::string(key.name) + " is a table such as {leak = 3}");
        for (const auto& [kind, count] : *value.as_table()) {
          if (!count.is_integer()) return Bad(count, std::string(kind.str()) + " is a number");
          out->push_back(std::string(kind.str()) + "=" + std::to_string(count.as_integer()->get()));
        }
        return;
      default:
        Texts(value, key, add);
    }
  }

  template <typename Add>
  void Texts(const toml::node& value, const Key& key, Add add) {
    if (const auto text = value.value_exact<std::string>()) return add(*text);
    if (!value.is_array()) return Bad(value, std::string(key.name) + " is a text or a list of them");
    for (const toml::node& one : *value.as_array()) {
      const auto text = one.value_exact<std::string>();
      if (!text) return Bad(one, std::string(key.name) + " is a list of texts");
      add(*text);
    }
  }

  std::string file_;
  std::string* problem_;
};

}  // namespace

bool ReadConfiguration(const std::string& path, Configuration* out, std::string* problem) {
  out->file = Find(path);
  if (out->file.empty()) return true;
  try {
    const toml::table root = toml::parse_file(out->file);
    Reader reader(out->file, problem);
    for (const auto& [key, value] : root) {
      if (key.str() != "gate" && key.str() != "report") {
        reader.Bad(value, "unknown section '" + std::string(key.str()) + "': there are [gate] and [report]");
      }
    }
    reader.Section(root, "gate", kGateKeys, &out->gate);
    reader.Section(root, "report", kReportKeys, &out->report);
  } catch (const toml::parse_error& error) {
    const auto& begin = error.source().begin;
    *problem = out->file + ":" + std::to_string(begin.line) + ": " + std::string(error.description());
  }
  return problem->empty();
}

}  // namespace fdaudit::analyzer
