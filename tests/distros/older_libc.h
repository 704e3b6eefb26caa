// What the tests' programs call and the libc of Debian 11 lacks: by number, as a program does there.

#pragma once

#define _GNU_SOURCE 1
#include <asm/unistd.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 __NR_openat2
#endif

#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 34)
static inline int close_range(unsigned first, unsigned last, int flags) {
  return (int)syscall(__NR_close_range, first, last, flags);
}
static inline void closefrom(int first) { close_range((unsigned)first, ~0U, 0); }
#endif
