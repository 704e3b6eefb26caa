#pragma once

// Symbol names as people read them.

#include <string>
#include <string_view>

namespace fdaudit::analyzer {

/// `name` as a C identifier, C++ or Rust symbol is shown to people: demangled, without the version ("@GLIBC_2.2.5") and
/// without what the compiler appended to its clones (".constprop.0", ".cold" …). What cannot be demangled stays as it
/// is.
std::string DisplayName(std::string_view name);

/// Whether the name is mangled, i.e. DisplayName() has a source name for it.
bool IsMangled(std::string_view name);

/// A C++ name as a demangler or DWARF writes it, without its noise: ABI tags, inline namespaces of the standard
/// library, default template arguments, the return type of a template function.
std::string ShortenCxxName(std::string name);

}  // namespace fdaudit::analyzer
