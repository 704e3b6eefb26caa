#pragma once

// Streams of a forked child whose number it has closed and opened anew: what is printed into them lands in the new
// file. In the process that made the stream the close is a finding as such (owner.h). A child may close what it has
// inherited; that it was wrong shows where the stream has something to write, or has moved the new file's position
// without a call by its number.
//
// Any thread, any signal context, no locks, errno untouched.

namespace fdaudit::shim {

/// `fd` is about to be closed.
void NoteMisledStream(int fd);
/// The image ends. `flushes`: libc is about to write what its streams hold (exit, not _exit).
void NoteMisledStreams(bool flushes);

}  // namespace fdaudit::shim
