#pragma once

// All kinds of findings in one table: `explain`, the report's by_kind and the text report's advice read it.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "analyzer/detect/finding.h"

namespace fdaudit::analyzer {

/// At most three; 0 = no more.
using Weaknesses = std::array<uint16_t, 3>;

struct KindInfo {
  Kind kind;
  const char* name;
  Severity severity;    ///< the usual one
  const char* summary;  ///< half a line
  const char* meaning;  ///< what it means, for `explain`
  const char* proof;    ///< what proves it, and what is left out
  const char* fix;      ///< one line, also in the text report
  const char* example;  ///< where it has hurt somebody
  const char* in_c;     ///< how to fix it there
  const char* in_cpp;
  const char* in_python;
  Weaknesses cwe;  ///< numbers of the Common Weakness Enumeration (cwe.mitre.org) that it is an instance of
};

/// The row of a kind; rows stand in the contract's order.
const KindInfo& Info(Kind kind);
const KindInfo (&AllKinds())[kKinds];
std::optional<Kind> FindKind(std::string_view name);

/// "CWE-775, CWE-773"; empty where there is none.
std::string WeaknessesOf(const KindInfo& info);

inline const char* Name(Kind kind) { return Info(kind).name; }

}  // namespace fdaudit::analyzer
