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

std::string NameOf(const Frame& frame) {
  if (frame.is_python) return frame.function + "@" + std::string(BaseName(frame.file));
  std::string module(BaseName(frame.module));
  const size_t so = module.find(".so");
  if (so != std::string::npos) module.resize(so + 3);
  if (!frame.function.empty()) return frame.function + "@" + module;
  return frame.module.empty() ? "?" : fmt::format("{}+{:#x}", module, frame.offset);
}

void AddPath(const FrameList& frames, Fnv* hash) {
  const auto is_own = [](const Frame& frame) { return !frame.is_runtime && IsOwn(frame, ""); };
  const bool any_own = std::any_of(frames.begin(), frames.end(), is_own);
  for (const Frame& frame : frames) {
    if (any_own ? is_own(frame) : !frame.is_runtime) hash->Add(NameOf(frame));
  }
}

uint64_t BaseOf(CallPaths& paths, const Finding& finding) {
  Fnv hash;
  hash.Add(Name(finding.kind));
  for (const StoryEvent& event : finding.events) {
    if (event.is_background) continue;
    hash.Add(Name(event.role));
    AddPath(paths.Frames(event.path), &hash);
    if (event.path == kNoPath) hash.Add(event.call);
  }
  return hash.value();
}

/// Places in the code, for the order of findings that names can't distinguish.
std::vector<uint64_t> PlacesOf(CallPaths& paths, const Finding& finding) {
  std::vector<uint64_t> places;
  for (const StoryEvent& event : finding.events) {
    for (const Frame& frame : paths.Frames(event.path)) {
      places.push_back(frame.is_python ? static_cast<uint64_t>(frame.line) : frame.offset);
    }
  }
  return places;
}

}  // namespace

void AssignFingerprints(CallPaths& paths, std::vector<Finding>* findings) {
  std::map<uint64_t, std::vector<std::pair<std::vector<uint64_t>, Finding*>>> equals;
  for (Finding& finding : *findings) {
    equals[BaseOf(paths, finding)].push_back({PlacesOf(paths, finding), &finding});
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
