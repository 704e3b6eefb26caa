#include "analyzer/output/standing.h"

#include <fmt/core.h>

#include <algorithm>

#include "analyzer/output/escape.h"
#include "analyzer/output/report_json.h"

namespace fdaudit::analyzer {
namespace {

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
      Line(fmt::format("  and {} more threads (-f json lists all)", standing_.threads.size() - kMaxThreads));
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
    if (waited.holders.empty()) Line("    no visible process holds its other end");
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
    std::vector<const Frame*> shown;
    for (const Frame& frame : frames) {
      if (!frame.is_runtime) shown.push_back(&frame);
    }
    if (shown.empty()) {
      for (const Frame& frame : frames) shown.push_back(&frame);
    }
    for (size_t i = 0; i < std::min(shown.size(), kMaxFrames); ++i) {
      Line("      " + EscapeForTerminal(Describe(*shown[i])));
    }
    if (shown.size() > kMaxFrames) Line(fmt::format("      (and {} outer frames)", shown.size() - kMaxFrames));
  }

  Model& model_;
  const Standing& standing_;
  std::string out_;
};

void WriteFrame(const Frame& frame, JsonWriter& out) {
  out.Object([&] {
    out.Field("function", TextOrNull(frame.function));
    out.Field("file", TextOrNull(frame.file));
    out.Field("line", frame.line > 0 ? std::optional(frame.line) : std::nullopt);
    out.Field("module", TextOrNull(BaseName(frame.module)));
    out.Field("path", TextOrNull(frame.module));
    out.Field("offset", fmt::format("{:#x}", frame.offset));
    out.Field("language", "native");
    out.Field("own", !frame.is_runtime && IsOwn(frame, ""));
  });
}

void WriteHolder(const Model& model, const EndHolder& holder, JsonWriter& out) {
  out.Object([&] {
    out.Field("pid", holder.pid);
    out.Field("process", IdOrNull(model, holder.process));
    out.Field("program", TextOrNull(holder.program));
    out.Field("fd", holder.fd);
    out.Field("confirmed", holder.is_confirmed);
    out.Field("call", TextOrNull(holder.main_thread.call));
    out.List("waits_for", [&] {
      for (const WaitedFor& waited : holder.main_thread.waits_for) out.Value(waited.fd);
    });
  });
}

void WriteOpening(Model& model, const WaitedDescriptor& waited, JsonWriter& out) {
  if (waited.path == kNoPath) return out.Field("opened", nullptr);
  const Frame* const frame = model.paths().Location(waited.path);
  out.Object("opened", [&] {
    out.Field("call", TextOrNull(waited.call));
    out.Field("process", IdOrNull(model, waited.opener));
    out.Field("location", frame == nullptr ? std::nullopt : std::optional(RepairUtf8(Describe(*frame))));
  });
}

void WriteWaited(Model& model, const WaitedDescriptor& waited, JsonWriter& out) {
  out.Object([&] {
    out.Field("fd", waited.fd);
    out.Field("type", Name(waited.kind));
    out.Field("target", TextOrNull(waited.target));
    out.Field("watches", TextOrNull(waited.watches));
    WriteOpening(model, waited, out);
    if (!waited.has_other_end) return out.Field("other_end", nullptr);
    out.List("other_end", [&] {
      for (const EndHolder& holder : waited.holders) WriteHolder(model, holder, out);
    });
  });
}

const char* StateOf(const Standing& standing, const StandingThread& thread) {
  return standing.is_core ? "stopped" : thread.stopped.state == 'R' ? "running" : "waiting";
}

void WriteThread(Model& model, const Standing& standing, const StandingThread& thread, JsonWriter& out) {
  out.Object([&] {
    out.Field("thread", thread.stopped.tid);
    out.Field("name", TextOrNull(thread.stopped.name));
    out.Field("pid", standing.pid);
    out.Field("process", IdOrNull(model, standing.process));
    out.Field("state", StateOf(standing, thread));
    out.Field("call", TextOrNull(thread.stopped.call));
    out.List("waits_for", [&] {
      for (const WaitedDescriptor& waited : thread.waits_for) WriteWaited(model, waited, out);
    });
    out.List("frames", [&] {
      for (const Frame& frame : thread.frames) WriteFrame(frame, out);
    });
    out.Field("problem", TextOrNull(thread.stopped.problem));
  });
}

void WriteProcess(const Model& model, const Standing& standing, JsonWriter& out) {
  out.Object([&] {
    out.Field("pid", standing.pid);
    out.Field("process", IdOrNull(model, standing.process));
    out.Field("program", TextOrNull(standing.program));
    out.Field("source", standing.is_core ? "core" : "live");
    out.Field("signal", standing.signal == 0 ? std::nullopt : std::optional(standing.signal));
    out.List("problems", [&] {
      for (const std::string& problem : standing.problems) out.Value(RepairUtf8(problem));
    });
  });
}

}  // namespace

std::string RenderStanding(Model& model, const Standing& standing) { return Writer(model, standing).Write(); }

void AddStanding(Model& model, const Standing& standing, Document* document) {
  JsonValueMaker maker;
  JsonWriter out(&maker);
  WriteProcess(model, standing, out);
  document->Add("standing", maker.Take());
  out.List([&] {
    for (const StandingThread& thread : standing.threads) WriteThread(model, standing, thread, out);
  });
  document->Add("threads", maker.Take());
}

}  // namespace fdaudit::analyzer
