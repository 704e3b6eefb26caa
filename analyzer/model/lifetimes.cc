#include "analyzer/model/lifetimes.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "analyzer/trace/journal.h"

namespace fdaudit::analyzer {
namespace {

using trace::EventKind;
using Number = std::pair<ProcessIndex, int>;
using Mark = std::tuple<ProcessIndex, int, uint64_t>;  // a number and the stamp of its opening or close

enum class Step { kNone, kOpens, kCloses, kClosesRange };

Step StepOf(EventKind kind) {
  switch (kind) {
    case EventKind::kOpened:
    case EventKind::kDuplicated:
    case EventKind::kReceived:
    case EventKind::kUnseenOpen:
      return Step::kOpens;
    case EventKind::kClosed:
    case EventKind::kOverwritten:
    case EventKind::kStaleClose:
    case EventKind::kUnseenClose:
      return Step::kCloses;
    case EventKind::kRangeClosed:
      return Step::kClosesRange;
    default:
      return Step::kNone;
  }
}

class Lives {
 public:
  explicit Lives(Model& model) : model_(model) {}

  std::vector<Lifetime> Take();

 private:
  void ReadLedger();
  void AddLedgerLife(ProcessIndex process, int fd, const trace::Incarnation& life, bool is_open, std::string target);
  void ReadJournal(uint32_t file);
  void Opens(ProcessIndex process, const JournalEvent& event);
  void Closes(ProcessIndex process, int fd, const trace::Event& event);
  void ClosesRange(ProcessIndex process, const trace::Event& event);
  double EndOf(ProcessIndex process) const;

  Model& model_;
  std::vector<Lifetime> lives_;
  std::set<Mark> opened_, closed_;   // what the ledger has told already
  std::map<Number, Lifetime> open_;  // while the journal is read
  double journal_begins_s_ = 0;      // of the file being read
  bool journal_is_cut_ = false;
};

double Lives::EndOf(ProcessIndex process) const {
  const Process& ended = model_.processes()[process];
  return ended.ended_by == trace::EndedBy::kNone ? model_.session().duration_s : ended.ended_s;
}

void Lives::AddLedgerLife(ProcessIndex process, int fd, const trace::Incarnation& life, bool is_open,
                          std::string target) {
  const uint32_t file = model_.processes()[process].file;
  Lifetime lifetime{};
  lifetime.process = process;
  lifetime.fd = fd;
  lifetime.is_inherited = (life.opened.flags & trace::kActInherited) != 0;
  const double started_s = model_.processes()[process].started_s;
  lifetime.is_begin_known = life.opened.stamp != 0 && (life.opened.flags & trace::kActSeenAtEnd) == 0;
  const bool began_here = lifetime.is_begin_known && !lifetime.is_inherited;
  lifetime.begin_s = began_here ? std::max(started_s, model_.Seconds(file, life.opened.stamp)) : started_s;
  lifetime.is_open = is_open;
  lifetime.kind = life.kind;
  lifetime.target = std::move(target);
  if (life.opened.stamp != 0) {
    lifetime.call = model_.CallOf(file, life.opened);
    lifetime.path = model_.PathOf(file, life.opened);
    opened_.emplace(process, fd, life.opened.stamp);
  }
  lifetime.end_s = EndOf(process);
  if (life.closed.stamp != 0) {
    lifetime.end_s = model_.Seconds(file, life.closed.stamp);
    lifetime.closing_call = model_.CallOf(file, life.closed);
    lifetime.closing_path = model_.PathOf(file, life.closed);
    closed_.emplace(process, fd, life.closed.stamp);
  }
  // Closed by another process before this one was forked: no life of it here.
  if (lifetime.end_s >= lifetime.begin_s) lives_.push_back(std::move(lifetime));
}

void Lives::ReadLedger() {
  model_.ForEachSlot([this](ProcessIndex process, int fd, const trace::Slot& slot) {
    const bool is_open = slot.head.state == trace::SlotState::kOpen || slot.head.state == trace::SlotState::kUnseen;
    AddLedgerLife(process, fd, CurrentLife(slot), is_open, model_.Told(FieldText(slot.target)));
    if (slot.head.count < 2) return;
    const trace::Incarnation& before = slot.lives[(slot.head.count - 1) & 1];
    if (before.opened.stamp != 0) AddLedgerLife(process, fd, before, false, "");
  });
}

void Lives::Opens(ProcessIndex process, const JournalEvent& entry) {
  const trace::Event& event = entry.event;
  const Number number{process, event.fd};
  if (const auto before = open_.find(number); before != open_.end()) {
    before->second.end_s = model_.Seconds(model_.processes()[process].file, event.stamp);
    lives_.push_back(std::move(before->second));
    open_.erase(before);
  }
  if (opened_.count({process, event.fd, event.stamp}) != 0) return;
  const uint32_t file = model_.processes()[process].file;
  Lifetime life{};
  life.process = process;
  life.fd = event.fd;
  life.begin_s = model_.Seconds(file, event.stamp);
  life.is_begin_known = event.kind != EventKind::kUnseenOpen;
  life.call = model_.files()[file].CallName(event.call);
  life.path = model_.paths().Intern(file, event.stack, model_.processes()[process].pid);
  open_[number] = std::move(life);
}

void Lives::Closes(ProcessIndex process, int fd, const trace::Event& event) {
  if (closed_.count({process, fd, event.stamp}) != 0) return;
  const uint32_t file = model_.processes()[process].file;
  const auto known = open_.find({process, fd});
  Lifetime life{};
  if (known != open_.end()) {
    life = std::move(known->second);
    open_.erase(known);
  } else {
    life.process = process;
    life.fd = fd;
    // What a whole journal does not know to be opened was there from the start.
    life.is_inherited = !journal_is_cut_;
    life.begin_s = std::max(model_.processes()[process].started_s, life.is_inherited ? 0 : journal_begins_s_);
  }
  life.end_s = model_.Seconds(file, event.stamp);
  life.closing_call = model_.files()[file].CallName(event.call);
  life.closing_path = model_.paths().Intern(file, event.stack, model_.processes()[process].pid);
  if (life.end_s >= life.begin_s) lives_.push_back(std::move(life));
}

void Lives::ClosesRange(ProcessIndex process, const trace::Event& event) {
  std::vector<int> hit;
  const auto last = static_cast<uint32_t>(event.other);
  for (auto one = open_.lower_bound({process, event.fd}); one != open_.end(); ++one) {
    if (one->first.first != process || static_cast<uint32_t>(one->first.second) > last) break;
    hit.push_back(one->first.second);
  }
  for (const int fd : hit) Closes(process, fd, event);
}

void Lives::ReadJournal(uint32_t file) {
  const TraceFile& source = model_.files()[file];
  std::vector<EventKey> keys = ListEvents(source);
  std::stable_sort(keys.begin(), keys.end(), [](const EventKey& a, const EventKey& b) { return a.stamp < b.stamp; });
  journal_is_cut_ = JournalIsCut(source);
  journal_begins_s_ = keys.empty() ? 0 : model_.Seconds(file, keys.front().stamp);
  for (const EventKey& key : keys) {
    JournalEvent entry;
    if (!GetEvent(source, key.place, &entry)) continue;
    const Step step = StepOf(entry.event.kind);
    const ProcessIndex process = model_.Find(file, entry.image);
    if (step == Step::kNone || process == kNoProcess || entry.event.fd < 0) continue;
    if ((entry.event.flags & trace::kActOwnTable) != 0) continue;  // another table's
    if (step == Step::kOpens) Opens(process, entry);
    if (step == Step::kCloses) Closes(process, entry.event.fd, entry.event);
    if (step == Step::kClosesRange) ClosesRange(process, entry.event);
  }
}

std::vector<Lifetime> Lives::Take() {
  ReadLedger();
  for (uint32_t file = 0; file < model_.files().size(); ++file) ReadJournal(file);
  for (auto& [number, life] : open_) {
    // The ledger, had it been kept, would know it: its process ended with nothing to tell, so this was closed unseen.
    life.end_s = std::max(life.begin_s, EndOf(number.first));
    life.is_open = !model_.processes()[number.first].ledger_released;
    lives_.push_back(std::move(life));
  }
  std::stable_sort(lives_.begin(), lives_.end(), [](const Lifetime& a, const Lifetime& b) {
    return std::tie(a.process, a.fd, a.begin_s) < std::tie(b.process, b.fd, b.begin_s);
  });
  return std::move(lives_);
}

}  // namespace

std::vector<Lifetime> LifetimesOf(Model& model) { return Lives(model).Take(); }

bool JournalIsCut(const TraceFile& file) {
  bool first_is_there = false;
  bool any = false;
  file.ForEach<trace::JournalBlock>(trace::RegionKind::kJournal, [&](uint64_t, const trace::JournalBlock& block) {
    any |= block.sequence != 0;
    first_is_there |= block.sequence == 1;
  });
  return any ? !first_is_there : true;
}

}  // namespace fdaudit::analyzer
