#include "tests/support/trace_builder.h"

#include <cstring>
#include <fstream>
#include <stdexcept>

namespace fdaudit::testing {
namespace {

using trace::RegionKind;

template <size_t N>
void SetField(char (&field)[N], std::string_view text) {
  memset(field, 0, N);
  memcpy(field, text.data(), text.size() < N ? text.size() : N);
}

/// Appends a region's elements, page-aligned, and describes it in the header.
template <typename T>
void Append(RegionKind kind, const T* elements, size_t count, trace::Header* header, std::string* bytes) {
  bytes->resize((bytes->size() + trace::kPageSize - 1) / trace::kPageSize * trace::kPageSize, '\0');
  trace::Region& region = header->regions[static_cast<uint32_t>(kind)];
  region.kind = kind;
  region.element_size = sizeof(T);
  region.first_log2 = 32;  // one window
  region.windows[0] = static_cast<uint32_t>(bytes->size() / trace::kPageSize);
  region.capacity = count;
  region.used = count;
  bytes->append(reinterpret_cast<const char*>(elements), count * sizeof(T));
}

template <typename T>
void Append(RegionKind kind, const std::vector<T>& elements, trace::Header* header, std::string* bytes) {
  Append(kind, elements.data(), elements.size(), header, bytes);
}

}  // namespace

TraceBuilder::TraceBuilder() {
  memcpy(header_.magic, trace::kMagic, sizeof header_.magic);
  header_.major_version = trace::kMajorVersion;
  header_.minor_version = trace::kMinorVersion;
  header_.header_size = sizeof header_;
  header_.region_count = trace::kMaxRegions;
  header_.started = {1000000, 1000000};  // nanoseconds: stamps are no counter here
  header_.latest = header_.started;
  header_.started_realtime_ns = 1767225600000000000;  // 2026-01-01T00:00:00Z
  SetField(header_.boot_id, "00000000-0000-0000-0000-000000000000");
  SetField(header_.host, "testhost");
  header_.depth = 64;
  header_.nr_open = 1048576;
  AddCall("?");  // index 0 is what a zeroed act refers to
}

trace::Text TraceBuilder::AddText(std::string_view text) {
  const trace::Text reference{static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(text.size())};
  text_ += text;
  return reference;
}

uint32_t TraceBuilder::AddModule(const std::string& path, const std::string& build_id, uint32_t flags) {
  trace::ModuleRecord module{};
  module.flags = flags;
  module.key = modules_.size() + 1;
  module.ready = 1;
  module.build_id_size = static_cast<uint32_t>(build_id.size());
  memcpy(module.build_id, build_id.data(), build_id.size());
  module.path_size = static_cast<uint16_t>(path.size());
  SetField(module.path, path);
  modules_.push_back(module);
  return static_cast<uint32_t>(modules_.size());
}

uint32_t TraceBuilder::AddStack(const std::vector<TestFrame>& frames, uint16_t flags) {
  trace::StackEntry entry{};
  entry.key = stacks_.size() + 1;
  entry.words = static_cast<uint32_t>(words_.size());
  entry.frames = static_cast<uint16_t>(frames.size());
  entry.flags = flags;
  for (const TestFrame& frame : frames) {
    words_.push_back(uint64_t{frame.module} << trace::kFrameOffsetBits | frame.offset);
  }
  stacks_.push_back(entry);
  return static_cast<uint32_t>(stacks_.size());
}

uint16_t TraceBuilder::AddCall(const std::string& name) {
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (name == calls_[i].name) return static_cast<uint16_t>(i);
  }
  trace::CallName call{};
  SetField(call.name, name);
  calls_.push_back(call);
  return static_cast<uint16_t>(calls_.size() - 1);
}

uint32_t TraceBuilder::AddImage() {
  trace::ImageRecord image{};
  image.id = static_cast<uint32_t>(images_.size() + 1);
  image.pid = 4710 + static_cast<int32_t>(image.id);
  image.started_by = trace::StartedBy::kRun;
  image.ended_by = trace::EndedBy::kExit;
  image.started = {NextStamp(), stamp_};
  image.ended = {stamp_ + 1000000000, stamp_ + 1000000000};
  image.exe = AddText("/home/me/app");
  image.argv = AddText(std::string_view("./app\0--fast\0", 13));
  images_.push_back(image);
  return image.id;
}

trace::Act TraceBuilder::MakeAct(uint32_t image, const std::string& call, uint32_t stack) {
  trace::Act act{};
  act.stamp = NextStamp();
  act.image = image;
  act.thread = static_cast<uint32_t>(Image(image).pid);
  act.stack = stack;
  act.call = AddCall(call);
  return act;
}

trace::Slot& TraceBuilder::AddSlot(uint32_t image, int fd) {
  constexpr int kPerBlock = trace::kSlotsPerBlock;
  trace::SlotBlock& block = blocks_[{image, fd / kPerBlock * kPerBlock}];
  block.image = image;
  block.first_fd = fd / kPerBlock * kPerBlock;
  return block.slots[fd % kPerBlock];
}

trace::Slot& TraceBuilder::AddOpenSlot(uint32_t image, int fd, const trace::Act& opened, const std::string& target) {
  trace::Slot& slot = AddSlot(image, fd);
  slot.head.count = 1;
  slot.head.state = trace::SlotState::kOpen;
  slot.head.opens = 1;
  slot.lives[1].opened = opened;
  slot.lives[1].related = -1;
  slot.lives[1].kind = trace::FdKind::kFile;
  SetField(slot.target, target);
  return slot;
}

void TraceBuilder::Register(uint32_t image, int fd, int set, uint32_t life) {
  AddSlot(image, fd).head.registered_in = static_cast<uint16_t>(set + 1);
  const int index = fd % static_cast<int>(trace::kSlotsPerBlock);
  blocks_[{image, fd - index}].registered_life[index] = life;
}

void TraceBuilder::UseLast(uint32_t image, int fd, const std::string& call, uint32_t stack) {
  const int index = fd % static_cast<int>(trace::kSlotsPerBlock);
  blocks_[{image, fd - index}].last_use[index] = trace::PackUse({stack, AddCall(call)});
}

trace::FindingRecord& TraceBuilder::AddFailedClose(uint32_t image, int fd, const trace::Act& act) {
  trace::FindingRecord record{};
  record.kind = trace::FindingKind::kFailedClose;
  record.image = image;
  record.count = 1;
  record.fd_count = 1;
  record.fds[0] = fd;
  record.fd = fd;
  record.act = act;
  record.error = 9;
  for (trace::Incarnation& life : record.lives) life.related = -1;
  record.lives[0].kind = trace::FdKind::kFile;
  findings_.push_back(record);
  return findings_.back();
}

void TraceBuilder::AddCloseCount(uint32_t opened, uint32_t closed, uint64_t count) {
  close_counts_.push_back({uint64_t{opened} << 32 | closed, count});
}

void TraceBuilder::AddEvent(uint32_t image, uint32_t thread, const trace::Event& event) {
  const auto [place, is_new] = open_blocks_.try_emplace({image, thread}, 0, 0);
  auto& [index, used] = place->second;
  if (is_new || used == trace::kEventsPerBlock) {
    trace::JournalBlock block{};
    block.sequence = journal_.size() + 1;
    block.image = image;
    block.thread = thread;
    index = journal_.size();
    used = 0;
    journal_.push_back(block);
  }
  trace::JournalBlock& block = journal_[index];
  block.events[used] = event;
  block.events[used++].tag = static_cast<uint16_t>(block.sequence);
}

trace::Event TraceBuilder::MakeEvent(uint64_t stamp, trace::EventKind kind, int fd, uint32_t stack) {
  trace::Event event{};
  event.stamp = stamp;
  event.kind = kind;
  event.fd = fd;
  event.stack = stack;
  event.incarnation = 1;
  return event;
}

std::string TraceBuilder::Bytes() const {
  trace::Header header = header_;
  std::string bytes(trace::kPageSize, '\0');
  Append(RegionKind::kCalls, calls_, &header, &bytes);
  Append(RegionKind::kImages, images_, &header, &bytes);
  Append(RegionKind::kModules, modules_, &header, &bytes);
  Append(RegionKind::kStackIndex, stacks_, &header, &bytes);
  Append(RegionKind::kStackWords, words_, &header, &bytes);
  Append(RegionKind::kText, text_.data(), text_.size(), &header, &bytes);
  std::vector<trace::SlotBlock> blocks;
  for (const auto& [key, block] : blocks_) blocks.push_back(block);
  Append(RegionKind::kSlots, blocks, &header, &bytes);
  Append(RegionKind::kFindings, findings_, &header, &bytes);
  Append(RegionKind::kCloseCounts, close_counts_, &header, &bytes);
  Append(RegionKind::kJournal, journal_, &header, &bytes);
  for (const auto& [kind, lost] : lost_) {
    trace::Region& region = header.regions[static_cast<uint32_t>(kind)];
    region.lost = lost.first;
    region.first_lost = lost.second;
  }
  if (header.file_size == 0) header.file_size = bytes.size();
  memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

void TraceBuilder::WriteTo(const std::string& path) const {
  std::ofstream out(path, std::ios::binary);
  out << Bytes();
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace fdaudit::testing
