// .fdaudit.toml: the gate's options, checked in beside the code that they are about. The only file that knows the TOML
// library.

// What the library asserts of a file that is wrong must not end the process before the program has run: behind each
// assertion it reports the same as an error, with its line.
#define TOML_ASSERT(condition) static_cast<void>(0)

// What nobody here uses of it would be compiled all the same.
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_UNRELEASED_FEATURES 0
#include <toml++/toml.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "analyzer/commands/command.h"
#include "analyzer/commands/gate_options.h"
#include "analyzer/commands/settings.h"
#include "analyzer/trace/file_text.h"

namespace fdaudit::analyzer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = ".fdaudit.toml";
constexpr size_t kMostConfiguration = 1 << 20;

using Shape = Setting::Shape;

std::string Find(const std::string& given) {
  if (!given.empty()) return given;
  std::error_code error;
  for (fs::path folder = fs::current_path(error); !error; folder = folder.parent_path()) {
    std::error_code missing;
    if (fs::exists(folder / kName, missing)) return folder / kName;
    if (folder == folder.parent_path()) break;
  }
  return "";
}

class Reader {
 public:
  Reader(std::string file, std::string* problem) : file_(std::move(file)), problem_(problem) {}

  void Section(const toml::table& root, const char* name, std::map<std::string, std::vector<std::string>>* out) {
    const toml::node* node = root.get(name);
    if (node == nullptr) return;
    if (!node->is_table()) return Bad(*node, std::string("'") + name + "' is no table");
    for (const auto& [key, value] : *node->as_table()) {
      std::vector<std::string> names;
      const Setting* known = nullptr;
      for (const Setting& setting : AllSettings()) {
        if (std::string_view(setting.section) != name) continue;
        names.emplace_back(setting.name);
        if (key.str() == setting.name) known = &setting;
      }
      if (known == nullptr) {
        const std::string meant = Closest(std::string(key.str()), names);
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

  void Value(const toml::node& value, const Setting& setting, std::vector<std::string>* out) {
    const std::string name = setting.name;
    switch (setting.shape) {
      case Shape::kText:
      case Shape::kFile:
        if (const auto text = value.value_exact<std::string>()) return Add(value, setting, *text, out);
        return Bad(value, name + " is a text");
      case Shape::kNumber:
        if (const auto number = value.value_exact<int64_t>()) return Add(value, setting, std::to_string(*number), out);
        return Bad(value, name + " is a number");
      case Shape::kFlag:
        if (const auto flag = value.value_exact<bool>()) return Add(value, setting, *flag ? "true" : "false", out);
        return Bad(value, name + " is true or false");
      case Shape::kCounts:
        if (!value.is_table()) return Bad(value, name + " is a table such as {leak = 3}");
        for (const auto& [kind, count] : *value.as_table()) {
          if (!count.is_integer()) return Bad(count, std::string(kind.str()) + " is a number");
          Add(count, setting, std::string(kind.str()) + "=" + std::to_string(count.as_integer()->get()), out);
        }
        return;
      default:
        Texts(value, setting, out);
    }
  }

  void Texts(const toml::node& value, const Setting& setting, std::vector<std::string>* out) {
    if (const auto text = value.value_exact<std::string>()) return Add(value, setting, *text, out);
    if (!value.is_array()) return Bad(value, std::string(setting.name) + " is a text or a list of them");
    for (const toml::node& one : *value.as_array()) {
      const auto text = one.value_exact<std::string>();
      if (!text) return Bad(one, std::string(setting.name) + " is a list of texts");
      Add(one, setting, *text, out);
    }
  }

  /// What the command line refuses, is refused here too.
  void Add(const toml::node& node, const Setting& setting, const std::string& text, std::vector<std::string>* out) {
    const std::string problem = ProblemOf(setting, text);
    if (!problem.empty()) return Bad(node, problem);
    const bool is_file = setting.shape == Shape::kFile || setting.shape == Shape::kFiles;
    out->push_back(is_file ? Absolute(text) : text);
  }

  std::string file_;
  std::string* problem_;
};

}  // namespace

bool ReadConfiguration(const std::string& path, Configuration* out, std::string* problem) {
  out->file = Find(path);
  if (out->file.empty()) return true;
  const FileText file = ReadFileText(out->file, kMostConfiguration);
  if (!file) {
    *problem = out->file + " cannot be read: " + strerror(file.error);
    return false;
  }
  try {
    const toml::table root = toml::parse(file.text, out->file);
    Reader reader(out->file, problem);
    for (const auto& [key, value] : root) {
      if (key.str() != "gate" && key.str() != "report") {
        reader.Bad(value, "unknown section '" + std::string(key.str()) + "': there are [gate] and [report]");
      }
    }
    reader.Section(root, "gate", &out->gate);
    reader.Section(root, "report", &out->report);
  } catch (const toml::parse_error& error) {
    const auto& begin = error.source().begin;
    *problem = out->file + ":" + std::to_string(begin.line) + ": " + std::string(error.description());
  }
  return problem->empty();
}

}  // namespace fdaudit::analyzer
