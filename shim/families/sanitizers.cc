// Sanitizers that come as a library of their own (gcc's, clang's with -shared-libasan).

#include "shim/interpose/interpose.h"

/// AddressSanitizer ends a program in which any library was preloaded before its own. That is a check of its own order
/// against others', and no need of it: its functions come after ours and are called by them. The program's own function
/// of this name comes before this one, and ASAN_OPTIONS, where `fdaudit run` says the same, count for more than either.
FDAUDIT_EXPORT const char* __asan_default_options() { return "verify_asan_link_order=0"; }
