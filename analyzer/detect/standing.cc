#include "analyzer/detect/standing.h"

#include <algorithm>
#include <map>
#include <optional>

#include "analyzer/model/registrations.h"

namespace fdaudit::analyzer {
namespace {

class StandingBuilder {
 public:
  StandingBuilder(Model& model, const StoppedProcess& stopped)
      : model_(model), stopped_(stopped), registrations_(model) {}

  Standing Build(const NamePlace& name);

 private:
  ProcessIndex ProcessOf(int pid) const;
  double Moment() const;
  WaitedDescriptor Describe(const WaitedFor& waited);
  void AddHolders(const HeldDescriptor& end, WaitedDescriptor* out);
  void ConfirmHolders(const WaitedFor& waited, WaitedDescriptor* out);
  EndHolder& HolderOf(int pid, int fd, WaitedDescriptor* out);

  Model& model_;
  const StoppedProcess& stopped_;
  std::optional<TableAt> table_;  // at the moment that is looked at
  Registrations registrations_;
  ProcessIndex process_ = kNoProcess;
  std::optional<PipeHolders> pipes_;           // made for the first that is waited for
  std::map<int, StoppedThread> main_threads_;  // of holders, by pid
};

/// The newest image of that pid that exec has not ended.
ProcessIndex StandingBuilder::ProcessOf(int pid) const {
  ProcessIndex found = kNoProcess;
  for (ProcessIndex i = 0; i < model_.processes().size(); ++i) {
    const Process& process = model_.processes()[i];
    const bool fits = stopped_.is_core || process.end.kind == EndKind::kRunning;
    if (process.pid == pid && process.end.kind != EndKind::kExec && fits) found = i;
  }
  return found;
}

double StandingBuilder::Moment() const {
  // File systems take their time from the kernel's tick: a file seems to be older than it is by one, which may be
  // before the program opened what it waits for.
  constexpr double kTick = 0.01;
  const Process& process = model_.processes()[process_];
  const double written_s =
      static_cast<double>(stopped_.written_realtime_ns - model_.session().started_realtime_ns) / 1e9 + kTick;
  // A copy of a core was written later than that.
  if (stopped_.is_core && written_s > process.started_s && written_s < model_.session().duration_s) return written_s;
  if (process.end.kind == EndKind::kRunning) return model_.Now(process.file);
  return process.ended_by == trace::EndedBy::kNone ? model_.session().duration_s : process.ended_s;
}

EndHolder& StandingBuilder::HolderOf(int pid, int fd, WaitedDescriptor* out) {
  const auto known = std::find_if(out->holders.begin(), out->holders.end(),
                                  [&](const EndHolder& one) { return one.pid == pid && one.fd == fd; });
  if (known != out->holders.end()) return *known;
  EndHolder holder;
  holder.pid = pid;
  holder.process = ProcessOf(pid);
  holder.fd = fd;
  if (holder.process != kNoProcess) holder.program = BaseName(model_.processes()[holder.process].exe);
  if (!stopped_.is_core) {
    const auto [thread, is_new] = main_threads_.try_emplace(pid);
    if (is_new) thread->second = LookAtThread(pid, pid);
    holder.main_thread = thread->second;
  }
  out->holders.push_back(std::move(holder));
  return out->holders.back();
}

void StandingBuilder::AddHolders(const HeldDescriptor& end, WaitedDescriptor* out) {
  for (const HeldDescriptor& held : table_->HoldersOfOtherEnd(end)) {
    HolderOf(model_.processes()[held.process].pid, held.fd, out);
  }
}

/// The kernel has the last word on who has a pipe, and knows those who are not audited. What it does not show may only
/// be out of sight.
void StandingBuilder::ConfirmHolders(const WaitedFor& waited, WaitedDescriptor* out) {
  if (!waited.link.starts_with("pipe:[")) return;
  if (!pipes_) pipes_.emplace();
  const std::vector<PipeHolder>& all = pipes_->Of(waited.link);
  const auto me = std::find_if(all.begin(), all.end(),
                               [&](const PipeHolder& one) { return one.pid == stopped_.pid && one.fd == waited.fd; });
  if (me == all.end()) return;
  out->has_other_end = true;
  for (const PipeHolder& one : all) {
    const bool is_other = me->can_read ? one.can_write : one.can_read;
    if (!is_other) continue;
    EndHolder& holder = HolderOf(one.pid, one.fd, out);
    holder.is_confirmed = true;
    if (holder.program.empty()) holder.program = one.program;
  }
}

WaitedDescriptor StandingBuilder::Describe(const WaitedFor& waited) {
  WaitedDescriptor out;
  out.fd = waited.fd;
  out.target = waited.link.empty() ? "" : model_.Shown(waited.link);
  const std::optional<HeldDescriptor> held = process_ == kNoProcess ? std::nullopt : table_->Find(process_, waited.fd);
  if (held) {
    const uint32_t file = model_.processes()[process_].file;
    out.is_known = true;
    out.kind = held->life.kind;
    if (!held->target.empty()) out.target = model_.Shown(held->target);
    out.watches = registrations_.WhatWatches(process_, waited.fd);
    out.call = model_.CallOf(file, held->life.opened);
    out.path = model_.PathOf(file, held->life.opened);
    out.opener = model_.Find(file, held->life.opened.image);
    out.has_other_end = held->life.kind == trace::FdKind::kPipe ||
                        (held->life.kind == trace::FdKind::kSocket && (held->life.detail & trace::kSocketPaired) != 0);
    AddHolders(*held, &out);
  }
  if (!stopped_.is_core) ConfirmHolders(waited, &out);
  return out;
}

Standing StandingBuilder::Build(const NamePlace& name) {
  Standing standing;
  standing.pid = stopped_.pid;
  process_ = ProcessOf(stopped_.pid);
  standing.process = process_;
  if (process_ != kNoProcess) table_.emplace(model_, Moment());
  standing.program = model_.Shown(stopped_.program);
  standing.is_core = stopped_.is_core;
  standing.signal = stopped_.signal;
  standing.problems = stopped_.problems;
  if (process_ == kNoProcess) {
    standing.problems.emplace_back("the traces do not know this process: they cannot show who opened its descriptors");
  }
  for (const StoppedThread& stopped : stopped_.threads) {
    StandingThread thread;
    thread.stopped = stopped;
    for (const CodePlace& place : stopped.frames) {
      for (Frame& frame : name(place)) thread.frames.push_back(std::move(frame));
    }
    for (const WaitedFor& waited : stopped.waits_for) thread.waits_for.push_back(Describe(waited));
    standing.threads.push_back(std::move(thread));
  }
  return standing;
}

}  // namespace

Standing DescribeStanding(Model& model, const StoppedProcess& stopped, const NamePlace& name) {
  return StandingBuilder(model, stopped).Build(name);
}

}  // namespace fdaudit::analyzer
