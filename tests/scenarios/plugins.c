// Call paths through a library that is unloaded before the program ends. Arguments: case, library.
#include "scenario.h"

#include <dlfcn.h>

static void call(const char* library, const char* function) {
  void* handle = dlopen(library, RTLD_NOW);
  MUST(handle);
  void (*plugin)(void) = (void (*)(void))dlsym(handle, function);
  MUST(plugin);
  plugin();  // @call
  MUST(dlclose(handle) == 0);
}

int main(int argc, char** argv) {
  MUST(argc == 3);
  if (strcmp(argv[1], "constructor") == 0) {
    void* handle = dlopen(argv[2], RTLD_NOW);
    MUST(handle && dlclose(handle) == 0);
    return 0;
  }
  if (strcmp(argv[1], "preloaded") == 0) {
    // Its constructor runs before the shim's may.
    setenv("LD_PRELOAD", argv[2], 1);
    setenv("PLUGIN_OPENS_EARLY", "1", 1);
    execl("/bin/true", "true", (char*)NULL);
    return 1;
  }
  // Twice, perhaps at another address: one cause all the same.
  for (int i = 0; i < 2; ++i) call(argv[2], argv[1]);
  return 0;
}
