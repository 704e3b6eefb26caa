#pragma once

// The requests of ioctl(2) that open a descriptor, by table. Their numbers are kernel interfaces that do not change; a
// driver of another kind may use one of them for something else, so what is said to be a number is believed where the
// kernel has it open and the ledger has not (RecordFoundOpen).

#include <linux/ioctl.h>

#include <cstdint>

#include "shim/events/events.h"

namespace fdaudit::shim {

/// Where the new number is: at this offset of the structure that the request's argument points to.
enum NumberPlace : int { kNoNumber = -2, kInResult = -1 };

/// Structures stand as arrays of their size, which a request encodes.
constexpr int PlaceOfNumber(unsigned long request) {
  switch (request) {
    // Namespaces: ioctl_ns(2).
    case _IO(0xb7, 1):              // NS_GET_USERNS
    case _IO(0xb7, 2):              // NS_GET_PARENT
    case _IOR(0xb7, 11, char[16]):  // NS_MNT_GET_NEXT
    case _IOR(0xb7, 12, char[16]):  // NS_MNT_GET_PREV
    case 0x894c:                    // SIOCGSKNS
    case _IO('T', 227):             // TUNGETDEVNETNS
    // PIDFD_GET_CGROUP_NAMESPACE and the nine behind it.
    case _IO(0xff, 1):
    case _IO(0xff, 2):
    case _IO(0xff, 3):
    case _IO(0xff, 4):
    case _IO(0xff, 5):
    case _IO(0xff, 6):
    case _IO(0xff, 7):
    case _IO(0xff, 8):
    case _IO(0xff, 9):
    case _IO(0xff, 10):
    case _IO('T', 0x41):               // TIOCGPTPEER
    case _IO(0xaa, 0):                 // USERFAULTFD_IOC_NEW
    case _IO(0xae, 0x01):              // KVM_CREATE_VM
    case _IO(0xae, 0x41):              // KVM_CREATE_VCPU
    case _IO(0xae, 0xce):              // KVM_GET_STATS_FD
    case _IOWR(0xae, 0xd4, char[64]):  // KVM_CREATE_GUEST_MEMFD
    case _IO(';', 106):                // VFIO_GROUP_GET_DEVICE_FD
    case _IOW('u', 0x42, char[24]):    // UDMABUF_CREATE
    case _IOW('u', 0x43, char[8]):     // UDMABUF_CREATE_LIST
      return kInResult;
    case _IOR('|', 5, int):     // MEDIA_IOC_REQUEST_ALLOC
    case _IOR('i', 0x90, int):  // IIO_GET_EVENT_FD
      return 0;
    case _IOWR(0xae, 0xe0, char[12]):  // KVM_CREATE_DEVICE
    case _IOWR('b', 2, char[8]):       // DMA_BUF_IOCTL_EXPORT_SYNC_FILE
      return 4;
    case _IOWR('H', 0, char[24]):     // DMA_HEAP_IOCTL_ALLOC
    case _IOWR('d', 0x2d, char[12]):  // DRM_IOCTL_PRIME_HANDLE_TO_FD
    case _IOWR('d', 0xc1, char[16]):  // DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD
    case _IOWR('d', 0xc1, char[24]):  // the same since Linux 6.16
      return 8;
    case _IOWR('V', 16, char[64]):  // VIDIOC_EXPBUF
      return 16;
    case _IOWR('d', 0xc6, char[24]):  // DRM_IOCTL_MODE_CREATE_LEASE
      return 20;
    case _IOWR('>', 3, char[48]):  // SYNC_IOC_MERGE
    case _IOWR('W', 0, char[40]):  // SW_SYNC_IOC_CREATE_FENCE
      return 36;
    case _IOWR(0xb4, 4, char[48]):  // GPIO_GET_LINEEVENT_IOCTL
      return 44;
    case _IOWR(0xb4, 3, char[364]):  // GPIO_GET_LINEHANDLE_IOCTL
      return 360;
    case _IOWR(0xb4, 7, char[592]):  // GPIO_V2_GET_LINE_IOCTL
      return 588;
    default:
      return kNoNumber;
  }
}

/// A request that opens. `argument` is the program's, which the kernel has written to once the call has succeeded.
template <typename Function, typename... A>
__attribute__((always_inline)) inline auto OpenedByRequest(int fd, int place, const void* argument, Function& function,
                                                           A... arguments) {
  NoteUse(function, fd);
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const auto result = function(arguments...);
  if (result < 0) {
    if (BlamesNumber(LastError())) RecordBadUse(site, {fd}, LastError());
    return result;
  }
  int opened = static_cast<int>(result);
  if (place != kInResult) __builtin_memcpy(&opened, static_cast<const char*>(argument) + place, sizeof opened);
  RecordFoundOpen(site, opened);
  return result;
}

}  // namespace fdaudit::shim
