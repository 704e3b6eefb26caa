// What call paths look like: inlined functions, demangled names, virtual and template functions, callbacks.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace storage {

struct Source {
  virtual ~Source() = default;
  virtual int Open(const std::string& path) = 0;
};

struct FileSource : Source {
  int Open(const std::string& path) override {
    int fd = open(path.c_str(), O_RDONLY);  // @virtual
    asm volatile("");                       // no tail call
    return fd;
  }
};

template <typename Flag>
__attribute__((noinline)) int OpenWith(Flag flag) {
  int fd = open("/dev/null", flag);  // @template
  asm volatile("");
  return fd;
}

}  // namespace storage

static inline __attribute__((always_inline)) int Inner() {
  return open("/dev/null", O_RDONLY);  // @inlined
}
static inline __attribute__((always_inline)) int Middle() {
  return Inner() + 1;  // @inlined-middle
}
extern "C" __attribute__((noinline)) int outer() { return Middle() + 1; }

extern "C" int compare(const void* a, const void* b) {
  static bool once = (open("/dev/null", O_RDONLY), true);  // @callback
  return once ? *static_cast<const int*>(a) - *static_cast<const int*>(b) : 0;
}

extern "C" __attribute__((noinline)) int deep(int depth) {
  int fd = depth == 0 ? open("/dev/null", O_RDONLY) : deep(depth - 1);  // @deep
  asm volatile("" : "+r"(fd));
  return fd;
}

struct OpensInDestructor {
  ~OpensInDestructor() { leaked = open("/dev/null", O_RDONLY); }  // @unwinding
  int leaked = -1;
};

extern "C" __attribute__((noinline)) void thrower() {
  OpensInDestructor opens;
  throw std::runtime_error("on purpose");
}

int main(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "";
  if (wanted == "virtual_function") {
    storage::FileSource file;
    storage::Source* volatile source = &file;
    return source->Open("/dev/null") < 0;
  }
  if (wanted == "template_function") return storage::OpenWith<int>(O_RDONLY) < 0;
  if (wanted == "inlined") return outer() < 0;
  if (wanted == "callback") {
    int numbers[] = {3, 1, 2};
    qsort(numbers, 3, sizeof(int), compare);
    return 0;
  }
  if (wanted == "deep") return deep(100) < 0;
  if (wanted == "lambda") {
    auto opener = [](const char* path) { return open(path, O_RDONLY); };  // @lambda
    return opener("/dev/null") < 0;
  }
  if (wanted == "exception") {
    try {
      thrower();
    } catch (const std::exception&) {
      return 0;
    }
  }
  return 99;
}
