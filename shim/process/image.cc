#include "shim/process/image.h"

#include <sys/mman.h>

#include "shim/base/dynamic_linker.h"
#include "shim/base/raw_io.h"
#include "shim/base/thread.h"
#include "shim/process/descriptor_table.h"

namespace fdaudit::shim {
namespace {

/// One byte that pthread_create clears; nullptr before glibc 2.32, or before 2.34 where dlsym isn't there. By a
/// look-up, since even a weak reference carries the version that an older glibc lacks.
const char* libc_single_threaded = nullptr;

__attribute__((constructor)) void NoteSingleThreaded() {
  libc_single_threaded = static_cast<const char*>(LookUp(RTLD_DEFAULT, "__libc_single_threaded"));
}

/// The same of older ones: an int in the thread's control block (sysdeps/x86_64/nptl/tls.h, multiple_threads) that is
/// set in who makes a thread, and in the thread that is made.
bool HasSeenThreads() {
#if defined(__x86_64__)
  uint32_t multiple_threads = 1;
  asm("movl %%fs:0x18, %0" : "=r"(multiple_threads));
  return multiple_threads != 0;
#else
  return true;
#endif
}

}  // namespace

bool MakeProcessMark() {
  void* page = raw::Map(trace::kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (page == nullptr) return false;
  // Before Linux 4.14 the page is not wiped; then only the fork wrapper notices a new process.
  wiped_on_fork = raw::Advise(page, trace::kPageSize, MADV_WIPEONFORK) == 0;
  process_mark = static_cast<ProcessMark*>(page);
  return true;
}

void FallSilent() {
  is_silenced = true;
  process_mark->silent = 1;
  process_mark->image = 0;
}

void NoteReason(uint32_t image, uint32_t reason) {
  if (image != 0) Atomic(ImageOf(image)->reasons).fetch_or(reason);
}

bool NeverThreaded() {
  if (memory_is_shared) return false;
  return libc_single_threaded != nullptr ? *libc_single_threaded != 0 : !HasSeenThreads();
}

bool SingleThreaded() {
  // libc doesn't take it back in a forked child, which has begun with one thread.
  return NeverThreaded() ||
         (!memory_is_shared && began_by_fork && thread_count.image == last_image && thread_count.threads <= 1);
}

}  // namespace fdaudit::shim
