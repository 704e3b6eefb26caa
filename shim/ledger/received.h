#pragma once

// What a received message brought: descriptors (SCM_RIGHTS, SCM_PIDFD) and who sent it (SCM_CREDENTIALS). Read from the
// program's own buffer once the kernel has filled it, and never beyond what the kernel says it has written: a truncated
// message (MSG_CTRUNC) holds as many descriptors as were really installed, and may end in half a header. Any context.

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

#include "shim/trace/format.h"

namespace fdaudit::shim {

/// A control message of a received message.
struct ControlMessage {
  int level;
  int type;
  char* data;
  size_t size;  ///< bytes of data that are there
};

/// The control messages of a received message, one after the other.
class ControlMessages {
 public:
  explicit ControlMessages(const msghdr& message)
      : next_(static_cast<char*>(message.msg_control)),
        left_(message.msg_control == nullptr ? 0 : message.msg_controllen) {}

  /// False: that was all.
  bool Next(ControlMessage* out);

 private:
  char* next_;
  size_t left_;
};

/// Who is at the other end of a socket, by SO_PEERCRED; 0 = unknown.
int32_t PeerOf(int socket);

/// A descriptor that a message has put into the receiver's table.
struct ReceivedDescriptor {
  int fd;
  bool is_pidfd;  ///< the kernel made it for the receiver (SO_PASSPIDFD); it is always close-on-exec
};

/// Where `control` brought descriptors: how many, and each of them.
size_t DescriptorCount(const ControlMessage& control);
ReceivedDescriptor DescriptorAt(const ControlMessage& control, size_t index);
/// It has another number now.
void PutDescriptor(const ControlMessage& control, size_t index, int fd);

/// Whether the message brought any. Most bring none, and many no control data at all.
bool BringsDescriptors(const msghdr& message);

/// The sender's pid, as the receiver's pid namespace knows it; 0 = unknown. The message's own credentials where it has
/// them; else the process that made the socket's other end, which costs one system call. Where that is `own_pid`, a
/// socketpair's, it is unknown which of the processes that hold the other end has sent.
int32_t SenderOf(const msghdr& message, int socket, int32_t own_pid);

}  // namespace fdaudit::shim
