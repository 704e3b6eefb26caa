// SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format).

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "analyzer/detect/kinds.h"
#include "analyzer/output/escape.h"
#include "analyzer/output/formats/formats.h"
#include "analyzer/output/json/text.h"
#include "analyzer/output/json/writer.h"
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

/// Whether WriteLocation() has anything to write: a place in the source, or the function alone where that is not known.
bool HasLocation(const Json& place, const FormatOptions& options) {
  return !SourceLineOf(place, options).file.empty() || !place["function"].Text().empty();
}

void WritePhysicalLocation(const SourceLine& source, JsonWriter& out) {
  const bool is_absolute = source.file.front() == '/';
  out.Object("physicalLocation", [&] {
    out.Object("artifactLocation", [&] {
      out.Field("uri", (is_absolute ? "file://" : "") + Percent(source.file));
      if (!is_absolute) out.Field("uriBaseId", kRootName);
    });
    if (source.line > 0) out.Object("region", [&] { out.Field("startLine", source.line); });
  });
}

/// The members of a location.
void WriteLocation(const Json& place, const FormatOptions& options, JsonWriter& out) {
  const SourceLine source = SourceLineOf(place, options);
  if (!source.file.empty()) WritePhysicalLocation(source, out);
  const std::string& function = place["function"].Text();
  if (function.empty()) return;
  out.List("logicalLocations", [&] {
    out.Object([&] {
      out.Field("fullyQualifiedName", EscapeControls(function));
      out.Field("kind", "function");
    });
  });
}

void WriteMessage(const char* name, std::string_view text, JsonWriter& out) {
  out.Object(name, [&] { out.Field("text", text); });
}

std::string EventText(const Json& event) {
  const std::string& call = event["call"].Text();
  return event["role"].Text() + (call.empty() ? "" : " by " + call);
}

/// An event of a finding whose stack is known.
struct Witness {
  const Json* event;
  const Json* frames;
  const Json* place;  // of the innermost frame that has a source line; nullptr: there is none
};

const Json* PlaceOf(const Json& frames, const FormatOptions& options) {
  for (const Json& frame : frames) {
    Frame known;
    known.function = frame["function"].Text();
    known.file = frame["file"].Text();
    known.module = frame["module"].Text();
    known.is_python = frame["language"].Text() == "python";
    if (!known.file.empty() && !IsRuntime(known)) return HasLocation(frame, options) ? &frame : nullptr;
  }
  return nullptr;
}

void WriteStack(const Witness& witness, const FormatOptions& options, JsonWriter& out) {
  out.Object([&] {
    WriteMessage("message", EventText(*witness.event), out);
    out.List("frames", [&] {
      for (const Json& frame : *witness.frames) {
        out.Object([&] {
          if (HasLocation(frame, options)) out.Object("location", [&] { WriteLocation(frame, options, out); });
          const std::string& module = frame["module"].Text();
          if (!module.empty()) out.Field("module", EscapeControls(module));
        });
      }
    });
  });
}

void WriteRelated(const std::vector<Witness>& witnesses, const FormatOptions& options, JsonWriter& out) {
  size_t id = 0;
  for (const Witness& witness : witnesses) {
    if (witness.place == nullptr) continue;
    out.Object([&] {
      WriteLocation(*witness.place, options, out);
      out.Field("id", ++id);
      WriteMessage("message", EventText(*witness.event), out);
    });
  }
}

void WriteStory(const Json& stacks, const Json& finding, const FormatOptions& options, JsonWriter& out) {
  std::vector<Witness> witnesses;
  for (const Json& event : finding["events"]) {
    const Json* const frames = stacks.Find(event["stack"].Text());
    if (frames != nullptr) witnesses.push_back({&event, frames, PlaceOf(*frames, options)});
  }
  const auto has_place = [](const Witness& witness) { return witness.place != nullptr; };
  if (std::any_of(witnesses.begin(), witnesses.end(), has_place)) {
    out.List("relatedLocations", [&] { WriteRelated(witnesses, options, out); });
  }
  if (witnesses.empty()) return;
  // Two events of one role on one call path are one stack (§3.27.10: the elements are unique).
  std::set<std::pair<std::string, const Json*>> written;
  out.List("stacks", [&] {
    for (const Witness& witness : witnesses) {
      if (written.emplace(EventText(*witness.event), witness.frames).second) WriteStack(witness, options, out);
    }
  });
}

void WriteState(const Json& finding, JsonWriter& out) {
  const std::string& id = finding["id"].Text();
  const std::string& state = finding["state"].Text();
  out.Object("partialFingerprints", [&] { out.Field("fdaudit/v" + id.substr(0, id.find(':')), id); });
  out.Field("baselineState", state == "known" ? "unchanged" : "new");
  if (state != "suppressed") return;
  out.List("suppressions", [&] { out.Object([&] { out.Field("kind", "external"); }); });
}

void WriteResult(const Json& stacks, const Json& finding, const FormatOptions& options, JsonWriter& out) {
  const std::string& kind = finding["kind"].Text();
  const Json& location = finding["location"];
  out.Object([&] {
    out.Field("ruleId", kind);
    out.Field("ruleIndex", static_cast<size_t>(*FindKind(kind)));
    out.Field("level", finding["severity"]);
    WriteMessage("message", EscapeControls(MessageOf(finding)), out);
    if (HasLocation(location, options)) {
      out.List("locations", [&] { out.Object([&] { WriteLocation(location, options, out); }); });
    }
    WriteStory(stacks, finding, options, out);
    WriteState(finding, out);
    out.Field("occurrenceCount", finding["count"]);
    out.Object("properties", [&] {
      for (const char* key : {"certainty", "gates", "own"}) out.Field(key, finding[key]);
    });
  });
}

/// As code hosts write them, which file alerts by these.
void WriteTags(const KindInfo& info, JsonWriter& out) {
  out.Value(std::string_view("security"));
  for (const uint16_t number : info.cwe) {
    if (number != 0) out.Value(std::string_view(fmt::format("external/cwe/cwe-{:03}", number)));
  }
}

void WriteRules(JsonWriter& out) {
  out.List("rules", [&] {
    for (const KindInfo& info : AllKinds()) {
      out.Object([&] {
        out.Field("id", info.name);
        WriteMessage("shortDescription", info.summary, out);
        WriteMessage("fullDescription", info.meaning, out);
        WriteMessage("help", fmt::format("{}\n\n{}", info.proof, info.fix), out);
        out.Object("defaultConfiguration", [&] { out.Field("level", Name(info.severity)); });
        out.Object("properties", [&] { out.List("tags", [&] { WriteTags(info, out); }); });
      });
    }
  });
}

/// The run as a whole has something to say, not one of its results.
void WriteLoss(const std::string& loss, JsonWriter& out) {
  out.List("invocations", [&] {
    out.Object([&] {
      out.Field("executionSuccessful", true);
      out.List("toolExecutionNotifications", [&] {
        out.Object([&] {
          out.Field("level", "warning");
          WriteMessage("message", loss, out);
        });
      });
    });
  });
}

void WriteRun(const FindingSource& source, const FormatOptions& options, JsonWriter& out) {
  out.Object([&] {
    out.Object("tool", [&] {
      out.Object("driver", [&] {
        out.Field("name", "fdaudit");
        out.Field("version", kVersion);
        WriteRules(out);
      });
    });
    out.Object("originalUriBaseIds",
               [&] { out.Object(kRootName, [&] { out.Field("uri", "file://" + Percent(RootDirectory(options))); }); });
    out.Field("columnKind", "utf16CodeUnits");
    if (const std::string loss = LossOf(source.head()); !loss.empty()) WriteLoss(loss, out);
    out.List("results", [&] {
      const auto write = [&](const Json& finding, const Json& stacks) { WriteResult(stacks, finding, options, out); };
      for (size_t i = 0; i < source.size(); ++i) source.Show(i, write);
    });
  });
}

}  // namespace

void RenderSarif(const FindingSource& source, const FormatOptions& options, const Sink& sink) {
  JsonText text(sink);
  JsonWriter out(&text);
  out.Object([&] {
    out.Field("$schema", "https://json.schemastore.org/sarif-2.1.0.json");
    out.Field("version", "2.1.0");
    out.List("runs", [&] { WriteRun(source, options, out); });
  });
  sink("\n");
}

}  // namespace fdaudit::analyzer
