#include "shim/ledger/folding.h"

#include "shim/ledger/mirror.h"
#include "shim/process/image.h"
#include "shim/process/records.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {
namespace {

using trace::ImageRecord;
using trace::RegionKind;

constexpr int kMostGenerations = 64;

/// The program that the session is about is named by its first images.
bool IsFirst(const ImageRecord& record) {
  const trace::Header& header = recorder.header();
  const bool is_creator = record.pid == header.creator_pid && record.pid_namespace == header.pid_namespace;
  return is_creator || (record.parent == 0 && record.predecessor == 0);
}

bool HasSomethingToReport(const ImageRecord& record) {
  const bool is_incomplete = record.reasons != 0 || record.untracked_opens != 0 || record.untracked_closes != 0 ||
                             record.events_dropped != 0 || record.exec_problem != trace::ExecProblem::kNone;
  return is_incomplete || record.is_kept != 0 || record.began_session != 0 || IsFirst(record);
}

/// Whether the table is so full that records are worth being used again.
bool IsCrowded() {
  const uint64_t used = Atomic(recorder.region(RegionKind::kImages).used).load(std::memory_order_relaxed);
  return used > recorder.Capacity(RegionKind::kImages) / 16;
}

void Fold(uint32_t image, ImageRecord* record) {
  trace::Header& header = recorder.header();
  Atomic(header.folded_images).fetch_add(1, std::memory_order_relaxed);
  Atomic(header.folded_opened).fetch_add(record->opened, std::memory_order_relaxed);
  Atomic(header.folded_closed).fetch_add(record->closed, std::memory_order_relaxed);
  Atomic(record->id).store(0, std::memory_order_release);
  ReleaseBlocks(image);
  recorder.Release(RegionKind::kImages, &ImageRecord::next_with_pid_hash, image - 1);
}

void LetGo(uint32_t image, int generation) {
  for (; image != 0 && generation < kMostGenerations; ++generation) {
    ImageRecord* record = ImageOf(image);
    if (Atomic(record->references).fetch_sub(1) != 1 || !IsCrowded() || !TakeFromPidIndex(image)) return;
    const uint32_t parent = record->parent;
    const uint32_t predecessor = record->predecessor;
    Fold(image, record);
    LetGo(predecessor, generation + 1);
    image = parent;
  }
}

}  // namespace

void LetGoOfEnded(uint32_t image, bool has_successor) {
  const ImageRecord& record = *ImageOf(image);
  const bool is_ledger_gone = record.ledger_released != 0 || record.begun == 0 || record.blocks == 0;
  if ((has_successor || is_ledger_gone) && !HasSomethingToReport(record)) LetGo(image, 0);
}

void LetGo(uint32_t image) { LetGo(image, 0); }

void GiveBackUnused(uint32_t image) {
  const uint32_t parent = ImageOf(image)->parent;
  recorder.Release(RegionKind::kImages, &ImageRecord::next_with_pid_hash, image - 1);
  LetGo(parent, 0);
}

}  // namespace fdaudit::shim
