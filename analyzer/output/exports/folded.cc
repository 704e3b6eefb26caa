// Folded stacks, as flame-graph scripts and speedscope read them: "program;outermost;…;innermost COUNT", a line for
// each call path, the count being descriptors open at the end. What leaked of them has a frame of its own, [leaked],
// innermost. Processes of one program are added up.
//
// The format knows no escapes, so names must not hold what divides lines, frames and counts: a semicolon, a line end,
// and a blank before nothing but digits, which readers take for the count (or for a second one).

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "analyzer/output/escape.h"
#include "analyzer/output/exports/exports.h"
#include "analyzer/output/exports/holdings.h"

namespace fdaudit::analyzer {
namespace {

bool IsCountLike(char c) { return (c >= '0' && c <= '9') || c == '.' || c == ' '; }

std::string Escape(const std::string& name) {
  const std::string text = EscapeForTerminal(name);
  // From here on there are digits and blanks only.
  size_t tail = text.size();
  while (tail > 0 && IsCountLike(text[tail - 1])) --tail;
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    // In front, # makes a comment of the line, and brackets are for frames of ours.
    const bool is_marker = i == 0 && (c == '#' || c == '[' || c == ' ');
    if (c == ';' || is_marker || (c == ' ' && i >= tail)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out.empty() ? "[unknown]" : out;
}

std::string StackOf(Model& model, const Holding& holding) {
  std::string line = Escape(std::string(BaseName(model.processes()[holding.process].exe)));
  if (holding.origin != Origin::kOpened) line += std::string(";") + FrameOf(holding.origin);
  const FrameList& frames = model.paths().Frames(holding.path);
  for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) line += ';' + Escape(FrameName(*frame));
  if (frames.empty() && holding.origin == Origin::kOpened) line += ";[unknown]";
  return line;
}

}  // namespace

std::string RenderFolded(const Report& report) {
  std::map<std::string, uint64_t> lines;
  for (const Holding& holding : HoldingsOf(report)) {
    const std::string stack = StackOf(*report.model, holding);
    if (holding.leaked > 0) lines[stack + ";[leaked]"] += holding.leaked;
    if (holding.open > holding.leaked) lines[stack] += holding.open - holding.leaked;
  }
  std::string out;
  for (const auto& [stack, count] : lines) out += fmt::format("{} {}\n", stack, count);
  return out;
}

}  // namespace fdaudit::analyzer
