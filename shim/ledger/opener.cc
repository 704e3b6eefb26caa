#include "shim/ledger/opener.h"

#include "shim/ledger/mirror.h"
#include "shim/process/image.h"
#include "shim/process/spawn.h"

namespace fdaudit::shim {
namespace {

using trace::ImageRecord;

/// How far back the opener of an inherited descriptor is looked for.
constexpr int kMostOrigins = 64;

/// Where number `fd` of the image was before its placements. kPlacedOpened: nowhere; below that: unknown.
int BeforePlacements(const ImageRecord* record, int fd) {
  constexpr int kUnknown = trace::kPlacedOpened - 1;
  const uint32_t count = PlacementsOf(record);
  if (count > trace::kMaxPlacements) return kUnknown;
  for (uint32_t i = count; i-- > 0 && fd >= 0;) {
    if (record->placements[i].fd == fd) fd = record->placements[i].from;
  }
  return fd;
}

}  // namespace

void FindOpener(const ImageRecord* record, int fd, trace::Incarnation* life) {
  bool is_copy = false;
  for (int steps = 0; steps < kMostOrigins; ++steps) {
    is_copy = is_copy || IsPlaced(record, fd);
    fd = BeforePlacements(record, fd);
    if (fd == trace::kPlacedOpened) life->opened = record->placed_by;
    const bool has_execed = record->predecessor != 0;
    const uint32_t origin = has_execed ? record->predecessor : record->parent;
    if (fd < 0 || origin == 0 || FindOrigin(origin, fd, record->started.stamp, has_execed, life)) break;
    record = ImageOf(origin);
  }
  if (is_copy) life->flags &= static_cast<uint8_t>(~trace::kCloseOnExec);  // dup2 doesn't copy that
}

}  // namespace fdaudit::shim
