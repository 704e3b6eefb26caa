#pragma once

// The Makefile knows the version; a compile without it (an editor's, a lint's) still works.

namespace fdaudit::analyzer {

#ifdef FDAUDIT_VERSION
inline constexpr char kVersion[] = FDAUDIT_VERSION;
#else
inline constexpr char kVersion[] = "development";
#endif

}  // namespace fdaudit::analyzer
