#pragma once

// The page's script and style, bundled from web/ when the analyzer is built, and what a Content-Security-Policy calls
// them ("sha256-…", CSP Level 3 §2.3).

namespace fdaudit::analyzer {

extern const char kPageScript[];
extern const char kPageScriptHash[];
extern const char kPageStyle[];
extern const char kPageStyleHash[];

}  // namespace fdaudit::analyzer
