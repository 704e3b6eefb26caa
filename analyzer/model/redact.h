#pragma once

// Names for reports that leave the house: --redact puts hashes in place of arguments and of names that programs opened.

#include <string>
#include <string_view>

namespace fdaudit::analyzer {

/// "#1f0a92bc": equal for equal texts, in any report; "/usr/#1f0a92bc" for the path of a system's file, which decides
/// whose code is whose. A reader who can guess a text can confirm it. Empty stays empty.
std::string Redacted(std::string_view text);

}  // namespace fdaudit::analyzer
