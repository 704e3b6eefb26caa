// A crash reporter goes on writing to its report's number after the report was closed. The number is the user's
// database by now; with a quarantine it is nobody's.
#include "scenario.h"

static int report;

static void open_report(void) { report = open("report", O_CREAT | O_WRONLY, 0600); }  // @report
static void close_report(void) { close(report); }                                    // @closed
static void write_backtrace(void) { MUST(write(report, "#0\n", 3) == -1); }           // @written

int main(void) {
  open_report();
  close_report();
  int database = open("database", O_CREAT | O_RDWR, 0600);
  write_backtrace();
  MUST(lseek(database, 0, SEEK_END) == 0 && close(database) == 0);
  return 0;
}
