#include "analyzer/detect/story.h"

#include <algorithm>
#include <utility>

#include "analyzer/detect/lineage.h"

namespace fdaudit::analyzer {
namespace {

/// Who received a descriptor of `process`, and from whom, if it was received: the opening names the receiver, which is
/// another process for what was inherited since.
std::optional<Sender> SenderOf(const Model& model, ProcessIndex process, const trace::Incarnation& life) {
  if ((life.flags & trace::kReceived) == 0) return std::nullopt;
  const uint32_t file = model.processes()[process].file;
  const ProcessIndex receiver = model.Find(file, life.opened.image);
  Sender sender{std::max(life.related, 0)};
  if (sender.pid != 0 && receiver != kNoProcess) {
    sender.process = model.FindPid(receiver, sender.pid, model.Seconds(file, life.opened.stamp));
  }
  return sender;
}

StoryEvent StartOf(const Model& model, Role role, ProcessIndex process, int fd) {
  StoryEvent event{role, "", process, 0, 0, fd, kNoPath};
  event.thread = static_cast<uint32_t>(std::max(model.processes()[process].pid, 0));
  event.time_s = model.processes()[process].started_s;
  event.call = Name(model.processes()[process].started_by, model.processes()[process].parent != kNoProcess);
  if (event.call == "run") event.call.clear();
  return event;
}

StoryEvent OpeningEvent(Model& model, ProcessIndex process, const trace::Incarnation& life, int fd) {
  StoryEvent event = EventOf(model, model.processes()[process].file, Role::kOpened, life.opened, fd);
  event.sender = SenderOf(model, process, life);
  if (event.sender) event.role = Role::kReceived;
  if (IsDuplicate(life)) {
    event.role = Role::kDuplicated;
    event.made_from = life.related;
  }
  return event;
}

/// Duplicates of duplicates: how far back the story goes.
constexpr int kMostOriginals = 4;

/// How what the duplicate `life` was made from had been got, as far as that is known.
void AddOriginals(Model& model, ProcessIndex process, trace::Incarnation life, std::vector<StoryEvent>* events) {
  std::vector<Original> originals;
  while (originals.size() < kMostOriginals) {
    const std::optional<Original> original = FindOriginal(model, process, life);
    if (!original || original->life.opened.stack == trace::kNoIndex) break;
    originals.push_back(*original);
    process = original->process;
    life = original->life;
  }
  for (auto original = originals.rbegin(); original != originals.rend(); ++original) {
    StoryEvent event = OpeningEvent(model, original->process, original->life, original->fd);
    event.is_background = true;
    events->push_back(std::move(event));
  }
}

}  // namespace

StoryEvent EventOf(Model& model, uint32_t file, Role role, const trace::Act& act, int fd) {
  StoryEvent event{role, "", model.Find(file, act.image), act.thread, model.Seconds(file, act.stamp), fd, kNoPath};
  event.call = model.CallOf(file, act);
  event.path = model.PathOf(file, act);
  event.has_lost_path = HasLostPath(act);
  return event;
}

void AddOpening(Model& model, ProcessIndex process, const trace::Incarnation& life, int fd,
                std::vector<StoryEvent>* events) {
  const bool inherited = (life.opened.flags & trace::kActInherited) != 0;
  const bool unseen = (life.opened.flags & trace::kActSeenAtEnd) != 0;
  if (!unseen && (!inherited || life.opened.stack != trace::kNoIndex)) {
    AddOriginals(model, process, life, events);
    events->push_back(OpeningEvent(model, process, life, fd));
  }
  if (inherited) events->push_back(StartOf(model, Role::kInherited, process, fd));
}

void AddClosing(Model& model, ProcessIndex process, const trace::Incarnation& life, int fd,
                std::vector<StoryEvent>* events) {
  const uint32_t file = model.processes()[process].file;
  events->push_back(EventOf(model, file, Role::kClosed, life.closed, fd));
  const bool before_fork = life.closed.image != model.processes()[process].image &&
                           events->back().time_s <= model.processes()[process].started_s;
  if (before_fork) events->push_back(StartOf(model, Role::kForked, process, fd));
}

DescriptorNote NoteOf(const Model& model, ProcessIndex process, int fd, const trace::Incarnation& life,
                      const std::string& target) {
  const bool close_on_exec = (life.flags & trace::kCloseOnExec) != 0;
  DescriptorNote note{fd, life.kind, life.detail, model.Shown(target), close_on_exec};
  note.received_from = SenderOf(model, process, life);
  if (IsDuplicate(life)) note.duplicated_from = life.related;
  return note;
}

std::string NameOf(const Model& model, const Sender& sender) {
  if (sender.pid == 0) return "an unknown process";
  const std::string pid = std::to_string(sender.pid);
  if (sender.process == kNoProcess) return "process " + pid + ", which was not audited";
  return "process " + pid + " (" + std::string(BaseName(model.processes()[sender.process].exe)) + ")";
}

void TakeNumbers(const Model& model, const Proof& proof, size_t life, Finding* finding) {
  const trace::FindingRecord& record = proof.record;
  const trace::Incarnation& first = record.lives[life];
  finding->fds.assign(record.fds, record.fds + std::min(record.fd_count, trace::kMaxFindingFds));
  finding->count = std::max<uint64_t>({record.count, finding->fds.size(), 1});
  if (record.count > 1 && record.latest_closed != 0 && record.kind != trace::FindingKind::kCrossedExec) {
    finding->latest_s = model.Seconds(model.processes()[proof.process].file, record.latest_closed);
  }
  finding->descriptors.push_back(
      NoteOf(model, proof.process, record.fd, first, life == 0 ? FieldText(record.target) : ""));
  for (const int fd : finding->fds) {
    if (fd == record.fd || finding->descriptors.size() == kMaxDescriptors) continue;
    // The record keeps the first one's target only. The ledger may still know this one's, unless it was given to others
    // or the number was reused; its kind is the first one's, since the same call path opened it.
    trace::Slot slot;
    const bool known = model.FindSlot(proof.process, fd, &slot) &&
                       HaveSamePath(CurrentLife(slot).opened, first.opened) &&
                       HaveSamePath(CurrentLife(slot).closed, first.closed);
    finding->descriptors.push_back(known ? NoteOf(model, proof.process, fd, CurrentLife(slot), FieldText(slot.target))
                                         : NoteOf(model, proof.process, fd, first, ""));
  }
  if (finding->fds.empty()) finding->fds.push_back(record.fd);
  TidyFds(&finding->fds);
}

Finding BeginFinding(Model& model, const Proof& proof, size_t life, Kind kind, Severity severity) {
  Finding finding{kind, severity};
  finding.processes = {proof.process};
  TakeNumbers(model, proof, life, &finding);
  AddOpening(model, proof.process, proof.record.lives[life], proof.record.fd, &finding.events);
  return finding;
}

Finding BeginLate(Model& model, const Ruling& ruling, const Proof& proof, Kind kind, Severity severity) {
  const trace::FindingRecord& record = proof.record;
  Finding finding = BeginFinding(model, proof, ruling.life, kind, severity);
  finding.certainty = ruling.certainty;
  finding.why = ruling.why;
  const size_t closing = finding.events.size();
  AddClosing(model, proof.process, record.lives[ruling.life], record.fd, &finding.events);
  finding.events[closing].seen_through = ruling.first_seen_through;
  if (ruling.life == 1) {
    const uint32_t file = model.processes()[proof.process].file;
    finding.events.push_back(EventOf(model, file, Role::kReopened, record.lives[0].opened, record.fd));
    if (record.lives[0].closed.stamp != 0) {
      finding.events.push_back(EventOf(model, file, Role::kClosed, record.lives[0].closed, record.fd));
    }
  }
  return finding;
}

void TakeIn(Kind kind, Severity severity, Finding* finding) {
  if (finding->kind == kind) return;
  finding->includes[static_cast<size_t>(kind)] = true;
  finding->severity = std::min(finding->severity, severity);
}

void TidyFds(std::vector<int>* fds) {
  std::sort(fds->begin(), fds->end());
  fds->erase(std::unique(fds->begin(), fds->end()), fds->end());
  if (fds->size() > kMaxFds) fds->resize(kMaxFds);
}

}  // namespace fdaudit::analyzer
