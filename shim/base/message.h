#pragma once

// The shim's few words to the user, on descriptor 2, and only while that is the one the process was started with: a
// program that closes it may get a socket of its own as 2.

namespace fdaudit::shim {

/// Called once, at the start.
void RememberStandardError();

/// "fdaudit: WHAT DETAIL". Says nothing where descriptor 2 is not the first one any more.
void Complain(const char* what, const char* detail);

}  // namespace fdaudit::shim
