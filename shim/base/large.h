#pragma once

// The linker keeps tables of several pages apart from all small variables (large.ld), which a program that lives for a
// millisecond touches: each page more is a page fault for every exec'd program.

/// For tables that start as zeros.
#define FDAUDIT_LARGE __attribute__((section(".bss.large")))
/// For those that do not.
#define FDAUDIT_LARGE_FILLED __attribute__((section(".data.large")))
