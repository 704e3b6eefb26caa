#pragma once

// Suppressions: findings that somebody has looked at and decided to ignore. The file format is in docs/ci.md:
//
//   KIND:PATTERN                 one a line; # begins a comment
//
// KIND is a kind of finding or *. PATTERN is sought in each frame's function, source file and module of the finding's
// deciding call path, and in the names of its descriptors; * stands for any text, ^ and $ for the ends. A chain of
// patterns, innermost first, "read_file <- load_config", fits frames in this order with any others between.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/detect/finding.h"

namespace fdaudit::analyzer {

/// Like a shell's: * is any text. Without ^ it begins anywhere, without $ it ends anywhere.
class Pattern {
 public:
  explicit Pattern(std::string_view text);
  bool Fits(std::string_view text) const;
  bool is_empty() const { return parts_.empty() && !from_start_ && !to_end_; }

 private:
  std::vector<std::string> parts_;  ///< texts between stars
  bool from_start_ = false;
  bool to_end_ = false;
};

/// What suppressions look at in a finding.
struct SuppressionSubject {
  const FrameList* frames = nullptr;  ///< of the deciding event; nullptr = no stack
  const Frame* location = nullptr;    ///< the one among them that the finding points to
  std::vector<std::string> targets;
  bool is_growing = false;  ///< a module's name alone does not excuse it
};

class Suppression {
 public:
  /// `line` without its line end. Empty lines and comments give no suppression and no problem.
  static std::optional<Suppression> Read(std::string_view line, std::string place, std::string* problem);

  bool Fits(Kind kind, const SuppressionSubject& subject) const;
  bool is_built_in() const { return place_.empty(); }
  /// "FILE:LINE: leak:pattern".
  std::string Describe() const { return place_ + ": " + text_; }

 private:
  bool FitsFrames(const FrameList& frames, bool by_module) const;

  std::optional<Kind> kind_;  ///< none: any
  std::vector<Pattern> chain_;
  std::string place_;
  std::string text_;
};

/// Reads a file's lines. The first bad line is reported in `problem`, with file and line.
std::vector<Suppression> ReadSuppressions(const std::string& path, std::string* problem);

/// The built-in set: what widely used programs do on purpose (docs/ci.md lists them with the reasons). These look at
/// the finding's location alone: a library that such a program loads has no part in it.
const std::vector<Suppression>& BuiltInSuppressions();

/// A line that suppresses the finding, for --print-suppressions.
std::string SuppressionFor(Kind kind, const SuppressionSubject& subject);

}  // namespace fdaudit::analyzer
