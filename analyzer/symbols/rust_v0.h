#pragma once

// Rust's v0 mangling; what others call is DemangleRust().

#include <optional>
#include <string>
#include <string_view>

namespace fdaudit::analyzer {

/// Demangles what follows "_R". A suffix that begins with '.' or '$' is the compiler's and is dropped.
std::optional<std::string> DemangleRustV0(std::string_view mangled);

}  // namespace fdaudit::analyzer
