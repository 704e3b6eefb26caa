#include "analyzer/model/event_stream.h"

namespace fdaudit::analyzer {

EventStream::EventStream(const Model& model) : model_(model), heads_(model.files().size()) {
  for (uint32_t file = 0; file < model.files().size(); ++file) {
    size_ += readers_.emplace_back(model.files()[file]).size();
    Advance(file);
  }
}

void EventStream::Advance(uint32_t file) {
  if (readers_[file].Next(&heads_[file])) queue_.emplace(model_.Seconds(file, heads_[file].event.stamp), file);
}

bool EventStream::Next(Item* out) {
  if (queue_.empty()) return false;
  const auto [time_s, file] = queue_.top();
  queue_.pop();
  *out = {time_s, file, heads_[file]};
  Advance(file);
  return true;
}

}  // namespace fdaudit::analyzer
