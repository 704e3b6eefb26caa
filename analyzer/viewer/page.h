#pragma once

// The page to look at: one HTML file without anything from elsewhere. What it says in words and tables is there without
// scripts too (continuous integration serves artefacts under policies that forbid them); the script adds filters,
// charts and the biographies of numbers.

#include <string>

#include "analyzer/output/document.h"

namespace fdaudit::analyzer {

struct PageOptions {
  std::string source_root;    ///< file names below it are shown relative to it
  bool show_sources = false;  ///< lines of the source files, where they are at hand
};

/// The worst of them: no browser is quick with more, and a document of this many is enough.
inline constexpr size_t kMostFindingsShown = 5000;

/// `report`: what the document was made of, for charts of its traces' events; nullptr for a stored report, which has
/// no events.
std::string RenderPage(const Document& document, const Report* report, const PageOptions& options);

}  // namespace fdaudit::analyzer
