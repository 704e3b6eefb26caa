#pragma once

// Where the real functions are: of all that are intercepted, a program calls a few.

namespace fdaudit::shim {

/// For the shim's constructor, before any other call. `by_reading`: false where dlsym may find another function than
/// the next one in the order of the libraries.
void PrepareRealFunctions(bool by_reading);

/// Since glibc 2.34 libc is one library, whose parts call each other and not us.
bool LibcIsOneLibrary();

/// Before a fork: what a child calls first is found once, and not by each child anew, in memory that it would have to
/// copy for that.
void FindWhatChildrenCall();

}  // namespace fdaudit::shim
