#include "analyzer/model/lives.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "analyzer/model/event_stream.h"

namespace fdaudit::analyzer {
namespace {

using trace::EventKind;

/// A forked child has a copy of its parent's table. Beyond so many copied entries in all, children begin with none.
constexpr size_t kMostCopied = 100'000;
/// Of more events than a journal of the usual size has, the latest are looked at.
constexpr uint64_t kMostEvents = 600'000;

using Moment = EventStream::Item;

class Reader {
 public:
  explicit Reader(Model& model) : model_(model) {}

  Lives Read();

 private:
  using Table = std::map<int, size_t>;                   // number -> index of its open life
  using Mark = std::tuple<ProcessIndex, int, uint64_t>;  // a number, and the stamp of an opening or close of it

  void Follow(const Moment& moment);
  void BeginProcesses(double until_s);
  void Begin(ProcessIndex process, const Moment& moment);
  void End(ProcessIndex process, int fd, const Moment& moment, const trace::Event& event);
  void Note(Incident::Kind kind, ProcessIndex process, const Moment& moment, const trace::Event& event);
  void AddFromLedgers();
  void AddFromLedger(ProcessIndex process, int fd, const trace::Incarnation& record, bool is_current, bool is_open,
                     const std::string& target);
  void EndWithProcesses();

  const std::string& CallOf(uint32_t file, const trace::Event& event) const {
    return model_.files()[file].CallName(event.call);
  }
  PathId PathOf(ProcessIndex process, uint32_t file, const trace::Event& event) const {
    return model_.paths().Intern(file, event.stack, process);
  }

  Model& model_;
  Lives out_;
  std::vector<Table> tables_;       // by process
  std::map<Mark, size_t> by_mark_;  // lives by what the journal says of their beginnings and ends
  ProcessIndex begun_ = 0;          // processes before this one have their tables
  size_t copied_ = 0;
  std::vector<bool> journals_cut_;        // by file
  std::vector<double> journal_begins_s_;  // by file; -1 = it has not begun
};

/// Processes stand in the order of their starts.
void Reader::BeginProcesses(double until_s) {
  for (; begun_ < model_.processes().size(); ++begun_) {
    const Process& process = model_.processes()[begun_];
    if (process.started_s > until_s) return;
    if (!IsForked(process) || process.parent == kNoProcess || process.parent >= begun_) continue;
    const Table& parent = tables_[process.parent];
    if (copied_ + parent.size() > kMostCopied) continue;
    copied_ += parent.size();
    for (const auto& [fd, index] : parent) {
      Life life = out_.lives[index];
      life.process = begun_;
      life.begin_s = process.started_s;
      life.is_inherited = life.is_copy = true;
      tables_[begun_][fd] = out_.lives.size();
      out_.lives.push_back(std::move(life));
    }
  }
}

void Reader::Begin(ProcessIndex process, const Moment& moment) {
  const trace::Event& event = moment.entry.event;
  Table& table = tables_[process];
  if (const auto open = table.find(event.fd); open != table.end()) out_.lives[open->second].end_s = moment.time_s;
  Life life;
  life.process = process;
  life.fd = event.fd;
  life.begin_s = moment.time_s;
  life.path = PathOf(process, moment.file, event);
  life.call = CallOf(moment.file, event);
  life.is_begin_known = event.kind != EventKind::kUnseenOpen;
  table[event.fd] = out_.lives.size();
  out_.lives.push_back(std::move(life));
  by_mark_[{process, event.fd, event.stamp}] = out_.lives.size() - 1;
}

void Reader::End(ProcessIndex process, int fd, const Moment& moment, const trace::Event& event) {
  Table& table = tables_[process];
  const auto open = table.find(fd);
  if (open == table.end()) {
    // What a whole journal does not know to be opened was there from the start.
    const bool is_cut = journals_cut_[moment.file];
    Life life;
    life.process = process;
    life.fd = fd;
    life.begin_s = std::max(model_.processes()[process].started_s, is_cut ? journal_begins_s_[moment.file] : 0);
    life.is_inherited = !is_cut;
    life.is_begin_known = !is_cut;
    out_.lives.push_back(std::move(life));
  }
  const size_t index = open == table.end() ? out_.lives.size() - 1 : open->second;
  by_mark_[{process, fd, event.stamp}] = index;
  Life& life = out_.lives[index];
  life.end_s = moment.time_s;
  life.closing_path = PathOf(process, moment.file, event);
  life.closing_call = CallOf(moment.file, event);
  if (open != table.end()) table.erase(open);
}

void Reader::Note(Incident::Kind kind, ProcessIndex process, const Moment& moment, const trace::Event& event) {
  out_.incidents.push_back(
      {kind, process, event.fd, moment.time_s, PathOf(process, moment.file, event), CallOf(moment.file, event)});
}

void Reader::Follow(const Moment& moment) {
  const trace::Event& event = moment.entry.event;
  const ProcessIndex process = model_.FindAt(moment.file, moment.entry.image, event.stamp);
  if (process == kNoProcess || (event.flags & trace::kActOwnTable) != 0) return;  // another table's
  switch (event.kind) {
    case EventKind::kOpened:
    case EventKind::kDuplicated:
    case EventKind::kReceived:
    case EventKind::kUnseenOpen:
      if (event.fd >= 0) Begin(process, moment);
      break;
    case EventKind::kClosed:
    case EventKind::kOverwritten:
    case EventKind::kUnseenClose:
      if (event.fd >= 0) End(process, event.fd, moment, event);
      break;
    case EventKind::kRangeClosed: {
      std::vector<int> closed;
      Table& table = tables_[process];
      for (auto open = table.lower_bound(event.fd); open != table.end(); ++open) {
        if (static_cast<uint32_t>(open->first) > static_cast<uint32_t>(event.other)) break;
        closed.push_back(open->first);
      }
      for (const int fd : closed) End(process, fd, moment, event);
      break;
    }
    case EventKind::kAdopted:
      if (const auto open = tables_[process].find(event.fd); open != tables_[process].end()) {
        out_.lives[open->second].adopting_call = CallOf(moment.file, event);
      }
      break;
    case EventKind::kCloseFailed:
      if (event.fd >= 0) Note(Incident::Kind::kCloseFailed, process, moment, event);
      break;
    case EventKind::kStaleClose:
      Note(Incident::Kind::kStaleClose, process, moment, event);
      if (event.fd >= 0) End(process, event.fd, moment, event);
      break;
    case EventKind::kOpenFailed:
      Note(Incident::Kind::kTableFull, process, moment, event);
      break;
    default:
      break;
  }
}

/// The ledger knows more of the lives that the journal has, and lives that the journal never had, or has lost.
void Reader::AddFromLedger(ProcessIndex process, int fd, const trace::Incarnation& record, bool is_current,
                           bool is_open, const std::string& target) {
  if (record.opened.stamp == 0 || (!is_open && record.closed.stamp == 0)) return;
  const Process& owner = model_.processes()[process];
  Table& table = tables_[process];
  auto known = by_mark_.find({process, fd, record.opened.stamp});
  if (known == by_mark_.end() && record.closed.stamp != 0) known = by_mark_.find({process, fd, record.closed.stamp});
  const bool is_inherited = (record.opened.flags & trace::kActInherited) != 0 || record.opened.image != owner.image;
  size_t index = known == by_mark_.end() ? out_.lives.size() : known->second;
  // What a fork has copied here already is this very life.
  if (const auto copied = table.find(fd); known == by_mark_.end() && is_inherited && is_open && copied != table.end()) {
    index = copied->second;
  }
  if (index == out_.lives.size()) {
    Life life;
    life.process = process;
    life.fd = fd;
    life.is_inherited = is_inherited;
    life.is_begin_known = (record.opened.flags & trace::kActSeenAtEnd) == 0;
    const double began_s = model_.Seconds(owner.file, record.opened.stamp);
    life.begin_s = is_inherited ? owner.started_s : std::max(owner.started_s, began_s);
    if (!is_open) {
      life.end_s = model_.Seconds(owner.file, record.closed.stamp);
      life.closing_path = model_.PathOf(owner.file, record.closed);
      life.closing_call = model_.CallOf(owner.file, record.closed);
      if (life.end_s < life.begin_s) return;  // closed by another process before this one was forked
    }
    if (is_open) table[fd] = index;
    out_.lives.push_back(std::move(life));
  }
  Life& life = out_.lives[index];
  life.kind = record.kind;
  life.is_copy = false;
  if (is_current) life.target = target;
  if (life.path == kNoPath) {
    life.path = model_.PathOf(owner.file, record.opened);
    life.call = model_.CallOf(owner.file, record.opened);
  }
}

void Reader::AddFromLedgers() {
  model_.ForEachSlot([this](ProcessIndex process, int fd, const trace::Slot& slot) {
    const bool is_open = slot.head.state == trace::SlotState::kOpen || slot.head.state == trace::SlotState::kUnseen;
    if (slot.head.count > 1) AddFromLedger(process, fd, slot.lives[(slot.head.count - 1) & 1], false, false, "");
    AddFromLedger(process, fd, CurrentLife(slot), true, is_open, model_.Shown(FieldText(slot.target)));
  });
}

void Reader::EndWithProcesses() {
  out_.until_s = model_.session().duration_s;
  for (const Life& life : out_.lives) out_.until_s = std::max({out_.until_s, life.begin_s, life.end_s});
  for (const Process& process : model_.processes()) {
    if (process.end.kind == EndKind::kRunning) out_.until_s = std::max(out_.until_s, model_.Now(process.file));
  }
  for (ProcessIndex i = 0; i < tables_.size(); ++i) {
    const Process& process = model_.processes()[i];
    const double end_s = process.ended_by == trace::EndedBy::kNone ? out_.until_s : process.ended_s;
    for (const auto& [fd, index] : tables_[i]) {
      Life& life = out_.lives[index];
      // A ledger that was released had nothing to report: what it does not know to be closed was closed unseen.
      life.is_open = !process.ledger_released || life.is_copy;
      life.end_s = std::max(life.begin_s, end_s);
    }
  }
}

Lives Reader::Read() {
  tables_.resize(model_.processes().size());
  EventStream events(model_);
  const uint64_t passed_over = events.size() - std::min(events.size(), kMostEvents);
  for (const TraceFile& file : model_.files()) {
    journals_cut_.push_back(passed_over != 0 || JournalIsCut(file));
    out_.complete = out_.complete && !journals_cut_.back();
  }
  journal_begins_s_.assign(model_.files().size(), -1);
  Moment moment;
  for (uint64_t i = 0; events.Next(&moment); ++i) {
    if (i < passed_over) continue;
    double& begins_s = journal_begins_s_[moment.file];
    if (begins_s < 0) begins_s = moment.time_s;
    BeginProcesses(moment.time_s);
    Follow(moment);
  }
  BeginProcesses(std::numeric_limits<double>::infinity());
  AddFromLedgers();
  EndWithProcesses();
  std::stable_sort(out_.lives.begin(), out_.lives.end(), [](const Life& a, const Life& b) {
    return std::tie(a.process, a.fd, a.begin_s) < std::tie(b.process, b.fd, b.begin_s);
  });
  return std::move(out_);
}

}  // namespace

Lives ReadLives(Model& model) { return Reader(model).Read(); }

}  // namespace fdaudit::analyzer
