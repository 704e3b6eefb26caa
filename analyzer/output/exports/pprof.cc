// A profile as pprof, Pyroscope, Parca and speedscope read it: profile.proto of github.com/google/pprof, compressed.
//
// Modules are written as the mappings of one made-up address space, in which they lie side by side: a trace knows
// places as module and offset, whatever address a module had in this process or that.

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "analyzer/output/coverage.h"
#include "analyzer/output/escape.h"
#include "analyzer/output/exports/exports.h"
#include "analyzer/output/exports/gzip.h"
#include "analyzer/output/exports/holdings.h"
#include "analyzer/output/exports/protobuf.h"
#include "analyzer/version.h"

namespace fdaudit::analyzer {
namespace {

/// Field numbers of profile.proto, by message.
namespace profile {
constexpr int kSampleType = 1, kSample = 2, kMapping = 3, kLocation = 4, kFunction = 5, kStringTable = 6,
              kTimeNanos = 9, kDurationNanos = 10, kPeriodType = 11, kPeriod = 12, kComment = 13,
              kDefaultSampleType = 14;
}
namespace value_type {
constexpr int kType = 1, kUnit = 2;
}
namespace sample {
constexpr int kLocationId = 1, kValue = 2, kLabel = 3;
}
namespace label {
constexpr int kKey = 1, kStr = 2, kNum = 3;
}
namespace mapping {
constexpr int kId = 1, kMemoryStart = 2, kMemoryLimit = 3, kFilename = 5, kBuildId = 6, kHasFunctions = 7,
              kHasFilenames = 8, kHasLineNumbers = 9, kHasInlineFrames = 10;
}
namespace location {
constexpr int kId = 1, kMappingId = 2, kAddress = 3, kLine = 4;
}
namespace line {
constexpr int kFunctionId = 1, kLine = 2;
}
namespace function {
constexpr int kId = 1, kName = 2, kSystemName = 3, kFilename = 4;
}

class ProfileBuilder {
 public:
  explicit ProfileBuilder(const Report& report) : report_(report), model_(*report.model) {}

  std::string Build();

 private:
  struct Module {
    uint64_t id;
    uint64_t size = 0;  // as far as frames were met in it
  };
  /// One frame that is no inlined one, and those inlined into it, before it.
  struct Location {
    uint64_t id;
    std::string module;
    uint64_t offset;
    std::vector<std::pair<uint64_t, int>> lines;  // function, line
  };

  uint64_t Text(const std::string& text);
  ProtobufWriter ValueType(const char* type, const char* unit);
  void AddSample(const Holding& holding);
  std::vector<uint64_t> LocationsOf(const Holding& holding);
  uint64_t LocationOf(const std::vector<const Frame*>& frames);
  uint64_t FunctionOf(const std::string& name, const std::string& file);
  void WriteModules();
  void WriteComments();

  const Report& report_;
  Model& model_;
  ProtobufWriter profile_;
  std::unordered_map<std::string, uint64_t> texts_;
  std::vector<std::string> text_list_;
  std::map<std::string, Module> modules_;
  std::map<std::tuple<std::string, uint64_t, std::vector<std::pair<uint64_t, int>>>, Location> locations_;
  std::map<std::pair<std::string, std::string>, uint64_t> functions_;
};

uint64_t ProfileBuilder::Text(const std::string& text) {
  const auto [known, is_new] = texts_.try_emplace(EscapeForTerminal(text), text_list_.size());
  if (is_new) text_list_.push_back(known->first);
  return known->second;
}

ProtobufWriter ProfileBuilder::ValueType(const char* type, const char* unit) {
  ProtobufWriter message;
  message.Number(value_type::kType, Text(type));
  message.Number(value_type::kUnit, Text(unit));
  return message;
}

uint64_t ProfileBuilder::FunctionOf(const std::string& name, const std::string& file) {
  const auto [known, is_new] = functions_.try_emplace({name, file}, functions_.size() + 1);
  if (is_new) {
    ProtobufWriter message;
    message.Number(function::kId, known->second);
    message.Number(function::kName, Text(name));
    message.Number(function::kSystemName, Text(name));
    message.Number(function::kFilename, Text(file));
    profile_.Message(profile::kFunction, message);
  }
  return known->second;
}

uint64_t ProfileBuilder::LocationOf(const std::vector<const Frame*>& frames) {
  const Frame& outer = *frames.back();
  const std::string module = outer.is_python ? "" : outer.module;
  const uint64_t offset = outer.is_python ? 0 : outer.offset;
  std::vector<std::pair<uint64_t, int>> lines;
  for (const Frame* frame : frames) lines.emplace_back(FunctionOf(FrameName(*frame), frame->file), frame->line);
  if (!module.empty()) {
    Module& known = modules_.try_emplace(module, Module{modules_.size() + 1}).first->second;
    known.size = std::max(known.size, offset + 1);
  }
  const uint64_t next = locations_.size() + 1;
  return locations_.try_emplace({module, offset, lines}, Location{next, module, offset, lines}).first->second.id;
}

std::vector<uint64_t> ProfileBuilder::LocationsOf(const Holding& holding) {
  std::vector<uint64_t> ids;
  std::vector<const Frame*> together;
  for (const Frame& frame : model_.paths().Frames(holding.path)) {
    together.push_back(&frame);
    if (frame.is_inlined) continue;
    ids.push_back(LocationOf(together));
    together.clear();
  }
  if (!together.empty()) ids.push_back(LocationOf(together));
  Frame stand_in;
  if (holding.origin != Origin::kOpened || ids.empty()) {
    stand_in.function = holding.origin == Origin::kOpened ? "[unknown]" : FrameOf(holding.origin);
    ids.push_back(LocationOf({&stand_in}));
  }
  stand_in.function = BaseName(model_.processes()[holding.process].exe);
  ids.push_back(LocationOf({&stand_in}));
  return ids;
}

void ProfileBuilder::AddSample(const Holding& holding) {
  const Process& process = model_.processes()[holding.process];
  ProtobufWriter message;
  message.Numbers(sample::kLocationId, LocationsOf(holding));
  message.Numbers(sample::kValue, {holding.open, holding.leaked});
  const auto text_label = [&](const char* key, const std::string& value) {
    ProtobufWriter one;
    one.Number(label::kKey, Text(key));
    one.Number(label::kStr, Text(value));
    message.Message(sample::kLabel, one);
  };
  text_label("process", fmt::format("{} ({})", BaseName(process.exe), process.pid));
  text_label("descriptor", Name(holding.kind));
  ProtobufWriter pid;
  pid.Number(label::kKey, Text("pid"));
  pid.Number(label::kNum, static_cast<uint64_t>(process.pid));
  message.Message(sample::kLabel, pid);
  profile_.Message(profile::kSample, message);
}

void ProfileBuilder::WriteModules() {
  // Of two builds of one path only the path is known here: no build ID is better than the wrong one.
  std::map<std::string, std::string> build_ids;
  for (const ModuleRef& module : model_.paths().NamedModules()) {
    std::string id;
    for (const uint8_t byte : module.build_id) id += fmt::format("{:02x}", byte);
    const auto [known, is_new] = build_ids.try_emplace(module.path, id);
    if (!is_new && known->second != id) known->second.clear();
  }
  constexpr uint64_t kFirst = 0x400000, kGap = 0x100000;
  std::map<std::string, uint64_t> starts;
  uint64_t start = kFirst;
  // Readers take the first one for the program.
  std::vector<std::pair<std::string, Module>> modules(modules_.begin(), modules_.end());
  const std::string program = model_.processes().empty() ? "" : model_.processes().front().exe;
  std::stable_partition(modules.begin(), modules.end(), [&](const auto& one) { return one.first == program; });
  for (const auto& [path, module] : modules) {
    starts[path] = start;
    const uint64_t limit = (start + module.size + kGap - 1) / kGap * kGap;
    ProtobufWriter message;
    message.Number(mapping::kId, module.id);
    message.Number(mapping::kMemoryStart, start);
    message.Number(mapping::kMemoryLimit, limit);
    message.Number(mapping::kFilename, Text(path));
    message.Number(mapping::kBuildId, Text(build_ids[path]));
    // So that no reader looks for names itself, at addresses that we have made up.
    for (const int has :
         {mapping::kHasFunctions, mapping::kHasFilenames, mapping::kHasLineNumbers, mapping::kHasInlineFrames}) {
      message.Number(has, 1);
    }
    profile_.Message(profile::kMapping, message);
    start = limit;
  }
  for (const auto& [key, known] : locations_) {
    ProtobufWriter message;
    message.Number(location::kId, known.id);
    if (!known.module.empty()) {
      message.Number(location::kMappingId, modules_.at(known.module).id);
      message.Number(location::kAddress, starts[known.module] + known.offset);
    }
    for (const auto& [function_id, line_number] : known.lines) {
      ProtobufWriter line_message;
      line_message.Number(line::kFunctionId, function_id);
      line_message.Number(line::kLine, static_cast<uint64_t>(std::max(line_number, 0)));
      message.Message(location::kLine, line_message);
    }
    profile_.Message(profile::kLocation, message);
  }
}

void ProfileBuilder::WriteComments() {
  const Session& session = model_.session();
  std::string command;
  for (const std::string& argument : session.command) command += (command.empty() ? "" : " ") + argument;
  std::vector<std::string> comments = {
      fmt::format("fdaudit {}", kVersion), "command: " + command, "host: " + session.host,
      "open: descriptors that were open when their process ended, or are open now; leaked: those of them that a leak "
      "of severity error or warning is about"};
  for (const std::string& text : CoverageLines(model_)) comments.push_back("note: " + text);
  std::vector<uint64_t> indices;
  for (const std::string& comment : comments) indices.push_back(Text(comment));
  profile_.Numbers(profile::kComment, indices);
}

std::string ProfileBuilder::Build() {
  Text("");  // the table begins with it
  profile_.Message(profile::kSampleType, ValueType("open", "descriptors"));
  profile_.Message(profile::kSampleType, ValueType("leaked", "descriptors"));
  for (const Holding& holding : HoldingsOf(report_)) AddSample(holding);
  WriteModules();
  WriteComments();
  const Session& session = model_.session();
  profile_.Number(profile::kTimeNanos, static_cast<uint64_t>(std::max<int64_t>(session.started_realtime_ns, 0)));
  profile_.Number(profile::kDurationNanos, static_cast<uint64_t>(std::max(session.duration_s, 0.0) * 1e9));
  profile_.Message(profile::kPeriodType, ValueType("open", "descriptors"));
  profile_.Number(profile::kPeriod, 1);
  profile_.Number(profile::kDefaultSampleType, Text("open"));
  for (const std::string& text : text_list_) profile_.Text(profile::kStringTable, text);
  return Gzip(profile_.bytes());
}

}  // namespace

std::string RenderPprof(const Report& report) { return ProfileBuilder(report).Build(); }

}  // namespace fdaudit::analyzer
