#pragma once

// Who opened what a program has inherited.

#include "shim/trace/format.h"

namespace fdaudit::shim {

/// Who opened number `fd` of a program that has just begun: looks in the images it comes from. Leaves `life` empty
/// where unknown.
void FindOpener(const trace::ImageRecord* record, int fd, trace::Incarnation* life);

}  // namespace fdaudit::shim
