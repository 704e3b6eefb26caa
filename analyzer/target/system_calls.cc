#include "analyzer/target/system_calls.h"

#include <sys/syscall.h>

namespace fdaudit::analyzer {
namespace {

constexpr SystemCallInfo kCalls[] = {
    {SYS_read, "read", WaitsFor::kFirst, false},
    {SYS_readv, "readv", WaitsFor::kFirst, false},
    {SYS_pread64, "pread64", WaitsFor::kFirst, false},
    {SYS_write, "write", WaitsFor::kFirst, false},
    {SYS_writev, "writev", WaitsFor::kFirst, false},
    {SYS_pwrite64, "pwrite64", WaitsFor::kFirst, false},
    {SYS_recvfrom, "recvfrom", WaitsFor::kFirst, false},
    {SYS_recvmsg, "recvmsg", WaitsFor::kFirst, false},
    {SYS_recvmmsg, "recvmmsg", WaitsFor::kFirst, false},
    {SYS_sendto, "sendto", WaitsFor::kFirst, false},
    {SYS_sendmsg, "sendmsg", WaitsFor::kFirst, false},
    {SYS_sendmmsg, "sendmmsg", WaitsFor::kFirst, false},
    {SYS_accept, "accept", WaitsFor::kFirst, false},
    {SYS_accept4, "accept4", WaitsFor::kFirst, false},
    {SYS_connect, "connect", WaitsFor::kFirst, false},
    {SYS_epoll_wait, "epoll_wait", WaitsFor::kFirst, false},
    {SYS_epoll_pwait, "epoll_pwait", WaitsFor::kFirst, false},
    {SYS_epoll_pwait2, "epoll_pwait2", WaitsFor::kFirst, false},
    {SYS_sendfile, "sendfile", WaitsFor::kTwo, false, 1},
    {SYS_splice, "splice", WaitsFor::kTwo, false, 2},
    {SYS_tee, "tee", WaitsFor::kTwo, false, 1},
    {SYS_ioctl, "ioctl", WaitsFor::kFirst, false},
    {SYS_fcntl, "fcntl", WaitsFor::kFirst, true},
    {SYS_flock, "flock", WaitsFor::kFirst, true},
    {SYS_fsync, "fsync", WaitsFor::kFirst, false},
    {SYS_fdatasync, "fdatasync", WaitsFor::kFirst, false},
    {SYS_close, "close", WaitsFor::kFirst, false},
    {SYS_io_uring_enter, "io_uring_enter", WaitsFor::kFirst, false},
    {SYS_mq_timedreceive, "mq_timedreceive", WaitsFor::kFirst, false},
    {SYS_mq_timedsend, "mq_timedsend", WaitsFor::kFirst, false},
    {SYS_poll, "poll", WaitsFor::kPollList, false},
    {SYS_ppoll, "ppoll", WaitsFor::kPollList, true},
    {SYS_select, "select", WaitsFor::kSelectSets, true},
    {SYS_pselect6, "pselect6", WaitsFor::kSelectSets, true},
    {SYS_open, "open", WaitsFor::kNothing, true},
    {SYS_openat, "openat", WaitsFor::kNothing, true},
    {SYS_futex, "futex", WaitsFor::kNothing, true},
    {SYS_wait4, "wait4", WaitsFor::kNothing, true},
    {SYS_waitid, "waitid", WaitsFor::kNothing, true},
    {SYS_pause, "pause", WaitsFor::kNothing, true},
    {SYS_rt_sigsuspend, "rt_sigsuspend", WaitsFor::kNothing, true},
    {SYS_nanosleep, "nanosleep", WaitsFor::kNothing, false},
    {SYS_clock_nanosleep, "clock_nanosleep", WaitsFor::kNothing, false},
    {SYS_rt_sigtimedwait, "rt_sigtimedwait", WaitsFor::kNothing, false},
    {SYS_restart_syscall, "restart_syscall", WaitsFor::kNothing, false},
};

}  // namespace

const SystemCallInfo* FindSystemCall(long number) {
  for (const SystemCallInfo& call : kCalls) {
    if (call.number == number) return &call;
  }
  return nullptr;
}

}  // namespace fdaudit::analyzer
