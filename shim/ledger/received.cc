#include "shim/ledger/received.h"

#include <cstring>

#include "shim/base/raw_io.h"

namespace fdaudit::shim {
namespace {

constexpr int kPidfd = 4;  // SCM_PIDFD, since Linux 6.5

}  // namespace

int32_t PeerOf(int socket) {
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (!SystemCallsAllowed()) return 0;
  const long result =
      raw::Call(SYS_getsockopt, socket, SOL_SOCKET, SO_PEERCRED, raw::Address(&peer), raw::Address(&size));
  return result == 0 && size == sizeof peer ? peer.pid : 0;
}

bool ControlMessages::Next(ControlMessage* out) {
  cmsghdr header;
  if (left_ < sizeof header) return false;
  memcpy(&header, next_, sizeof header);
  if (header.cmsg_len < sizeof header || header.cmsg_len > left_) return false;
  *out = {header.cmsg_level, header.cmsg_type, next_ + sizeof header, header.cmsg_len - sizeof header};
  const size_t step = (header.cmsg_len + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1);  // CMSG_ALIGN
  left_ -= step < left_ ? step : left_;
  next_ += step;
  return true;
}

size_t DescriptorCount(const ControlMessage& control) {
  if (control.level != SOL_SOCKET) return 0;
  if (control.type == SCM_RIGHTS) return control.size / sizeof(int);
  // In place of a pidfd that could not be made stands its error.
  return control.type == kPidfd && control.size >= sizeof(int) && DescriptorAt(control, 0).fd >= 0 ? 1 : 0;
}

ReceivedDescriptor DescriptorAt(const ControlMessage& control, size_t index) {
  ReceivedDescriptor received = {-1, control.type == kPidfd};
  memcpy(&received.fd, control.data + index * sizeof(int), sizeof(int));
  return received;
}

void PutDescriptor(const ControlMessage& control, size_t index, int fd) {
  memcpy(control.data + index * sizeof(int), &fd, sizeof(int));
}

bool BringsDescriptors(const msghdr& message) {
  ControlMessages controls(message);
  for (ControlMessage control; controls.Next(&control);) {
    if (DescriptorCount(control) != 0) return true;
  }
  return false;
}

int32_t SenderOf(const msghdr& message, int socket, int32_t own_pid) {
  ControlMessages controls(message);
  for (ControlMessage control; controls.Next(&control);) {
    ucred sender;
    if (control.level != SOL_SOCKET || control.type != SCM_CREDENTIALS || control.size < sizeof sender) continue;
    memcpy(&sender, control.data, sizeof sender);
    return sender.pid;
  }
  const int32_t peer = PeerOf(socket);
  return peer == own_pid ? 0 : peer;
}

}  // namespace fdaudit::shim
