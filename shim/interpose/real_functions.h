#pragma once

// Where the real functions are: of all that are intercepted, a program calls a few.

namespace fdaudit::shim {

/// For the shim's constructor, before any other call. `by_reading`: false where dlsym may find another function than
/// the next one in the order of the libraries.
void PrepareRealFunctions(bool by_reading);

/// Since glibc 2.34 libc is one library, whose parts call each other and not us.
bool LibcIsOneLibrary();

/// What a caller gets who has found `found` under `name` in one of its libraries: the function that is exported here in
/// its place, if that calls this very one. Another library that intercepts it too would be called by it in turn, so
/// its own look-ups stay as they are; so does what a copy of libc in another namespace has. Calls nothing of libc.
void* OwnInPlaceOf(const char* name, void* found);

/// Before a fork: what a child calls first is found once, and not by each child anew, in memory that it would have to
/// copy for that.
void FindWhatChildrenCall();

}  // namespace fdaudit::shim
