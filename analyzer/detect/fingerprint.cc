#include "analyzer/detect/fingerprint.h"

#include <fmt/core.h>

#include <string>

#include "analyzer/detect/kinds.h"
#include "analyzer/model/hash.h"
#include "analyzer/symbols/source_file.h"

namespace fdaudit::analyzer {
namespace {

bool IsNameless(const Frame& frame) { return !frame.is_python && frame.function.empty() && frame.module.empty(); }

std::string NameOf(const Frame& frame) {
  if (frame.is_python) return frame.function + "@" + std::string(BaseName(frame.file));
  std::string module(BaseName(frame.module));
  const size_t so = module.find(".so");
  if (so != std::string::npos) module.resize(so + 3);
  if (!frame.function.empty()) return frame.function + "@" + module;
  return fmt::format("{}+{:#x}", module, frame.offset);
}

/// Code made at run time has no names: those of the frames around it tell it from other such code.
std::string NamesAround(CallPaths& paths, PathId path) {
  constexpr int kEnough = 4;
  std::string names = "?";
  int found = 0;
  for (const Frame& frame : paths.Frames(path)) {
    if (IsNameless(frame)) continue;
    names += " " + NameOf(frame);
    if (++found == kEnough) break;
  }
  return names;
}

/// What distinguishes the place from others in its function. Each rests on the code alone, and never on what else was
/// found there.
void AddPlaceInFunction(const Frame& frame, SourceLines* sources, Fnv* hash) {
  if (const auto line = sources->Find(frame.file, frame.first_line, frame.line)) {
    hash->Add("line");
    hash->Add(line->text);
    hash->Add(uint64_t{line->ordinal});
  } else if (frame.site != 0) {
    hash->Add("site");
    hash->Add(frame.site);
  } else if (frame.first_line > 0 && frame.line > frame.first_line) {
    hash->Add("lines in");
    hash->Add(static_cast<uint64_t>(frame.line - frame.first_line));
  }
}

std::string FingerprintOf(CallPaths& paths, const Finding& finding, SourceLines* sources) {
  Fnv hash;
  hash.Add(Name(finding.kind));
  const StoryEvent& deciding = finding.events[finding.deciding];
  if (const Frame* frame = paths.Location(deciding.path, deciding.seen_through)) {
    hash.Add(IsNameless(*frame) ? NamesAround(paths, deciding.path) : NameOf(*frame));
    if (!frame->function.empty()) AddPlaceInFunction(*frame, sources, &hash);
  }
  hash.Add(deciding.call);
  return fmt::format("{}:{:016x}", kFingerprintVersion, hash.value());
}

}  // namespace

void AssignFingerprints(CallPaths& paths, std::vector<Finding>* findings) {
  SourceLines sources;
  for (Finding& finding : *findings) finding.id = FingerprintOf(paths, finding, &sources);
}

}  // namespace fdaudit::analyzer
