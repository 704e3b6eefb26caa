#pragma once

// A report as the formats of other tools take it: its findings one by one. Of 100,000 findings the documents would take
// a gigabyte; one at a time they take nothing.

#include <functional>
#include <string>

#include "analyzer/output/document.h"
#include "analyzer/output/report.h"

namespace fdaudit::analyzer {

class FindingSource {
 public:
  virtual ~FindingSource() = default;

  /// All of the report but its findings and their stacks, which it may lack.
  virtual const JsonValue& head() const = 0;

  virtual size_t size() const = 0;
  /// What decides where a finding is shown, without making all of it.
  struct Brief {
    std::string context;  ///< as in the JSON
    bool gates;
    bool is_new;  ///< neither known nor suppressed
  };
  virtual Brief BriefOf(size_t index) const = 0;
  /// Calls with a finding, and with an object that has at least the stacks that it names.
  using Visit = std::function<void(const JsonValue& finding, const JsonValue& stacks)>;
  virtual void Show(size_t index, const Visit& visit) const = 0;
};

/// Of a document in memory.
class DocumentFindings : public FindingSource {
 public:
  explicit DocumentFindings(const JsonValue& document) : document_(document) {}
  const JsonValue& head() const override { return document_; }
  size_t size() const override { return document_["findings"].size(); }
  Brief BriefOf(size_t index) const override;
  void Show(size_t index, const Visit& visit) const override;

 private:
  const JsonValue& document_;
};

/// Of a report that was made from traces.
class ReportFindings : public FindingSource {
 public:
  explicit ReportFindings(const Report& report);
  const JsonValue& head() const override { return head_; }
  size_t size() const override { return report_.findings.size(); }
  Brief BriefOf(size_t index) const override;
  void Show(size_t index, const Visit& visit) const override;

 private:
  const Report& report_;
  JsonValue head_;
};

}  // namespace fdaudit::analyzer
