// SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format).

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analyzer/detect/kinds.h"
#include "analyzer/output/escape.h"
#include "analyzer/output/formats/formats.h"
#include "analyzer/output/json.h"
#include "analyzer/version.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;

constexpr const char* kRootName = "SRCROOT";

/// RFC 3986: everything but unreserved characters and slashes as %XX.
std::string Percent(std::string_view path) {
  std::string uri;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/").find(c) != std::string_view::npos;
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri;
}

/// A place in the source, or the function alone where that is not known. Null: neither is.
Json Location(const Json& place, const FormatOptions& options) {
  if (!place.is_object()) return nullptr;
  Json location = Json::object();
  const SourceLine source = SourceLineOf(place, options);
  if (!source.file.empty()) {
    const bool is_absolute = source.file.front() == '/';
    Json artifact = {{"uri", (is_absolute ? "file://" : "") + Percent(source.file)}};
    if (!is_absolute) artifact["uriBaseId"] = kRootName;
    location["physicalLocation"] = {{"artifactLocation", std::move(artifact)}};
    if (source.line > 0) location["physicalLocation"]["region"] = {{"startLine", source.line}};
  }
  if (const std::string function = TextOf(place, "function"); !function.empty()) {
    location["logicalLocations"] =
        Json::array({{{"fullyQualifiedName", EscapeControls(function)}, {"kind", "function"}}});
  }
  return location.empty() ? Json(nullptr) : location;
}

std::string EventText(const Json& event) {
  const std::string call = TextOf(event, "call");
  return TextOf(event, "role") + (call.empty() ? "" : " by " + call);
}

Json Stack(const Json& event, const Json& frames, const FormatOptions& options) {
  Json list = Json::array();
  for (const Json& frame : frames) {
    Json one = Json::object();
    if (Json location = Location(frame, options); !location.is_null()) one["location"] = std::move(location);
    if (const std::string module = TextOf(frame, "module"); !module.empty()) one["module"] = EscapeControls(module);
    list.push_back(std::move(one));
  }
  return {{"message", {{"text", EventText(event)}}}, {"frames", std::move(list)}};
}

/// The innermost frame of the event's stack that has a source line.
Json PlaceOf(const Json& frames, const FormatOptions& options) {
  for (const Json& frame : frames) {
    Frame known;
    known.function = TextOf(frame, "function");
    known.file = TextOf(frame, "file");
    known.module = TextOf(frame, "module");
    known.is_python = TextOf(frame, "language") == "python";
    if (!known.file.empty() && !IsRuntime(known)) return Location(frame, options);
  }
  return nullptr;
}

void AddStory(const Json& document, const Json& finding, const FormatOptions& options, Json* result) {
  Json related = Json::array();
  Json stacks = Json::array();
  for (const Json& event : finding["events"]) {
    const std::string key = TextOf(event, "stack");
    const auto frames = document["stacks"].find(key);
    if (key.empty() || frames == document["stacks"].end()) continue;
    if (Json location = PlaceOf(*frames, options); !location.is_null()) {
      location["id"] = related.size() + 1;
      location["message"] = {{"text", EventText(event)}};
      related.push_back(std::move(location));
    }
    stacks.push_back(Stack(event, *frames, options));
  }
  if (!related.empty()) (*result)["relatedLocations"] = std::move(related);
  if (!stacks.empty()) (*result)["stacks"] = std::move(stacks);
}

Json Result(const Json& document, const Json& finding, const FormatOptions& options) {
  const std::string kind = TextOf(finding, "kind");
  Json result = {{"ruleId", kind},
                 {"ruleIndex", static_cast<size_t>(*FindKind(kind))},
                 {"level", finding["severity"]},
                 {"message", {{"text", EscapeControls(TextOf(finding, "message"))}}}};
  if (Json location = Location(finding["location"], options); !location.is_null()) {
    result["locations"] = Json::array({std::move(location)});
  }
  AddStory(document, finding, options, &result);
  const std::string id = TextOf(finding, "id");
  const std::string state = TextOf(finding, "state");
  result["partialFingerprints"] = {{"fdaudit/v" + id.substr(0, id.find(':')), id}};
  result["baselineState"] = state == "known" ? "unchanged" : "new";
  if (state == "suppressed") result["suppressions"] = Json::array({{{"kind", "external"}}});
  result["occurrenceCount"] = finding["count"];
  result["properties"] = {{"certainty", finding["certainty"]}, {"gates", finding["gates"]}, {"own", finding["own"]}};
  return result;
}

Json Rules() {
  Json rules = Json::array();
  for (const KindInfo& info : AllKinds()) {
    rules.push_back({{"id", info.name},
                     {"shortDescription", {{"text", info.summary}}},
                     {"fullDescription", {{"text", info.meaning}}},
                     {"help", {{"text", fmt::format("{}\n\n{}", info.proof, info.mend)}}},
                     {"defaultConfiguration", {{"level", Name(info.severity)}}}});
  }
  return rules;
}

}  // namespace

std::string RenderSarif(const Json& document, const FormatOptions& options) {
  Json results = Json::array();
  for (const Json& finding : document["findings"]) results.push_back(Result(document, finding, options));
  const Json driver = {{"name", "fdaudit"}, {"version", kVersion}, {"rules", Rules()}};
  Json run = {{"tool", {{"driver", driver}}},
              {"originalUriBaseIds", {{kRootName, {{"uri", "file://" + Percent(RootDirectory(options))}}}}},
              {"columnKind", "utf16CodeUnits"},
              {"results", std::move(results)}};
  return Dump({{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
               {"version", "2.1.0"},
               {"runs", Json::array({std::move(run)})}});
}

}  // namespace fdaudit::analyzer
