#include "analyzer/detect/fingerprint.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "analyzer/detect/kinds.h"
#include "analyzer/model/hash.h"

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

uint64_t BaseOf(CallPaths& paths, const Finding& finding) {
  Fnv hash;
  hash.Add(Name(finding.kind));
  const StoryEvent& deciding = finding.events[finding.deciding];
  const Frame* frame = paths.Location(deciding.path, deciding.seen_through);
  if (frame != nullptr) hash.Add(IsNameless(*frame) ? NamesAround(paths, deciding.path) : NameOf(*frame));
  hash.Add(deciding.call);
  return hash.value();
}

/// The place in the code, for the order of findings that names can't distinguish.
uint64_t PlaceOf(CallPaths& paths, const Finding& finding) {
  const StoryEvent& deciding = finding.events[finding.deciding];
  const Frame* frame = paths.Location(deciding.path, deciding.seen_through);
  if (frame == nullptr) return 0;
  return frame->is_python ? static_cast<uint64_t>(frame->line) : frame->offset;
}

}  // namespace

void AssignFingerprints(CallPaths& paths, std::vector<Finding>* findings) {
  std::map<uint64_t, std::vector<std::pair<uint64_t, Finding*>>> equals;
  for (Finding& finding : *findings) {
    equals[BaseOf(paths, finding)].push_back({PlaceOf(paths, finding), &finding});
  }
  for (auto& [base, group] : equals) {
    std::stable_sort(group.begin(), group.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t i = 0; i < group.size(); ++i) {
      Fnv hash;
      hash.Add(base);
      if (i != 0) hash.Add(uint64_t{i});
      group[i].second->id = fmt::format("1:{:016x}", hash.value());
    }
  }
}

}  // namespace fdaudit::analyzer
