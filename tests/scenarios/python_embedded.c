// A program that loads libpython and has it run code, as gdb, uWSGI and editors do. Needs no headers of Python.
#include "scenario.h"

#include <dlfcn.h>

static void* load_python(void) {
  char name[64];
  for (int minor = 30; minor >= 9; --minor) {
    snprintf(name, sizeof name, "libpython3.%d.so.1.0", minor);
    void* library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
    if (library) return library;
  }
  fputs("there is no libpython\n", stderr);
  exit(77);
}

static void* find(void* library, const char* name) {
  void* found = dlsym(library, name);
  MUST(found);
  return found;
}

static void run_python(const char* code, int times) {
  void* library = load_python();
  void (*initialize)(int) = (void (*)(int))find(library, "Py_InitializeEx");
  int (*finalize)(void) = (int (*)(void))find(library, "Py_FinalizeEx");
  int (*run)(const char*, void*) = (int (*)(const char*, void*))find(library, "PyRun_SimpleStringFlags");
  for (int i = 0; i < times; ++i) {
    initialize(0);
    MUST(run(code, NULL) == 0);
    MUST(finalize() == 0);
  }
}

static void leaves_one(void) {
  run_python("import os\ndef left_here():\n    return os.dup(0)\nleft_here()\n", 1);
}

static void started_twice(void) {
  run_python("import os\ndef left_here():\n    return os.dup(0)\nleft_here()\n", 2);
}

static void leaves_none(void) { run_python("import os\nos.close(os.dup(0))\n", 1); }

static const struct scenario kCases[] = {
    SCENARIO(leaves_one), SCENARIO(started_twice), SCENARIO(leaves_none), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
