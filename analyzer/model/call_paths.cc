#include "analyzer/model/call_paths.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "analyzer/model/hash.h"

namespace fdaudit::analyzer {

CallPaths::CallPaths(const std::vector<TraceFile>& files, SymbolLookup lookup, CodeLookup code_lookup)
    : files_(files), lookup_(std::move(lookup)), code_lookup_(std::move(code_lookup)) {
  for (const TraceFile& file : files) intercepted_.insert(file.CallNames().begin(), file.CallNames().end());
  intercepted_.erase("");
}

PathId CallPaths::Intern(uint32_t file, uint32_t stack, ProcessIndex process) {
  if (stack == trace::kNoIndex) return kNoPath;
  const auto [known, is_new] = path_of_.try_emplace(uint64_t{file} << 32 | stack, kNoPath);
  if (is_new) {
    std::vector<uint64_t> words;
    uint16_t flags = 0;
    if (!files_[file].GetStack(stack, &words, &flags) || words.empty()) return kNoPath;
    known->second = InternFrames(file, words, flags);
  }
  const PathId path = known->second;
  const bool has_code = process != kNoProcess && code_lookup_ && paths_[path].has_bare_addresses;
  return has_code ? InProcess(path, process) : path;
}

PathId CallPaths::InternFrames(uint32_t file, const std::vector<uint64_t>& words, uint16_t flags) {
  Path path;
  path.flags = flags;
  path.raw.reserve(words.size());
  for (const uint64_t word : words) path.raw.push_back(Decode(file, word));
  return InternPath(std::move(path));
}

CallPaths::RawFrame CallPaths::Decode(uint32_t file, uint64_t word) {
  const uint64_t number = word >> trace::kFrameOffsetBits;
  uint64_t offset = word & trace::kFrameOffsetMask;
  if (number == trace::kPythonFrame) {
    const uint64_t bits = word & ((uint64_t{1} << trace::kFrameOffsetBits) - 1);
    const uint64_t code = bits & ((uint64_t{1} << trace::kPythonCodeBits) - 1);
    return {InternPython(file, static_cast<uint32_t>(code)), bits >> trace::kPythonCodeBits};
  }
  // A return address may be the first byte of the next line or function: what was called from lies before it.
  if ((word & trace::kFrameExact) == 0 && offset != 0) --offset;
  return {number == 0 ? 0 : InternModule(file, static_cast<uint32_t>(number) - 1), offset};
}

/// The ways inside the interpreter from one Python function to the next, or to the builtin function that makes the call
/// (the innermost frame), change while a program runs: code that ran before is specialized. They make no other path.
std::vector<CallPaths::RawFrame> CallPaths::WithoutPlumbing(const std::vector<RawFrame>& raw) const {
  const auto is_python = [this](const RawFrame& frame) { return modules_[frame.module].is_python; };
  if (std::none_of(raw.begin(), raw.end(), is_python)) return raw;
  std::vector<RawFrame> kept = {raw.front()};
  std::copy_if(raw.begin() + 1, raw.end(), std::back_inserter(kept),
               [this](const RawFrame& frame) { return !modules_[frame.module].is_interpreter; });
  return kept;
}

PathId CallPaths::InternPath(Path path) {
  const auto [known, is_new] = path_ids_.try_emplace(WithoutPlumbing(path.raw), static_cast<PathId>(paths_.size()));
  if (!is_new) return known->second;
  Fnv hash;
  for (const RawFrame& raw : known->first) {
    hash.Add(modules_[raw.module].hash);
    hash.Add(raw.offset);
    path.has_bare_addresses |= raw.module == 0;
  }
  path.hash = hash.value();
  paths_.push_back(std::move(path));
  return known->second;
}

/// The same path with its bare addresses taken for code of one process.
PathId CallPaths::InProcess(PathId bare, ProcessIndex process) {
  const auto [known, is_new] = in_process_.try_emplace({bare, process}, kNoPath);
  if (!is_new) return known->second;
  const auto [module, is_first] = code_modules_.try_emplace(process, static_cast<uint32_t>(modules_.size()));
  if (is_first) {
    Module code;
    code.hash = uint64_t{process} + 1;
    code.code_of = process;
    modules_.push_back(std::move(code));
  }
  Path path;
  path.flags = paths_[bare].flags;
  path.raw = paths_[bare].raw;
  for (RawFrame& raw : path.raw) {
    if (raw.module == 0) raw.module = module->second;
  }
  return known->second = InternPath(std::move(path));
}

uint32_t CallPaths::InternModule(uint32_t file, uint32_t module) {
  const auto [known, is_new] = module_of_.try_emplace(uint64_t{file} << 32 | module, 0);
  if (!is_new) return known->second;
  trace::ModuleRecord record;
  if (!files_[file].Get(trace::RegionKind::kModules, module, &record) || record.ready != 1) return 0;
  const size_t path_size = std::min<size_t>(record.path_size, sizeof record.path);
  const size_t id_size = std::min<size_t>(record.build_id_size, sizeof record.build_id);
  ModuleRef ref{std::string(record.path, strnlen(record.path, path_size)),
                std::vector<uint8_t>(record.build_id, record.build_id + id_size)};
  const auto [id, is_first] = module_ids_.try_emplace({ref.path, ref.build_id}, static_cast<uint32_t>(modules_.size()));
  if (is_first) {
    Fnv hash;
    hash.Add(BaseName(ref.path));
    hash.Add(std::string_view(reinterpret_cast<const char*>(ref.build_id.data()), ref.build_id.size()));
    Module found;
    found.is_interpreter = IsPythonInterpreter(ref.path);
    found.ref = std::move(ref);
    found.hash = hash.value();
    found.preloaded = (record.flags & trace::kModulePreloaded) != 0;
    modules_.push_back(std::move(found));
  }
  return known->second = id->second;
}

/// A function that the trace had no room for has no name.
uint32_t CallPaths::InternPython(uint32_t file, uint32_t code) {
  const auto [known, is_new] = python_of_.try_emplace(uint64_t{file} << 32 | code, 0);
  if (!is_new) return known->second;
  trace::PythonCode record = {};
  if (code != 0 && (!files_[file].Get(trace::RegionKind::kPythonCode, code - 1, &record) || record.ready != 1)) {
    record = {};
  }
  const std::string source = files_[file].GetText(record.file);
  const std::string function = files_[file].GetText(record.function);
  const auto [id, is_first] = python_ids_.try_emplace({source, function}, static_cast<uint32_t>(modules_.size()));
  if (is_first) {
    Module module;
    Fnv hash;
    hash.Add(BaseName(source));
    hash.Add(function);
    module.hash = hash.value();
    module.ref.path = source;
    module.function = function;
    module.is_python = true;
    module.first_line = static_cast<int>(record.first_line);
    modules_.push_back(std::move(module));
  }
  return known->second = id->second;
}

Frame CallPaths::PythonFrame(const RawFrame& raw) const {
  Frame frame;
  frame.function = modules_[raw.module].function;
  frame.file = modules_[raw.module].ref.path;
  frame.line = static_cast<int>(raw.offset);
  frame.first_line = modules_[raw.module].first_line;
  frame.is_python = true;
  frame.is_runtime = IsRuntime(frame);
  return frame;
}

const std::vector<Frame>& CallPaths::NameFrame(const RawFrame& raw) {
  const auto [known, is_new] = named_.try_emplace(raw);
  if (!is_new) return known->second;
  Module& module = modules_[raw.module];
  if (module.is_python) {
    known->second.push_back(PythonFrame(raw));
    known->second.back().is_helper = IsHelper(known->second.back());
    return known->second;
  }
  std::vector<SymbolFrame> symbols;
  if (module.code_of != kNoProcess) {
    symbols.push_back({code_lookup_(module.code_of, raw.offset), "", 0, false});
  } else if (raw.module != 0 && lookup_) {
    symbols = lookup_(module.ref, raw.offset);
    module.was_named = true;
  }
  if (symbols.empty()) symbols.emplace_back();
  for (SymbolFrame& symbol : symbols) {
    Frame frame{std::move(symbol.function),
                std::move(symbol.file),
                symbol.line,
                module.ref.path,
                raw.offset,
                false,
                symbol.is_inlined,
                false};
    frame.first_line = symbol.first_line;
    frame.site = symbol.site;
    frame.is_runtime = module.preloaded || IsRuntime(frame);
    frame.is_helper = IsHelper(frame);
    known->second.push_back(std::move(frame));
  }
  return known->second;
}

bool CallPaths::IsHelper(const Frame& frame) const {
  if (frame.function.empty()) return false;
  return helper_names_.contains(frame.function) || helper_names_.contains(Unqualified(frame.function)) ||
         helpers_.contains({frame.function, frame.module, frame.file});
}

void CallPaths::SetHelpers(std::set<Helper> helpers, std::set<std::string, std::less<>> names) {
  helpers_ = std::move(helpers);
  helper_names_ = std::move(names);
  for (auto& [raw, frames] : named_) {
    for (Frame& frame : frames) frame.is_helper = IsHelper(frame);
  }
  for (auto& [original, frame] : as_runtime_) frame.is_helper = original->is_helper;
}

const Frame& CallPaths::AsRuntime(const Frame& frame) {
  const auto [known, is_new] = as_runtime_.try_emplace(&frame, frame);
  if (is_new) known->second.is_runtime = true;
  return known->second;
}

const FrameList& CallPaths::Frames(PathId id) {
  Path& path = paths_[id];
  if (path.named) return path.frames;
  path.named = true;
  path.frames.Reserve(path.raw.size());
  // Innermost functions that bear an intercepted function's name stand between the program and libc: a sanitizer that
  // is linked statically, a wrapper of the program's own.
  bool is_between = true;
  for (const RawFrame& raw : path.raw) {
    for (const Frame& frame : NameFrame(raw)) {
      is_between &= frame.is_runtime || (!frame.is_python && intercepted_.contains(frame.function));
      path.frames.Add(is_between && !frame.is_runtime ? &AsRuntime(frame) : &frame);
    }
  }
  return path.frames;
}

std::vector<Frame> CallPaths::RawFrames(PathId id) const {
  std::vector<Frame> frames;
  frames.reserve(paths_[id].raw.size());
  for (const RawFrame& raw : paths_[id].raw) {
    if (modules_[raw.module].is_python) {
      frames.push_back(PythonFrame(raw));
      continue;
    }
    Frame frame;
    frame.module = modules_[raw.module].ref.path;
    frame.offset = raw.offset;
    frames.push_back(std::move(frame));
  }
  return frames;
}

bool CallPaths::IsOfOneProcess(PathId path) const {
  return paths_[path].has_bare_addresses ||
         std::any_of(paths_[path].raw.begin(), paths_[path].raw.end(),
                     [this](RawFrame raw) { return modules_[raw.module].code_of != kNoProcess; });
}

std::vector<ModuleRef> CallPaths::NamedModules() const {
  std::vector<ModuleRef> modules;
  for (const Module& module : modules_) {
    if (module.was_named) modules.push_back(module.ref);
  }
  return modules;
}

std::vector<ModuleRef> CallPaths::Modules() {
  std::set<uint32_t> found;
  for (uint32_t file = 0; file < files_.size(); ++file) {
    files_[file].ForEach<trace::ModuleRecord>(trace::RegionKind::kModules,
                                              [&](uint64_t index, const trace::ModuleRecord&) {
                                                found.insert(InternModule(file, static_cast<uint32_t>(index)));
                                              });
  }
  std::vector<ModuleRef> modules;
  for (const uint32_t module : found) {
    if (module != 0) modules.push_back(modules_[module].ref);
  }
  return modules;
}

const Frame* CallPaths::Location(PathId id, size_t skipped) {
  const FrameList& frames = Frames(id);
  const auto begin = frames.begin() + static_cast<std::ptrdiff_t>(std::min(skipped, frames.size()));
  const auto code = [](const Frame& frame) { return !frame.is_runtime && !frame.is_helper; };
  if (const auto own = std::find_if(begin, frames.end(), code); own != frames.end()) return &*own;
  const auto any = [](const Frame& frame) { return !frame.is_runtime; };
  if (const auto own = std::find_if(frames.begin(), frames.end(), any); own != frames.end()) return &*own;
  return frames.empty() ? nullptr : &frames.front();
}

bool CallPaths::IsSanitizersOwn(PathId id) {
  const FrameList& frames = Frames(id);
  if (frames.size() < 2 || frames[0].is_python) return false;
  // The innermost may be the wrapper that the program's calls go through, too.
  const bool inside = IsSanitizer(frames[0]) || intercepted_.count(frames[0].function) != 0;
  return inside && IsSanitizer(frames[1]);
}

namespace {

/// The function that a person would name. Python's comprehensions and generator expressions are functions of their own,
/// in its own eyes alone.
std::string_view NamedFunction(const Frame& frame) {
  std::string_view name = frame.function;
  for (bool again = frame.is_python; again;) {
    again = false;
    for (const std::string_view inner : {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}) {
      if (name == inner) return "<module>";
      const std::string_view scope = ".<locals>.";
      if (name.size() <= inner.size() + scope.size() || name.substr(name.size() - inner.size()) != inner) continue;
      const std::string_view outer = name.substr(0, name.size() - inner.size());
      if (outer.substr(outer.size() - scope.size()) != scope) continue;
      name = outer.substr(0, outer.size() - scope.size());
      again = true;
    }
  }
  return name;
}

}  // namespace

bool CallPaths::InSameFunction(PathId a, PathId b) {
  if (a == kNoPath || b == kNoPath) return false;
  const Frame* first = Location(a);
  const Frame* second = Location(b);
  if (first == nullptr || second == nullptr || first->function.empty()) return false;
  return NamedFunction(*first) == NamedFunction(*second) && first->module == second->module &&
         first->file == second->file;
}

}  // namespace fdaudit::analyzer
