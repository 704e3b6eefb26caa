#pragma once

// Writes valid traces by the format's header, for tests: what the shim would have written, without the shim. Compact:
// every region has just the room that its elements need.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shim/trace/format.h"

namespace fdaudit::testing {

/// A frame: module number as AddModule() gave it (0 = none), and the return address in it.
struct TestFrame {
  uint32_t module;
  uint64_t offset;
};

class TraceBuilder {
 public:
  TraceBuilder();

  trace::Header& header() { return header_; }

  /// All return what records refer to them by. A module's number is its index + 1.
  trace::Text AddText(std::string_view text);
  uint32_t AddModule(const std::string& path, const std::string& build_id = "id", uint32_t flags = 0);
  uint32_t AddStack(const std::vector<TestFrame>& frames, uint16_t flags = 0);
  uint16_t AddCall(const std::string& name);

  /// An image with a pid of its own that `run` started and that exited with 0, named "app". Change it through Image().
  uint32_t AddImage();
  trace::ImageRecord& Image(uint32_t image) { return images_[image - 1]; }

  /// An act of the image's main thread, a microsecond after the one before.
  trace::Act MakeAct(uint32_t image, const std::string& call, uint32_t stack);

  /// Slots of an image. Open: lives[1] is the current life.
  trace::Slot& AddSlot(uint32_t image, int fd);
  trace::Slot& AddOpenSlot(uint32_t image, int fd, const trace::Act& opened, const std::string& target = "/tmp/file");

  /// A slot is watched by an epoll set, in that one's `life`.
  void Register(uint32_t image, int fd, int set, uint32_t life);
  /// The latest use of what `fd` is.
  void UseLast(uint32_t image, int fd, const std::string& call, uint32_t stack);

  trace::FindingRecord& AddFailedClose(uint32_t image, int fd, const trace::Act& act);

  /// `count` descriptors that one stack opened were closed by another.
  void AddCloseCount(uint32_t opened, uint32_t closed, uint64_t count);

  /// A region had no room for `count` of its elements, since `stamp`.
  void SetLost(trace::RegionKind kind, uint64_t count, uint64_t stamp = 0) { lost_[kind] = {count, stamp}; }

  void AddEvent(uint32_t image, uint32_t thread, const trace::Event& event);
  /// An event at a stamp, with the rest left at plausible values.
  static trace::Event MakeEvent(uint64_t stamp, trace::EventKind kind, int fd, uint32_t stack);

  uint64_t NextStamp() { return stamp_ += 1000; }

  std::string Bytes() const;
  void WriteTo(const std::string& path) const;

 private:
  trace::Header header_{};
  uint64_t stamp_ = 1000000;
  std::string text_ = std::string(1, '\0');
  std::vector<trace::CallName> calls_;
  std::vector<trace::ModuleRecord> modules_;
  std::vector<trace::StackEntry> stacks_;
  std::vector<uint64_t> words_ = {0};
  std::vector<trace::ImageRecord> images_;
  std::map<std::pair<uint32_t, int>, trace::SlotBlock> blocks_;
  std::vector<trace::FindingRecord> findings_;
  std::vector<trace::CloseCount> close_counts_;
  std::vector<trace::JournalBlock> journal_;
  std::map<trace::RegionKind, std::pair<uint64_t, uint64_t>> lost_;                   // count, first stamp
  std::map<std::pair<uint32_t, uint32_t>, std::pair<size_t, uint32_t>> open_blocks_;  // image, thread -> block, events
};

}  // namespace fdaudit::testing
