#pragma once

// Whether something was written to what has got 0, 1 or 2 by an ordinary open: only then has anything landed in the
// wrong file. Seen by its position, before it is closed or when the image ends. Any thread, any signal context; errno
// stays.

#include <cstdint>

namespace fdaudit::shim {

/// `fd` was handed out to what `record` (index + 1) of `image` reports.
void FollowStandard(int fd, uint32_t image, uint32_t record);

/// What is at `fd` is about to be closed, or to be there when the image ends. Any number.
void NoteStandardLeft(int fd);

}  // namespace fdaudit::shim
