#include "analyzer/output/standing.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "analyzer/output/escape.h"

namespace fdaudit::analyzer {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxThreads = 8;
constexpr size_t kMaxWaited = 3;   // descriptors of a thread
constexpr size_t kMaxHolders = 8;  // of an end
constexpr size_t kMaxFrames = 5;   // of a thread

std::string ProcessName(int pid, const std::string& program) {
  return fmt::format("process {} ({})", pid, program.empty() ? "?" : EscapeForTerminal(BaseName(program)));
}

std::string StateText(const StoppedThread& thread) {
  if (!thread.call.empty()) {
    std::string text = "waits in " + thread.call;
    for (size_t i = 0; i < std::min(thread.waits_for.size(), kMaxWaited); ++i) {
      text += fmt::format("{}{}", i == 0 ? " of descriptor " : ", ", thread.waits_for[i].fd);
    }
    if (thread.waits_for.size() > kMaxWaited) text += fmt::format(" and {} more", thread.waits_for.size() - kMaxWaited);
    return text;
  }
  return thread.state == 'R' ? "runs" : thread.state == 'Z' ? "has ended" : "waits in no system call that is known";
}

std::string DescriptorText(Model& model, const WaitedDescriptor& waited) {
  const std::string kind = Name(waited.kind);
  std::string text = waited.kind == trace::FdKind::kUnknown ? "" : kind;
  if (!waited.target.empty() && waited.target.starts_with(kind)) text.clear();
  if (!waited.target.empty()) text += (text.empty() ? "" : " ") + EscapeForTerminal(waited.target);
  if (!waited.watches.empty() && waited.target != waited.watches) text += ", " + waited.watches;
  if (text.empty()) text = "not known";
  const Frame* const frame = model.paths().Location(waited.path);
  if (frame != nullptr) text += ", opened by " + waited.call + " at " + EscapeForTerminal(Describe(*frame));
  if (waited.opener != kNoProcess) {
    const Process& opener = model.processes()[waited.opener];
    text += ", in " + ProcessName(opener.pid, opener.exe);
  }
  return text;
}

class Writer {
 public:
  Writer(Model& model, const Standing& standing) : model_(model), standing_(standing) {}

  std::string Write() {
    const std::string program =
        standing_.process == kNoProcess ? standing_.program : model_.processes()[standing_.process].exe;
    std::string title = ProcessName(standing_.pid, program);
    title += standing_.signal != 0 ? fmt::format(", ended by signal {}", standing_.signal) : "";
    Line(standing_.is_core ? "where " + title + " stood:" : "where " + title + " stands:");
    for (size_t i = 0; i < std::min(standing_.threads.size(), kMaxThreads); ++i) Thread(standing_.threads[i]);
    if (standing_.threads.size() > kMaxThreads) {
      Line(fmt::format("  and {} more threads (-f json tells all)", standing_.threads.size() - kMaxThreads));
    }
    for (const std::string& problem : standing_.problems) Line("  note: " + EscapeForTerminal(problem));
    return std::move(out_);
  }

 private:
  void Line(const std::string& text) { (out_ += text) += '\n'; }

  void Thread(const StandingThread& thread) {
    const std::string name = thread.stopped.name.empty() ? "" : " (" + EscapeForTerminal(thread.stopped.name) + ")";
    Line(fmt::format("  thread {}{} {}", thread.stopped.tid, name, StateText(thread.stopped)));
    for (size_t i = 0; i < std::min(thread.waits_for.size(), kMaxWaited); ++i) Waited(thread.waits_for[i]);
    Frames(thread.frames);
    if (!thread.stopped.problem.empty()) Line("      note: " + EscapeForTerminal(thread.stopped.problem));
  }

  void Waited(const WaitedDescriptor& waited) {
    Line(fmt::format("    descriptor {} is {}", waited.fd, DescriptorText(model_, waited)));
    if (!waited.has_other_end) return;
    if (waited.holders.empty()) Line("    nobody that can be seen holds its other end");
    for (size_t i = 0; i < std::min(waited.holders.size(), kMaxHolders); ++i) {
      const EndHolder& holder = waited.holders[i];
      const std::string doing = holder.main_thread.tid == 0 ? "" : ", which " + StateText(holder.main_thread);
      const bool is_self = holder.pid == standing_.pid;
      Line(fmt::format("    its other end is held by {} as descriptor {}{}",
                       is_self ? "this process itself" : ProcessName(holder.pid, holder.program), holder.fd,
                       is_self ? "" : doing));
    }
    if (waited.holders.size() > kMaxHolders) {
      Line(fmt::format("    and by {} more", waited.holders.size() - kMaxHolders));
    }
  }

  /// Frames of libc and the like are left out wherever there are others.
  void Frames(const std::vector<Frame>& frames) {
    std::vector<const Frame*> told;
    for (const Frame& frame : frames) {
      if (!frame.is_runtime) told.push_back(&frame);
    }
    if (told.empty()) {
      for (const Frame& frame : frames) told.push_back(&frame);
    }
    for (size_t i = 0; i < std::min(told.size(), kMaxFrames); ++i) {
      Line("      " + EscapeForTerminal(Describe(*told[i])));
    }
    if (told.size() > kMaxFrames) Line(fmt::format("      (and {} outer frames)", told.size() - kMaxFrames));
  }

  Model& model_;
  const Standing& standing_;
  std::string out_;
};

Json TextOrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(RepairUtf8(text)); }

Json IdOrNull(const Model& model, ProcessIndex process) {
  return process == kNoProcess ? Json(nullptr) : Json(model.processes()[process].id);
}

Json FrameJson(const Frame& frame) {
  return {{"function", TextOrNull(frame.function)},
          {"file", TextOrNull(frame.file)},
          {"line", frame.line > 0 ? Json(frame.line) : Json(nullptr)},
          {"module", TextOrNull(std::string(BaseName(frame.module)))},
          {"offset", fmt::format("{:#x}", frame.offset)},
          {"language", "native"},
          {"own", !frame.is_runtime && IsOwn(frame, "")}};
}

Json HolderJson(const Model& model, const EndHolder& holder) {
  Json waits = Json::array();
  for (const WaitedFor& waited : holder.main_thread.waits_for) waits.push_back(waited.fd);
  return {{"pid", holder.pid},
          {"process", IdOrNull(model, holder.process)},
          {"program", TextOrNull(holder.program)},
          {"fd", holder.fd},
          {"confirmed", holder.is_confirmed},
          {"call", TextOrNull(holder.main_thread.call)},
          {"waits_for", std::move(waits)}};
}

Json WaitedJson(Model& model, const WaitedDescriptor& waited) {
  Json holders = Json::array();
  for (const EndHolder& holder : waited.holders) holders.push_back(HolderJson(model, holder));
  Json opened = nullptr;
  if (waited.path != kNoPath) {
    const Frame* const frame = model.paths().Location(waited.path);
    opened = {{"call", TextOrNull(waited.call)},
              {"process", IdOrNull(model, waited.opener)},
              {"location", frame == nullptr ? Json(nullptr) : Json(RepairUtf8(Describe(*frame)))}};
  }
  return {{"fd", waited.fd},
          {"type", Name(waited.kind)},
          {"target", TextOrNull(waited.target)},
          {"watches", TextOrNull(waited.watches)},
          {"opened", std::move(opened)},
          {"other_end", waited.has_other_end ? std::move(holders) : Json(nullptr)}};
}

}  // namespace

std::string RenderStanding(Model& model, const Standing& standing) { return Writer(model, standing).Write(); }

void AddStanding(Model& model, const Standing& standing, Document* document) {
  Json threads = Json::array();
  for (const StandingThread& thread : standing.threads) {
    Json waits = Json::array(), frames = Json::array();
    for (const WaitedDescriptor& waited : thread.waits_for) waits.push_back(WaitedJson(model, waited));
    for (const Frame& frame : thread.frames) frames.push_back(FrameJson(frame));
    threads.push_back({{"thread", thread.stopped.tid},
                       {"name", TextOrNull(thread.stopped.name)},
                       {"pid", standing.pid},
                       {"process", IdOrNull(model, standing.process)},
                       {"state", standing.is_core              ? "stopped"
                                 : thread.stopped.state == 'R' ? "running"
                                                               : "waiting"},
                       {"call", TextOrNull(thread.stopped.call)},
                       {"waits_for", std::move(waits)},
                       {"frames", std::move(frames)},
                       {"problem", TextOrNull(thread.stopped.problem)}});
  }
  Json problems = Json::array();
  for (const std::string& problem : standing.problems) problems.push_back(RepairUtf8(problem));
  const Json process = {{"pid", standing.pid},
                        {"process", IdOrNull(model, standing.process)},
                        {"program", TextOrNull(standing.program)},
                        {"source", standing.is_core ? "core" : "live"},
                        {"signal", standing.signal == 0 ? Json(nullptr) : Json(standing.signal)},
                        {"problems", std::move(problems)}};
  document->Add({{"standing", process}, {"threads", std::move(threads)}});
}

}  // namespace fdaudit::analyzer
