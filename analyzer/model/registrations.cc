#include "analyzer/model/registrations.h"

#include <fmt/core.h>

#include <algorithm>

namespace fdaudit::analyzer {
namespace {

constexpr size_t kMostShown = 8;

uint64_t Key(ProcessIndex process, int fd) { return static_cast<uint64_t>(process) << 32 | static_cast<uint32_t>(fd); }

}  // namespace

Registrations::Registrations(const Model& model) {
  for (uint32_t file = 0; file < model.files().size(); ++file) {
    model.files()[file].ForEach<trace::SlotBlock>(
        trace::RegionKind::kSlots, [&](uint64_t, const trace::SlotBlock& block) {
          const ProcessIndex process = model.Find(file, block.image);
          if (process == kNoProcess || block.first_fd < 0 || block.first_fd > INT32_MAX - 16) return;
          for (uint32_t i = 0; i < trace::kSlotsPerBlock; ++i) {
            const trace::SlotHead& head = block.slots[i].head;
            if (head.count == 0 || head.state != trace::SlotState::kOpen || head.registered_in == 0) continue;
            Add(model, process, block.first_fd + static_cast<int>(i), head.registered_in, block.registered_life[i]);
          }
        });
  }
  for (auto& [set, numbers] : watched_) std::sort(numbers.begin(), numbers.end());
}

void Registrations::Add(const Model& model, ProcessIndex process, int fd, uint16_t registered_in, uint32_t life) {
  if (registered_in == trace::kRegisteredSomewhere) {
    sets_[Key(process, fd)] = kSomewhere;
    return;
  }
  const int set = registered_in - 1;
  trace::Slot slot;
  const bool lives = model.FindSlot(process, set, &slot) && slot.head.state == trace::SlotState::kOpen &&
                     slot.head.count == life && CurrentLife(slot).kind == trace::FdKind::kEpoll;
  if (!lives) return;
  sets_[Key(process, fd)] = set;
  watched_[{process, set}].push_back(fd);
}

std::optional<int> Registrations::SetOf(ProcessIndex process, int fd) const {
  const auto found = sets_.find(Key(process, fd));
  return found == sets_.end() ? std::nullopt : std::optional<int>(found->second);
}

std::string Registrations::WhatWatches(ProcessIndex process, int set) const {
  const auto found = watched_.find({process, set});
  if (found == watched_.end()) return "";
  const std::vector<int>& numbers = found->second;
  const size_t shown = numbers.size() <= kMostShown ? numbers.size() : kMostShown - 1;
  std::string text = "watches ";
  for (size_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == numbers.size();
    text += fmt::format("{}{}", i == 0 ? "" : last ? " and " : ", ", numbers[i]);
  }
  if (shown < numbers.size()) text += fmt::format(" and {} more", numbers.size() - shown);
  return text;
}

}  // namespace fdaudit::analyzer
