#pragma once

// Rust's two manglings. Legacy, "_ZN3foo3bar17h0123456789abcdefE", looks like C++ and ends with a hash; v0,
// "_RNvC3foo3bar", is a grammar of its own: https://doc.rust-lang.org/rustc/symbol-mangling/v0.html.

#include <optional>
#include <string>
#include <string_view>

namespace fdaudit::analyzer {

/// The path in Rust's notation without hashes, e.g. "<foo::Bar as core::fmt::Debug>::fmt"; nothing where `symbol` is no
/// Rust symbol, is damaged, or would be absurdly long.
std::optional<std::string> DemangleRust(std::string_view symbol);

}  // namespace fdaudit::analyzer
