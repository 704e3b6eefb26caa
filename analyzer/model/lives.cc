#include "analyzer/model/lives.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "analyzer/trace/journal.h"

namespace fdaudit::analyzer {
namespace {

using trace::EventKind;

/// A forked child has a copy of its parent's table. Beyond so many copied entries in all, children begin with none.
constexpr size_t kMostInherited = 2'000'000;

struct Moment {
  double time_s;
  uint32_t file;
  uint64_t place;
};

class Reader {
 public:
  explicit Reader(Model& model) : model_(model) {}

  Lives Read();

 private:
  using Table = std::map<int, size_t>;  // number -> index of its open life

  void Follow(const Moment& moment, const JournalEvent& entry);
  void BeginProcesses(double until_s);
  void Begin(ProcessIndex process, const Moment& moment, const JournalEvent& entry);
  void End(ProcessIndex process, int fd, const Moment& moment, const trace::Event& event);
  void Note(Incident::Kind kind, ProcessIndex process, const Moment& moment, const trace::Event& event);
  void AddFromLedgers();
  void AddFromLedger(ProcessIndex process, int fd, const trace::Slot& slot, uint32_t count);
  void EndWithProcesses();

  const std::string& CallOf(uint32_t file, const trace::Event& event) const {
    return model_.files()[file].CallName(event.call);
  }
  PathId PathOf(ProcessIndex process, uint32_t file, const trace::Event& event) const {
    return model_.paths().Intern(file, event.stack, model_.processes()[process].pid);
  }

  Model& model_;
  Lives out_;
  std::vector<Table> tables_;                              // by process
  std::unordered_map<uint64_t, std::set<uint32_t>> seen_;  // process << 32 | fd -> incarnations
  ProcessIndex begun_ = 0;                                 // processes before this one have their tables
  size_t inherited_ = 0;
};

uint64_t KeyOf(ProcessIndex process, int fd) { return uint64_t{process} << 32 | static_cast<uint32_t>(fd); }

/// Processes stand in the order of their starts.
void Reader::BeginProcesses(double until_s) {
  for (; begun_ < model_.processes().size(); ++begun_) {
    const Process& process = model_.processes()[begun_];
    if (process.started_s > until_s) return;
    const bool is_fork =
        process.started_by == trace::StartedBy::kFork || process.started_by == trace::StartedBy::kClone;
    if (!is_fork || process.parent == kNoProcess || process.parent >= begun_) continue;
    const Table& parent = tables_[process.parent];
    if (inherited_ + parent.size() > kMostInherited) continue;
    inherited_ += parent.size();
    for (const auto& [fd, index] : parent) {
      Life life = out_.lives[index];
      life.process = begun_;
      life.from_s = process.started_s;
      life.inherited = true;
      tables_[begun_][fd] = out_.lives.size();
      out_.lives.push_back(std::move(life));
    }
  }
}

void Reader::Begin(ProcessIndex process, const Moment& moment, const JournalEvent& entry) {
  const trace::Event& event = entry.event;
  Table& table = tables_[process];
  if (const auto open = table.find(event.fd); open != table.end()) out_.lives[open->second].to_s = moment.time_s;
  Life life;
  life.process = process;
  life.fd = event.fd;
  life.from_s = moment.time_s;
  life.opened_path = PathOf(process, moment.file, event);
  life.opened_by = CallOf(moment.file, event);
  life.incarnation = event.incarnation;
  table[event.fd] = out_.lives.size();
  out_.lives.push_back(std::move(life));
  seen_[KeyOf(process, event.fd)].insert(event.incarnation);
}

void Reader::End(ProcessIndex process, int fd, const Moment& moment, const trace::Event& event) {
  Table& table = tables_[process];
  const auto open = table.find(fd);
  if (open == table.end()) {
    // Opened before the oldest event, or inherited by an exec.
    Life life;
    life.process = process;
    life.fd = fd;
    life.from_s = model_.processes()[process].started_s;
    life.inherited = true;
    life.incarnation = event.incarnation;
    out_.lives.push_back(std::move(life));
    seen_[KeyOf(process, fd)].insert(event.incarnation);
  }
  Life& life = out_.lives[open == table.end() ? out_.lives.size() - 1 : open->second];
  life.to_s = moment.time_s;
  life.closed_path = PathOf(process, moment.file, event);
  life.closed_by = CallOf(moment.file, event);
  if (open != table.end()) table.erase(open);
}

void Reader::Note(Incident::Kind kind, ProcessIndex process, const Moment& moment, const trace::Event& event) {
  out_.incidents.push_back(
      {kind, process, event.fd, moment.time_s, PathOf(process, moment.file, event), CallOf(moment.file, event)});
}

void Reader::Follow(const Moment& moment, const JournalEvent& entry) {
  const trace::Event& event = entry.event;
  const ProcessIndex process = model_.Find(moment.file, entry.image);
  if (process == kNoProcess) return;
  switch (event.kind) {
    case EventKind::kOpened:
    case EventKind::kDuplicated:
    case EventKind::kReceived:
    case EventKind::kUnseenOpen:
      if (event.fd >= 0) Begin(process, moment, entry);
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
        out_.lives[open->second].adopted_by = CallOf(moment.file, event);
      }
      break;
    case EventKind::kCloseFailed:
      if (event.fd >= 0) Note(Incident::Kind::kCloseFailed, process, moment, event);
      break;
    case EventKind::kStaleClose:
      Note(Incident::Kind::kStaleClose, process, moment, event);
      break;
    case EventKind::kOpenFailed:
      Note(Incident::Kind::kTableFull, process, moment, event);
      break;
    default:
      break;
  }
}

/// A life that the journal does not tell of, or no more.
void Reader::AddFromLedger(ProcessIndex process, int fd, const trace::Slot& slot, uint32_t count) {
  const trace::Incarnation& told = slot.lives[count & 1];
  if (told.opened.stamp == 0 || seen_[KeyOf(process, fd)].contains(count)) return;
  const uint32_t file = model_.processes()[process].file;
  const bool is_current = count == slot.head.count;
  const bool is_open = is_current && slot.head.state == trace::SlotState::kOpen;
  Table& table = tables_[process];
  Life life;
  life.process = process;
  life.fd = fd;
  life.inherited =
      (told.opened.flags & trace::kActInherited) != 0 || told.opened.image != model_.processes()[process].image;
  life.from_s = life.inherited ? model_.processes()[process].started_s : model_.Seconds(file, told.opened.stamp);
  life.opened_path = model_.PathOf(file, told.opened);
  life.opened_by = model_.CallOf(file, told.opened);
  life.incarnation = count;
  if (!is_open && told.closed.stamp == 0) return;
  if (!is_open) {
    life.to_s = model_.Seconds(file, told.closed.stamp);
    life.closed_path = model_.PathOf(file, told.closed);
    life.closed_by = model_.CallOf(file, told.closed);
  }
  // What a fork has copied here already is this very life.
  const auto copied = table.find(fd);
  if (life.inherited && is_open && copied != table.end()) return;
  if (is_open) table[fd] = out_.lives.size();
  out_.lives.push_back(std::move(life));
}

void Reader::AddFromLedgers() {
  model_.ForEachSlot([this](ProcessIndex process, int fd, const trace::Slot& slot) {
    if (slot.head.count > 1) AddFromLedger(process, fd, slot, slot.head.count - 1);
    AddFromLedger(process, fd, slot, slot.head.count);
  });
  std::unordered_map<uint64_t, size_t> last;
  for (size_t i = 0; i < out_.lives.size(); ++i) {
    const auto [known, is_new] = last.try_emplace(KeyOf(out_.lives[i].process, out_.lives[i].fd), i);
    if (!is_new && out_.lives[i].from_s >= out_.lives[known->second].from_s) known->second = i;
  }
  for (const auto& [key, index] : last) {
    Life& life = out_.lives[index];
    trace::Slot slot;
    if (!model_.FindSlot(life.process, life.fd, &slot)) continue;
    life.kind = CurrentLife(slot).kind;
    life.target = model_.Told(FieldText(slot.target));
  }
}

void Reader::EndWithProcesses() {
  for (ProcessIndex i = 0; i < tables_.size(); ++i) {
    const Process& process = model_.processes()[i];
    for (const auto& [fd, index] : tables_[i]) {
      Life& life = out_.lives[index];
      life.open_at_end = true;
      if (process.end.kind != EndKind::kRunning) {
        life.to_s = process.ended_by == trace::EndedBy::kNone ? model_.session().duration_s : process.ended_s;
      }
    }
  }
}

Lives Reader::Read() {
  tables_.resize(model_.processes().size());
  std::vector<Moment> moments;
  for (uint32_t file = 0; file < model_.files().size(); ++file) {
    const TraceFile& one = model_.files()[file];
    const trace::Region& journal = one.header().regions[static_cast<size_t>(trace::RegionKind::kJournal)];
    out_.complete = out_.complete && journal.capacity != 0 && journal.used <= journal.capacity && journal.lost == 0;
    for (const EventKey& key : ListEvents(one)) moments.push_back({model_.Seconds(file, key.stamp), file, key.place});
  }
  std::stable_sort(moments.begin(), moments.end(),
                   [](const Moment& a, const Moment& b) { return a.time_s < b.time_s; });
  for (const Moment& moment : moments) {
    JournalEvent entry;
    if (!GetEvent(model_.files()[moment.file], moment.place, &entry)) continue;
    BeginProcesses(moment.time_s);
    Follow(moment, entry);
  }
  BeginProcesses(Life::kStillOpen);
  AddFromLedgers();
  EndWithProcesses();
  std::stable_sort(out_.lives.begin(), out_.lives.end(),
                   [](const Life& a, const Life& b) { return a.from_s < b.from_s; });
  return std::move(out_);
}

}  // namespace

Lives ReadLives(Model& model) { return Reader(model).Read(); }

}  // namespace fdaudit::analyzer
