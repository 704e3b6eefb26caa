#pragma once

// What a call does with a descriptor that it is given, in the words of the table of calls (docs/uses.md). Every
// function of libc that takes one has a row: INTERPOSE where it is intercepted, LEFT_OUT where nothing is to be seen at
// it.

/// Ends the row of every use that is looked at.
#define CHECKED "; a finding where the number was closed"

#define READS "reads" CHECKED
#define WRITES "writes" CHECKED
#define USES "uses" CHECKED
#define FROM_DIRECTORY "begins in a directory" CHECKED
#define WAITS "waits" CHECKED

/// A row of the table for what is not intercepted: functions, or calls of one in which it only asks ("fcntl(F_GETFD)").
/// `why` begins with "asks: " or "nothing: ".
#define LEFT_OUT(tag, names, why)                                                           \
  namespace fdaudit::shim::left_out {                                                       \
  __attribute__((section("fdaudit_means"), used)) static const char tag[] = names "\0" why  \
                                                                                  "\0"      \
                                                                                  "(none)"; \
  }
