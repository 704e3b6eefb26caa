#pragma once

// Names come from strangers: file names and arguments may hold any byte, and neither break the JSON nor drive the
// reader's terminal.

#include <cstddef>
#include <string>
#include <string_view>

namespace fdaudit::analyzer {

/// Bytes of the character that `text`, which is not empty, begins with; 0: that is not UTF-8.
size_t CharacterLength(std::string_view text);

/// `bytes` as valid UTF-8: a byte that is not becomes \xNN, and so that this stays unambiguous, a backslash is doubled.
std::string RepairUtf8(std::string_view bytes);

/// What RepairUtf8 has made its text of.
std::string RestoreBytes(std::string_view repaired);

/// As RepairUtf8, and characters that control (C0, DEL, C1, marks of direction) or are not to be seen become \xNN, byte
/// by byte.
std::string EscapeForTerminal(std::string_view bytes);

/// The latter for text that RepairUtf8 has made, as a stored report holds it.
std::string EscapeControls(std::string_view repaired);

/// Appends `bytes` as a JSON string with its quotes, repaired.
void AppendJsonString(std::string_view bytes, std::string* out);

}  // namespace fdaudit::analyzer
