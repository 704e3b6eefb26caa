#include "analyzer/detect/left_open.h"

#include <algorithm>
#include <unordered_map>

#include "analyzer/detect/story.h"

namespace fdaudit::analyzer {
namespace {

/// The contexts of one process, by time.
std::vector<ContextLeft> ContextsOf(const Model& model, ProcessIndex process) {
  std::vector<ContextLeft> spans;
  const std::vector<ContextChange>& changes = model.ContextsOf(process);
  for (size_t i = 0; i < changes.size(); ++i) {
    ContextLeft span;
    span.context = changes[i].text;
    span.process = process;
    span.began_s = changes[i].time_s;
    if (i + 1 < changes.size()) {
      span.ended_s = changes[i + 1].time_s;
      span.count = changes[i + 1].left;
    }
    spans.push_back(std::move(span));
  }
  return spans;
}

bool WasOpenedHere(const Process& process, const trace::Incarnation& life) {
  constexpr uint16_t kNotHere = trace::kActInherited | trace::kActSeenAtEnd | trace::kActLeftOpen;
  return life.opened.stamp != 0 && life.opened.image == process.image && (life.opened.flags & kNotHere) == 0;
}

/// One life of a number: which of the contexts it was opened in, and left by, if any.
void Assign(Model& model, int fd, const trace::Incarnation& life, const std::string& target,
            std::vector<ContextLeft>* spans) {
  const ProcessIndex index = spans->front().process;
  const Process& process = model.processes()[index];
  if (!WasOpenedHere(process, life)) return;
  const double opened_s = model.Seconds(process.file, life.opened.stamp);
  const auto later = [](double time, const ContextLeft& span) { return time < span.began_s; };
  const auto next = std::upper_bound(spans->begin(), spans->end(), opened_s, later);
  if (next == spans->begin()) return;
  ContextLeft& span = *(next - 1);
  const bool was_closed = life.closed.stamp != 0;
  const double closed_s = was_closed ? model.Seconds(process.file, life.closed.stamp) : 0;
  if (was_closed && (!span.ended_s || closed_s < *span.ended_s)) return;
  if (!span.ended_s) ++span.count;
  if (span.descriptors.size() == kMaxDescriptors) return;
  LeftDescriptor left{NoteOf(model, index, fd, life, target), std::nullopt, was_closed};
  if (const Frame* frame = model.paths().Location(model.PathOf(process.file, life.opened))) left.location = *frame;
  if (was_closed) left.closed_in = model.ContextAt(index, closed_s);
  span.descriptors.push_back(std::move(left));
}

}  // namespace

std::vector<ContextLeft> FindLeftOpen(Model& model) {
  std::unordered_map<ProcessIndex, std::vector<ContextLeft>> spans;
  for (ProcessIndex i = 0; i < model.processes().size(); ++i) {
    if (!model.ContextsOf(i).empty()) spans[i] = ContextsOf(model, i);
  }
  if (spans.empty()) return {};
  model.ForEachSlot([&](ProcessIndex process, int fd, const trace::Slot& slot) {
    const auto known = spans.find(process);
    if (known == spans.end() || fd <= 2) return;
    if (slot.head.state == trace::SlotState::kOpen || slot.head.state == trace::SlotState::kClosed) {
      Assign(model, fd, CurrentLife(slot), FieldText(slot.target), &known->second);
    }
    if (slot.head.count > 1) Assign(model, fd, slot.lives[(slot.head.count - 1) & 1], "", &known->second);
  });
  std::vector<ContextLeft> found;
  for (auto& [process, of_process] : spans) {
    for (ContextLeft& span : of_process) {
      span.count = std::max<uint64_t>(span.count, span.descriptors.size());
      if (!span.context.empty() && span.count != 0) found.push_back(std::move(span));
    }
  }
  std::sort(found.begin(), found.end(), [](const ContextLeft& a, const ContextLeft& b) {
    return std::pair(a.began_s, a.process) < std::pair(b.began_s, b.process);
  });
  return found;
}

}  // namespace fdaudit::analyzer
