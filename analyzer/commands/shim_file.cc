#include "analyzer/commands/shim_file.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string_view>

extern char** environ;

namespace fdaudit::analyzer {
namespace {

constexpr char kShimName[] = "libfdaudit.so";
/// Options by which the shim itself hands a session on to its children.
constexpr std::string_view kOfOneSession[] = {"session", "place", "family", "token", "image", "apart", "ahead"};
constexpr size_t kMostOptionText = 1023;  // the shim's room for them

std::optional<std::string> RealPath(const std::string& path) {
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) == nullptr) return std::nullopt;
  return std::string(resolved);
}

std::string OwnDirectory() {
  const std::optional<std::string> self = RealPath("/proc/self/exe");
  return self ? self->substr(0, self->rfind('/')) : ".";
}

std::vector<std::string> Split(const std::string& text, const char* separators) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find_first_of(separators, at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

/// Runtimes that refuse to work, or break, unless they come before every other preloaded library.
bool MustComeFirst(std::string_view library) {
  for (const std::string_view start : {"libasan.so", "libtsan.so", "libhwasan.so", "libclang_rt.asan"}) {
    if (library.substr(0, start.size()) == start) return true;
  }
  return false;
}

std::string FileOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string_view NameOf(std::string_view entry) { return entry.substr(0, entry.find('=')); }

std::string FromEnvironment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::optional<std::string> FindShim(const std::string& wanted, std::string* problem) {
  const std::string here = OwnDirectory();
  const std::vector<std::string> places =
      wanted.empty() ? std::vector<std::string>{here + "/" + kShimName, here + "/../lib/fdaudit/" + kShimName}
                     : std::vector<std::string>{wanted};
  for (const std::string& place : places) {
    if (access(place.c_str(), R_OK) != 0) continue;
    std::optional<std::string> path = RealPath(place);
    if (!path) continue;
    // The dynamic linker splits LD_PRELOAD there, and expands $ORIGIN and the like; nothing quotes them.
    if (path->find_first_of(" :$") == std::string::npos) return path;
    *problem = *path + ": blanks, colons and dollars in the shim's path cannot be written in LD_PRELOAD; move it";
    return std::nullopt;
  }
  *problem = "the shim is missing: looked for ";
  for (size_t i = 0; i < places.size(); ++i) *problem += (i == 0 ? "" : " and ") + places[i];
  *problem += "; --shim FILE says where it is";
  return std::nullopt;
}

Preload MakePreload(const std::string& before, const std::string& shim, const std::vector<std::string>& needed) {
  std::vector<std::string> first;
  std::vector<std::string> rest;
  const auto has = [&first](const std::string& library) {
    return std::any_of(first.begin(), first.end(), [&](const std::string& entry) { return FileOf(entry) == library; });
  };
  for (const std::string& entry : Split(before, ": ")) {
    const std::string name = FileOf(entry);
    if (name == kShimName || entry == shim) continue;  // an outer audit's
    (MustComeFirst(name) ? first : rest).push_back(entry);
  }
  Preload preload;
  for (const std::string& library : needed) {
    if (MustComeFirst(library) && !has(library)) preload.list += library + ":";
  }
  preload.ahead = preload.list.size();
  for (const std::string& entry : first) preload.list += entry + ":";
  preload.list += shim;
  for (const std::string& entry : rest) preload.list += ":" + entry;
  return preload;
}

std::string MakeSanitizerOptions(const std::string& before) {
  return std::string("verify_asan_link_order=0") + (before.empty() ? "" : ":") + before;
}

std::string MakeShimOptions(const std::string& before, const std::vector<ShimOption>& options) {
  std::string text;
  for (const std::string& entry : Split(before, ":")) {
    const std::string_view name = NameOf(entry);
    const auto replaces = [name](const ShimOption& option) { return option.first == name; };
    const bool is_of_outer =
        std::find(std::begin(kOfOneSession), std::end(kOfOneSession), name) != std::end(kOfOneSession);
    if (is_of_outer || std::any_of(options.begin(), options.end(), replaces)) continue;
    text += (text.empty() ? "" : ":") + entry;
  }
  for (const ShimOption& option : options) {
    text += (text.empty() ? "" : ":") + option.first + "=" + option.second;
  }
  return text;
}

std::string InheritedOption(const std::string& name) {
  std::string value;
  for (const std::string& entry : Split(FromEnvironment("FDAUDIT_OPTIONS"), ":")) {
    if (NameOf(entry) == name && entry.size() > name.size()) value = entry.substr(name.size() + 1);
  }
  return value;
}

std::vector<std::string> MakeEnvironment(const AuditEnvironment& audit, std::string* problem) {
  const Preload preload = MakePreload(FromEnvironment("LD_PRELOAD"), audit.shim, audit.needed);
  std::vector<ShimOption> options = audit.options;
  if (preload.ahead != 0) options.emplace_back("ahead", std::to_string(preload.ahead));
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view name = NameOf(*entry);
    const bool replaced =
        name == "LD_PRELOAD" || name == "FDAUDIT_OPTIONS" || (preload.ahead != 0 && name == "ASAN_OPTIONS");
    if (!replaced) environment.emplace_back(*entry);
  }
  const std::string text = MakeShimOptions(FromEnvironment("FDAUDIT_OPTIONS"), options);
  if (text.size() > kMostOptionText) *problem = "the options for the shim are too long (FDAUDIT_OPTIONS)";
  environment.push_back("LD_PRELOAD=" + preload.list);
  environment.push_back("FDAUDIT_OPTIONS=" + text);
  if (preload.ahead != 0)
    environment.push_back("ASAN_OPTIONS=" + MakeSanitizerOptions(FromEnvironment("ASAN_OPTIONS")));
  return environment;
}

}  // namespace fdaudit::analyzer
