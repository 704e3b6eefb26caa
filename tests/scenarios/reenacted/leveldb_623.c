// A database's files are opened without close-on-exec, and cross into whatever the program starts.
#include "scenario.h"

static int open_table(void) { return open("table", O_CREAT | O_RDWR, 0600); }  // @table

static void run_hook(void) { MUST(system("true") == 0); }

int main(void) {
  int table = open_table();
  run_hook();
  MUST(close(table) == 0);
  return 0;
}
