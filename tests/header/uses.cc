// The C++ side of fdaudit.h. Prints "done" with the shim and without.
#include <fcntl.h>

#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "fdaudit.h"

namespace {

void Check(bool is_so, int line) {
  if (is_so) return;
  std::printf("line %d\n", line);
  std::exit(1);
}

fdaudit::unique_fd Open() { return fdaudit::unique_fd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

void careless(const fdaudit::unique_fd& fd) { close(fd.get()); }

}  // namespace

int main() {
  std::vector<fdaudit::unique_fd> many;
  for (int i = 0; i < 20; ++i) many.push_back(Open());  // grows, and moves them
  const int last = many.back().get();
  Check(IsOpen(last), __LINE__);
  many.clear();
  Check(!IsOpen(last), __LINE__);

  fdaudit::unique_fd one = Open();
  fdaudit::unique_fd other = std::move(one);
  Check(!one && other && IsOpen(other.get()), __LINE__);  // NOLINT(bugprone-use-after-move): what is left is nothing
  one = std::move(other);
  fdaudit::unique_fd& same = one;
  one = std::move(same);
  Check(one && !other && IsOpen(one.get()), __LINE__);  // NOLINT(bugprone-use-after-move)
  const int released = one.release();
  Check(IsOpen(released) && close(released) == 0, __LINE__);
  one.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
  errno = EDOM;
  one.reset();
  Check(errno == EDOM, __LINE__);
  {
    fdaudit::checkpoint test("the test");
    fdaudit::unique_fd victim = Open();
    careless(victim);
  }
  std::puts("done");
}
