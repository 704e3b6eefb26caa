// Streams that are closed twice: their memory was freed by the first close, so that libc mostly aborts in the second. And
// streams in memory that an earlier one was freed from, which are closed once.
#include "scenario.h"

#include <dirent.h>
#include <sys/resource.h>

static void without_core(void) {
  struct rlimit none = {0, 0};
  MUST(setrlimit(RLIMIT_CORE, &none) == 0);
}

static void file_twice(void) {
  without_core();
  FILE* file = fopen("/etc/hostname", "re");  // @fopen
  MUST(file != NULL);
  fclose(file);  // @fclose
  fclose(file);  // @fclose-again
}

static void standard_twice(void) {
  fclose(stdin);                // @stdin
  MUST(fclose(stdin) == EOF);  // @stdin-again
}

static void directory_twice(void) {
  without_core();
  DIR* directory = opendir("/etc");  // @opendir
  MUST(directory != NULL);
  closedir(directory);  // @closedir
  closedir(directory);  // @closedir-again
}

static void shell_twice(void) {
  without_core();
  FILE* shell = popen("true", "r");  // @popen
  MUST(shell != NULL);
  pclose(shell);  // @pclose
  pclose(shell);  // @pclose-again
}

static void in_freed_memory(void) {
  char text[64] = "some words";
  for (int i = 0; i < 50; ++i) {
    FILE* file = fopen("/etc/hostname", "re");
    MUST(file != NULL && fclose(file) == 0);
    char* made = NULL;
    size_t size = 0;
    FILE* memory = open_memstream(&made, &size);
    MUST(memory != NULL && fputs(text, memory) >= 0 && fclose(memory) == 0);
    free(made);
    memory = fmemopen(text, sizeof text, "r");
    MUST(memory != NULL && fgetc(memory) == 's' && fclose(memory) == 0);
    cookie_io_functions_t nothing = {NULL, NULL, NULL, NULL};
    memory = fopencookie(NULL, "r", nothing);
    MUST(memory != NULL && fclose(memory) == 0);
    DIR* directory = opendir("/etc");
    MUST(directory != NULL && closedir(directory) == 0);
    file = popen("true", "r");
    MUST(file != NULL && pclose(file) == 0);
  }
  fclose(stdin);
  MUST(freopen("/dev/null", "w", stderr) != NULL);
}

static const struct scenario kCases[] = {SCENARIO(file_twice),  SCENARIO(standard_twice),  SCENARIO(directory_twice),
                                         SCENARIO(shell_twice), SCENARIO(in_freed_memory), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
