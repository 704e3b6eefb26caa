#pragma once

// A report as its JSON document: made from traces, or read back from files, merged, judged again, and rendered in the
// formats of other tools.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analyzer/gate/gate.h"
#include "analyzer/output/json/reader.h"
#include "analyzer/output/json/value.h"
#include "analyzer/output/report.h"

namespace fdaudit::analyzer {

/// What a report may lack; nothing where it was stored by a version that did not say.
Losses LossesOf(const JsonValue& document);

class Document {
 public:
  using Json = JsonValue;

  /// `most_findings`: the first so many are enough; `summary` counts all.
  explicit Document(const Report& report, size_t most_findings = SIZE_MAX);
  Document(Document&&) noexcept = default;
  Document& operator=(Document&&) noexcept = default;
  /// Reads a report that `-f json` has written. Throws TraceError.
  static Document Read(const std::string& path);
  /// The same for what may be a report, which is opened once: nothing where it does not begin as one.
  static std::optional<Document> ReadIfReport(const std::string& path);

  const Json& json() const { return json_; }

  /// An order of reports that rests on what they say: by the start of their sessions.
  friend bool operator<(const Document& a, const Document& b);

  /// What the report may lack.
  Losses Lost() const { return LossesOf(json_); }

  /// Adds another report's processes and findings; those of one fingerprint become one.
  void Merge(Document other);

  /// Adds a member at the end.
  void Add(std::string_view name, Json value) { json_.At(name) = std::move(value); }

  /// The findings as the gate sees them, in their order. What they point to lives as long as this.
  std::vector<Subject> Subjects();
  /// Writes back what Judge() said of them.
  void SetVerdict(const std::vector<Subject>& subjects, const Verdict& verdict);

 private:
  Document() = default;
  static Document Read(const std::string& path, JsonFile file);

  void MergeFindings(Json& other);

  Json json_;
  std::deque<Frame> frames_;
  std::map<std::string, FrameList> stacks_;
  std::vector<std::unique_ptr<Frame>> locations_;  // of the findings
};

struct FormatOptions {
  std::string source_root;  ///< file names below it are shown relative to it; empty: to the working directory
};

/// True for a name of a format that Render() knows.
bool IsDocumentFormat(const std::string& format);

/// `format`: json, sarif, junit, github, gitlab or markdown.
void Render(const Document& document, const std::string& format, const FormatOptions& options, const Sink& sink);
void Render(const Report& report, const std::string& format, const FormatOptions& options, const Sink& sink);

}  // namespace fdaudit::analyzer
