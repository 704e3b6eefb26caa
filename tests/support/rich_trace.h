#pragma once

#include <string>

namespace fdaudit::testing {

/// The bytes of a trace that has something of everything: several processes, open and closed descriptors, findings of
/// each kind, a journal.
std::string RichTrace();

}  // namespace fdaudit::testing
