// pipe-held: a read of a pipe waits for an end that can't come, because the write end lies forgotten in forked
// processes. Reported is a read that had not returned when its process was killed, or has not returned yet.
//
// Waiting is no fault as long as somebody may write, so each who has the write end must be a stray: it only inherited
// it (no duplicate, not placed there, no stream's, not one of 0-2, which libc may write to unseen), never wrote to it,
// and has not closed the read end either, as a process does that holds the write end on purpose (so that others notice
// its end). And somebody was meant to write and is done: data came by that pipe, or was written to it, before.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "analyzer/detect/detectors.h"
#include "analyzer/detect/lineage.h"
#include "analyzer/trace/journal.h"

namespace fdaudit::analyzer {
namespace {

constexpr double kLeastWait = 0.5;  // seconds
constexpr int kMostGenerations = 8;

struct PipeLife {
  int fd;
  trace::Incarnation life;
  bool is_open;  // in the end, or so far
};

struct WriteEnd {
  int fd;
  bool is_stray;
};

bool IsWriteEnd(const trace::Incarnation& life) {
  return life.kind == trace::FdKind::kPipe && (life.detail & trace::kPipeWriteEnd) != 0;
}
bool IsOwned(const trace::Incarnation& life) { return (life.flags & (trace::kOwnedByFile | trace::kOwnedByDir)) != 0; }
bool WasMoved(const trace::Incarnation& life) {
  return life.kind == trace::FdKind::kPipe && (life.detail & trace::kPipeMoved) != 0;
}

trace::Act ActOf(const Process& reader) {
  const trace::WaitingRead& read = reader.reading;
  return {read.stamp, reader.image, read.thread, read.stack, read.call, 0};
}

class HeldPipes {
 public:
  HeldPipes(Model& model, const Evidence& evidence);
  std::optional<Finding> Look(ProcessIndex reader);

 private:
  using Ends = std::vector<WriteEnd>;

  using PipeKey = std::pair<uint64_t, uint32_t>;             // stamp and image of the call that made it
  using Of = std::map<ProcessIndex, std::vector<PipeLife>>;  // ends by process
  using Thread = std::tuple<uint32_t, uint32_t, uint32_t>;   // file, image, thread
  using Number = std::tuple<uint32_t, uint32_t, int>;        // file, image, descriptor
  struct Change {
    uint64_t stamp;
    bool is_close;  ///< else a duplication
  };

  std::optional<trace::Incarnation> FirstLife(ProcessIndex process, trace::Incarnation life) const;
  const std::vector<PipeLife>& In(const Of& ends, ProcessIndex process) const;
  std::optional<trace::Incarnation> ReadPipe(ProcessIndex reader) const;
  void ReadJournal();
  std::optional<Ends> EndsOf(ProcessIndex process, double moment, int generation = 0) const;
  bool ClosedByJournal(ProcessIndex process, int fd, double moment) const;
  bool CrossedUnasked(ProcessIndex process, const PipeLife& end) const;
  bool WasOpen(uint32_t file, const PipeLife& one, double moment) const;
  bool MeansToHold(ProcessIndex process) const;
  bool WasMeantToBeWritten(ProcessIndex reader) const;
  bool IsStillThere(ProcessIndex reader) const;
  double Waited(const Process& reader) const;
  std::vector<double> Moments(const Process& reader) const;
  std::optional<std::vector<ProcessIndex>> Holders(ProcessIndex reader, double moment) const;
  Finding MakeFinding(ProcessIndex reader, const std::vector<ProcessIndex>& holders, double moment);

  Model& model_;
  const Evidence& evidence_;
  std::map<PipeKey, Of> of_pipe_;                  // every pipe's ends
  Of unclear_;                                     // of duplicates whose original is not known
  std::map<Thread, uint64_t> latest_;              // what the journal has of the readers' threads
  std::map<Number, std::vector<Change>> changes_;  // and of the write ends
  const Of* ends_ = nullptr;                       // of the pipe that is looked at
  trace::Incarnation pipe_{};                      // the read end as the call that made the pipe gave it
  ProcessIndex maker_ = kNoProcess;
};

HeldPipes::HeldPipes(Model& model, const Evidence& evidence) : model_(model), evidence_(evidence) {
  model.ForEachSlot([this](ProcessIndex process, int fd, const trace::Slot& slot) {
    for (const trace::Incarnation& life : slot.lives) {
      const bool is_open = slot.head.state == trace::SlotState::kOpen && &life == &CurrentLife(slot);
      if (life.kind != trace::FdKind::kPipe || life.opened.stamp == 0) continue;
      const std::optional<trace::Incarnation> first = FirstLife(process, life);
      Of& ends = first ? of_pipe_[{first->opened.stamp, first->opened.image}] : unclear_;
      ends[process].push_back({fd, life, is_open});
    }
  });
  ReadJournal();
}

/// Once for all readers.
void HeldPipes::ReadJournal() {
  std::set<uint32_t> files;
  std::set<int> write_ends;
  for (const auto& [pipe, ends] : of_pipe_) {
    for (const auto& [process, lives] : ends) {
      for (const PipeLife& one : lives) {
        if (IsWriteEnd(one.life)) write_ends.insert(one.fd);
      }
    }
  }
  for (ProcessIndex i = 0; i < model_.processes().size(); ++i) {
    const Process& reader = model_.processes()[i];
    if (reader.reading.stamp == 0) continue;
    files.insert(reader.file);
    latest_[{reader.file, reader.image, reader.reading.thread}] = 0;
    if (const auto pipe = ReadPipe(i)) write_ends.insert(pipe->related);
  }
  for (const uint32_t file : files) {
    JournalReader journal(model_.files()[file]);
    JournalEvent entry;
    while (journal.Next(&entry)) {
      const trace::Event& event = entry.event;
      const auto thread = latest_.find({file, entry.image, entry.thread});
      if (thread != latest_.end()) thread->second = event.stamp;
      // Of others the ledger knows it, and a busy one would take the room of its journal.
      const ProcessIndex process = model_.Find(file, entry.image);
      if (process == kNoProcess || !model_.processes()[process].ledger_released) continue;
      const auto note = [&](int fd, bool is_close) {
        if (write_ends.contains(fd)) changes_[{file, entry.image, fd}].push_back({event.stamp, is_close});
      };
      if (event.kind == trace::EventKind::kClosed) note(event.fd, true);
      if (event.kind == trace::EventKind::kDuplicated) note(event.other, false);
      if (event.kind != trace::EventKind::kRangeClosed) continue;
      for (const int fd : write_ends) {
        const auto number = static_cast<uint32_t>(fd);
        if (number >= static_cast<uint32_t>(event.fd) && number <= static_cast<uint32_t>(event.other)) note(fd, true);
      }
    }
  }
}

const std::vector<PipeLife>& HeldPipes::In(const Of& ends, ProcessIndex process) const {
  static const std::vector<PipeLife> kNone;
  const auto found = ends.find(process);
  return found == ends.end() ? kNone : found->second;
}

/// What `life` was first: a duplicate's original.
std::optional<trace::Incarnation> HeldPipes::FirstLife(ProcessIndex process, trace::Incarnation life) const {
  for (int i = 0; i < kMostGenerations && IsDuplicate(life); ++i) {
    const std::optional<Original> original = FindOriginal(model_, process, life);
    if (!original) return std::nullopt;
    process = original->process;
    life = original->life;
  }
  if (IsDuplicate(life)) return std::nullopt;
  return life;
}

/// An exec'd program has it, and nobody arranged for that.
bool HeldPipes::CrossedUnasked(ProcessIndex process, const PipeLife& end) const {
  for (size_t i = 0; i < evidence_.size(); ++i) {
    const Proof& proof = evidence_[i];
    const bool same = proof.process == process && proof.record.kind == trace::FindingKind::kCrossedExec &&
                      proof.last().opened.stamp == end.life.opened.stamp;
    if (same && std::count(proof.record.fds, proof.record.fds + std::min(proof.record.fd_count, 100u), end.fd) != 0)
      return true;
  }
  return false;
}

bool HeldPipes::WasOpen(uint32_t file, const PipeLife& one, double moment) const {
  if (model_.Seconds(file, one.life.opened.stamp) > moment) return false;
  return one.is_open || (one.life.closed.stamp != 0 && model_.Seconds(file, one.life.closed.stamp) > moment);
}

/// The process's ledger is gone, and the journal shows that it had closed its write end `fd`, and never duplicated it.
bool HeldPipes::ClosedByJournal(ProcessIndex index, int fd, double moment) const {
  const Process& process = model_.processes()[index];
  const auto changes = changes_.find({process.file, process.image, fd});
  if (changes == changes_.end()) return false;
  bool was_closed = false;
  for (const Change& change : changes->second) {
    if (change.stamp < pipe_.opened.stamp) continue;
    if (!change.is_close) return false;
    was_closed = was_closed || model_.Seconds(process.file, change.stamp) < moment;
  }
  return was_closed;
}

/// The write ends that a process had at a moment; none where that is not known.
std::optional<HeldPipes::Ends> HeldPipes::EndsOf(ProcessIndex index, double moment, int generation) const {
  const Process& process = model_.processes()[index];
  const bool is_fork = IsForked(process);
  Ends ends;
  if (is_fork && index != maker_ && process.parent != kNoProcess) {
    if (generation == kMostGenerations || model_.processes()[process.parent].file != process.file) return std::nullopt;
    const std::optional<Ends> before = EndsOf(process.parent, process.started_s, generation + 1);
    if (!before) return std::nullopt;
    trace::Slot slot;
    for (const WriteEnd& end : *before) {
      // What it has touched is in its own ledger. One that the parent had arranged for, or kept, is no less so
      // here.
      if (process.ledger_released && ClosedByJournal(index, end.fd, moment)) continue;
      if (process.ledger_released) return std::nullopt;
      if (!model_.FindSlot(index, end.fd, &slot)) ends.push_back({end.fd, end.fd > 2});
    }
  }
  if (index == maker_ && process.ledger_released && !ClosedByJournal(index, pipe_.related, moment)) return std::nullopt;
  const auto was_write_end = [&](const PipeLife& one) {
    return IsWriteEnd(one.life) && WasOpen(process.file, one, moment);
  };
  const std::vector<PipeLife>& unclear = In(unclear_, index);
  if (std::any_of(unclear.begin(), unclear.end(), was_write_end)) return std::nullopt;
  for (const PipeLife& one : In(*ends_, index)) {
    if (!was_write_end(one)) continue;
    const bool is_arranged = IsDuplicate(one.life) || IsOwned(one.life) || (!is_fork && !CrossedUnasked(index, one));
    ends.push_back({one.fd, one.fd > 2 && !is_arranged && !WasMoved(one.life)});
  }
  return ends;
}

/// It has closed the read end, and kept the other.
bool HeldPipes::MeansToHold(ProcessIndex process) const {
  const auto has_closed = [&](const PipeLife& one) {
    const bool closed_here = one.life.closed.stamp != 0 && one.life.closed.image == model_.processes()[process].image;
    return closed_here && !IsWriteEnd(one.life);
  };
  const std::vector<PipeLife>& own = In(*ends_, process);
  const std::vector<PipeLife>& unclear = In(unclear_, process);
  return std::any_of(own.begin(), own.end(), has_closed) || std::any_of(unclear.begin(), unclear.end(), has_closed);
}

/// Moments at which the read was waiting, as far as that is known: one is enough, since a stray never writes, and
/// whoever is left in the end must have been there all the time. The read of one that was killed waited at least until
/// half a second after its begin. When it was killed is known of the program that `fdaudit run` has started; what else
/// ended in the same moment may have come before or after.
std::vector<double> HeldPipes::Moments(const Process& reader) const {
  constexpr double kSameMoment = 0.02;
  if (reader.end.kind == EndKind::kRunning) return {model_.Now(reader.file) - kSameMoment};
  const double began = model_.Seconds(reader.file, reader.reading.stamp);
  std::vector<double> moments{began + kLeastWait};
  const trace::Header& header = model_.files()[reader.file].header();
  const bool is_child_of_run =
      header.run_ended == 1 && header.run_pid == reader.pid && header.pid_namespace == reader.pid_namespace;
  if (is_child_of_run) {
    const double killed = model_.Seconds(reader.file, header.run_end.stamp) - kSameMoment;
    if (killed > moments.front()) moments.insert(moments.begin(), killed);
  }
  return moments;
}

/// Who had a write end at a moment, if they are strays all of them.
std::optional<std::vector<ProcessIndex>> HeldPipes::Holders(ProcessIndex reader, double moment) const {
  constexpr uint32_t kUnclear = trace::kReasonSharedTable | trace::kReasonNoRoom | trace::kReasonOwnTable;
  std::vector<ProcessIndex> holders;
  for (ProcessIndex i = 0; i < model_.processes().size(); ++i) {
    const Process& process = model_.processes()[i];
    if (process.file != model_.processes()[reader].file) return std::nullopt;
    const bool is_unaudited = process.end.kind == EndKind::kExec && process.exec_problem != trace::ExecProblem::kNone;
    const bool has_ended = process.ended_by != trace::EndedBy::kNone && process.ended_s < moment;
    if ((has_ended && !is_unaudited) || process.started_s > moment) continue;
    const std::optional<Ends> ends = EndsOf(i, moment);
    if (!ends || (process.reasons & kUnclear) != 0) return std::nullopt;
    if (ends->empty()) continue;
    const bool are_strays = std::all_of(ends->begin(), ends->end(), [](const WriteEnd& end) { return end.is_stray; });
    if (is_unaudited || i == maker_ || !are_strays || (i != reader && MeansToHold(i))) return std::nullopt;
    holders.push_back(i);
  }
  if (holders.empty()) return std::nullopt;
  return holders;
}

/// Data came, or was written by one who has closed its end since.
bool HeldPipes::WasMeantToBeWritten(ProcessIndex reader) const {
  for (const auto& [process, lives] : *ends_) {
    for (const PipeLife& one : lives) {
      const bool has_read = process == reader && one.is_open && !IsWriteEnd(one.life) && WasMoved(one.life);
      const bool has_written = IsWriteEnd(one.life) && !one.is_open && (WasMoved(one.life) || IsOwned(one.life));
      if (has_read || has_written) return true;
    }
  }
  return false;
}

/// A read that a signal handler has jumped out of has left its mark, too: then its thread went on.
bool HeldPipes::IsStillThere(ProcessIndex reader) const {
  const Process& process = model_.processes()[reader];
  return latest_.at({process.file, process.image, process.reading.thread}) <= process.reading.stamp;
}

double HeldPipes::Waited(const Process& reader) const {
  const bool runs = reader.end.kind == EndKind::kRunning;
  const double end = runs ? model_.Now(reader.file) : model_.session().duration_s;
  return end - model_.Seconds(reader.file, reader.reading.stamp);
}

Finding HeldPipes::MakeFinding(ProcessIndex reader, const std::vector<ProcessIndex>& holders, double moment) {
  const Process& process = model_.processes()[reader];
  Finding finding{Kind::kPipeHeld, Severity::kNote, Certainty::kLikely};
  finding.processes = {reader};
  finding.count = 1;
  finding.fds = {process.reading.fd};
  finding.descriptors.push_back(NoteOf(model_, reader, process.reading.fd, pipe_, ""));
  finding.waited_s = Waited(process);
  finding.events.push_back(EventOf(model_, process.file, Role::kOpened, pipe_.opened, pipe_.related));
  for (const ProcessIndex holder : holders) {
    const Process& other = model_.processes()[holder];
    const bool is_exec = !IsForked(other);
    const std::optional<Ends> ends = EndsOf(holder, moment);
    StoryEvent event{is_exec ? Role::kExec : Role::kForked, Name(other.started_by, true), holder};
    event.thread = other.pid > 0 ? static_cast<uint32_t>(other.pid) : 0;
    event.time_s = other.started_s;
    event.fd = ends->front().fd;
    finding.events.push_back(std::move(event));
    if (holder != reader) finding.processes.push_back(holder);
  }
  finding.events.push_back(EventOf(model_, process.file, Role::kUsed, ActOf(process), process.reading.fd));
  return finding;
}

/// The pipe that it waits for, as the call that made it gave it; nothing where it is none, or not known.
std::optional<trace::Incarnation> HeldPipes::ReadPipe(ProcessIndex reader) const {
  const Process& process = model_.processes()[reader];
  trace::Slot slot;
  if (process.reading.stamp == 0 || !model_.FindSlot(reader, process.reading.fd, &slot) ||
      slot.head.state != trace::SlotState::kOpen)
    return std::nullopt;
  const trace::Incarnation& life = CurrentLife(slot);
  return life.kind != trace::FdKind::kPipe || IsWriteEnd(life) ? std::nullopt : FirstLife(reader, life);
}

std::optional<Finding> HeldPipes::Look(ProcessIndex reader) {
  const Process& process = model_.processes()[reader];
  const EndKind end = process.end.kind;
  const bool is_waiting = end == EndKind::kSignal || end == EndKind::kKilled || end == EndKind::kRunning;
  const std::optional<trace::Incarnation> pipe = ReadPipe(reader);
  if (!pipe || !is_waiting || Waited(process) < kLeastWait) return std::nullopt;
  pipe_ = *pipe;
  ends_ = &of_pipe_[{pipe_.opened.stamp, pipe_.opened.image}];
  maker_ = model_.Find(process.file, pipe_.opened.image);
  if (maker_ == kNoProcess || !WasMeantToBeWritten(reader) || !IsStillThere(reader)) return std::nullopt;
  for (const double moment : Moments(process)) {
    const std::optional<std::vector<ProcessIndex>> holders = Holders(reader, moment);
    if (holders) return MakeFinding(reader, *holders, moment);
  }
  return std::nullopt;
}

}  // namespace

void FindHeldPipes(Model& model, Evidence* evidence, Grouping* out) {
  std::optional<HeldPipes> pipes;
  for (ProcessIndex i = 0; i < model.processes().size(); ++i) {
    if (model.processes()[i].reading.stamp == 0) continue;
    if (!pipes) pipes.emplace(model, *evidence);
    if (std::optional<Finding> finding = pipes->Look(i)) out->Add(std::move(*finding));
  }
}

}  // namespace fdaudit::analyzer
