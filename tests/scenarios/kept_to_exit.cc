// What a program keeps until its end, and who closes it then: static objects' destructors, handlers, or nobody.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <list>
#include <memory>
#include <utility>
#include <vector>

static std::list<std::ifstream> streams;
static void handle() { streams.emplace_back("/etc/hostname"); }  // @stream

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }

 private:
  int fd_;
};
static std::vector<Fd> guards;
static void guard() { guards.emplace_back(open("/etc/hostname", O_RDONLY)); }  // @guard

// Is meant to live as long as the program, and lets go of what it has by itself.
class Pool {
 public:
  ~Pool() {
    for (const int fd : idle_) close(fd);
  }
  void Add() { idle_.push_back(socket(AF_UNIX, SOCK_STREAM, 0)); }

 private:
  std::vector<int> idle_;
};
static Pool pool;

struct Closer {
  void operator()(FILE* file) const { fclose(file); }
};
static std::vector<std::unique_ptr<FILE, Closer>> files;
static void keep_file() { files.emplace_back(fopen("/etc/hostname", "r")); }  // @file

// Whether it may keep them is its own business.
class Cache {
 public:
  void Load() { streams_.emplace_back("/etc/hostname"); }  // @cached

 private:
  std::list<std::ifstream> streams_;
};
static Cache cache;

struct Settings {
  std::ifstream file;
};
static Settings settings;

static FILE* log_file;
static void close_log() { fclose(log_file); }

int main(int argc, char** argv) {
  const auto is = [&](const char* name) { return argc > 1 && strcmp(argv[1], name) == 0; };
  if (is("many_streams")) {
    for (int i = 0; i < 20; ++i) handle();
  } else if (is("few_streams")) {
    for (int i = 0; i < 3; ++i) handle();
  } else if (is("cleared_streams")) {
    for (int i = 0; i < 20; ++i) handle();
    streams.clear();
  } else if (is("guards")) {
    for (int i = 0; i < 12; ++i) guard();
  } else if (is("guards_and_exit")) {
    for (int i = 0; i < 12; ++i) guard();
    std::exit(0);
  } else if (is("guards_and_leaks")) {
    for (int i = 0; i < 12; ++i) guard();
    std::_Exit(0);
  } else if (is("deleters")) {
    for (int i = 0; i < 12; ++i) keep_file();
  } else if (is("cache")) {
    for (int i = 0; i < 12; ++i) cache.Load();
  } else if (is("pool")) {
    for (int i = 0; i < 20; ++i) pool.Add();
  } else if (is("member")) {
    settings.file.open("/etc/hostname");  // @member
  } else if (is("handler")) {
    log_file = fopen("/dev/null", "w");
    atexit(close_log);
  } else if (is("locals")) {
    std::vector<std::unique_ptr<Fd>> local;
    for (int i = 0; i < 12; ++i) local.push_back(std::make_unique<Fd>(open("/etc/hostname", O_RDONLY)));
  } else {
    return 99;
  }
  return 0;
}
