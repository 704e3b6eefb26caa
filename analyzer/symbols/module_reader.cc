#include "analyzer/symbols/module_reader.h"

#include <filesystem>
#include <unordered_map>

#include "analyzer/symbols/debug_info.h"
#include "analyzer/symbols/display_name.h"

namespace fdaudit::analyzer {
namespace {

constexpr std::string_view kSystemDebugDir = "/usr/lib/debug";
constexpr std::string_view kDeleted = " (deleted)";  // what the kernel appends to an executable's path

// libdwfl takes a relative directory as one beside the module.
std::string Absolute(const std::string& path) {
  std::error_code error;
  std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.string();
}

// "/a/./b//../c" as "/a/c". Where a directory is a symbolic link this may not name the file, but compilers write such
// paths for sources that lie in plain trees, and users look for the plain form.
std::string Tidy(const std::string& path) {
  if (!path.starts_with("./") && path.find("/.") == std::string::npos && path.find("//") == std::string::npos)
    return path;
  return std::filesystem::path(path).lexically_normal().string();
}

// Code that the kernel brings ("[vdso]", "linux-vdso.so.1") has no file.
bool HasFile(const std::string& path) {
  return !path.empty() && path[0] != '[' && path.rfind("linux-vdso", 0) != 0 && path.rfind("linux-gate", 0) != 0;
}

// The C library's symbols name its functions, also the local ones where its debug file is installed. Their lines say
// nothing about the program, and to read them means to decompress 15 MB, three quarters of the time of a short report.
bool IsOfTheCLibrary(const std::string& path) {
  const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
  for (const std::string_view start : {"libc.so", "libc-2.", "libpthread", "ld-linux", "ld-2.", "ld-musl"}) {
    if (name.starts_with(start)) return true;
  }
  return false;
}

// Where the module may lie now, the likeliest first. Beyond the first only a build ID makes sure that it is the one.
std::vector<std::string> Candidates(const ModuleRef& module, const SymbolOptions& options) {
  std::vector<std::string> paths = {options.sysroot + module.path};
  if (module.path.ends_with(kDeleted)) {
    paths.push_back(options.sysroot + module.path.substr(0, module.path.size() - kDeleted.size()));
  }
  if (module.build_id.size() < 2) return paths;
  if (!options.sysroot.empty()) paths.push_back(module.path);
  // A debug file alone has all that is needed, too.
  for (const std::string& dir : options.debug_dirs) paths.push_back(BuildIdPath(dir, module.build_id));
  return paths;
}

// The linkage name says most (parameters, enclosing templates). DWARF leaves it out for C and for what is local to a
// file; for the latter the symbol has it, unless the function was inlined.
std::string FunctionName(const DebugFrame& frame, const std::string& symbol) {
  if (IsMangled(frame.linkage_name)) return DisplayName(frame.linkage_name);
  if (!frame.is_inlined && !symbol.empty()) {
    // "__libc_read" is what libc calls its read() inside.
    bool is_internal = frame.name.starts_with("__") && symbol[0] != '_';
    if (frame.name.empty() || is_internal || IsMangled(symbol)) return DisplayName(symbol);
  }
  return ShortenCxxName(frame.name);
}

std::vector<SymbolFrame> MakeFrames(DebugInfo* info, uint64_t address, bool has_lines) {
  std::vector<DebugFrame> debug_frames;
  if (has_lines) debug_frames = info->Frames(address);
  if (debug_frames.empty()) debug_frames.emplace_back();
  std::string symbol = info->Symbol(address);
  std::vector<SymbolFrame> frames;
  frames.reserve(debug_frames.size());
  for (const DebugFrame& frame : debug_frames) {
    frames.push_back({FunctionName(frame, symbol), Tidy(frame.file), frame.line, frame.is_inlined, frame.first_line,
                      frame.is_inlined || !has_lines ? 0 : info->Site(address)});
  }
  return frames;
}

}  // namespace

std::string BuildIdPath(const std::string& debug_dir, const std::vector<uint8_t>& build_id) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string path = debug_dir + "/.build-id/";
  for (size_t i = 0; i < build_id.size(); ++i) {
    if (i == 1) path += '/';
    path += kHex[build_id[i] >> 4];
    path += kHex[build_id[i] & 15];
  }
  return path + ".debug";
}

struct ModuleReader::Module {
  std::unique_ptr<DebugInfo> info;  // null where there is a problem, or no file
  std::string problem;
  std::unordered_map<uint64_t, std::vector<SymbolFrame>> frames;
};

ModuleReader::ModuleReader(SymbolOptions options) : options_(std::move(options)) {
  while (options_.sysroot.ends_with('/')) options_.sysroot.pop_back();
  if (!options_.sysroot.empty()) {
    options_.sysroot = Absolute(options_.sysroot);
    options_.debug_dirs.push_back(options_.sysroot + std::string(kSystemDebugDir));
  }
  options_.debug_dirs.emplace_back(kSystemDebugDir);
  for (std::string& dir : options_.debug_dirs) dir = Absolute(dir);
}

ModuleReader::~ModuleReader() = default;

ModuleReader::Module& ModuleReader::Find(const ModuleRef& ref) {
  std::unique_ptr<Module>& module = modules_[{ref.path, ref.build_id}];
  if (module) return *module;
  module = std::make_unique<Module>();
  if (!HasFile(ref.path)) return *module;
  for (const std::string& path : Candidates(ref, options_)) {
    std::string problem;
    module->info = DebugInfo::Open(path, ref.build_id, options_.debug_dirs, &problem);
    if (module->info) break;
    if (module->problem.empty()) module->problem = problem;
  }
  if (!module->info && !ref.build_id.empty()) {
    module->info = DebugInfo::OpenByBuildId(ref.build_id, options_.debug_dirs);
  }
  if (module->info) module->problem.clear();
  return *module;
}

std::vector<SymbolFrame> ModuleReader::Lookup(const ModuleRef& ref, uint64_t address) {
  Module& module = Find(ref);
  if (!module.info) return {SymbolFrame{}};
  auto [entry, is_new] = module.frames.try_emplace(address);
  if (is_new) entry->second = MakeFrames(module.info.get(), address, !IsOfTheCLibrary(ref.path));
  return entry->second;
}

std::string ModuleReader::Problem(const ModuleRef& ref) { return Find(ref).problem; }

}  // namespace fdaudit::analyzer
