// The rest of the table: what takes a descriptor, and is not intercepted for it. Functions, and calls of intercepted
// ones that are let pass. Rows alone (means.h): nothing here is compiled into code.

#include "shim/families/means.h"

LEFT_OUT(about, "fstat, fstat64", "asks: what the number stands for, if anything");
LEFT_OUT(terminal, "isatty, ttyname, ttyname_r, __ttyname_r_chk, tcgetattr, tcgetpgrp, tcgetsid, tcgetwinsize",
         "asks: whether it is a terminal");
LEFT_OUT(terminal_requests, "ioctl(TCGETS), ioctl(TIOCGWINSZ), ioctl(TIOCGPGRP), ioctl(TIOCGSID)",
         "asks: whether it is a terminal");
LEFT_OUT(type, "isfdtype", "asks: whether it is of a type; it keeps no error");
LEFT_OUT(flags, "fcntl(F_GETFD), fcntl(F_GETFL), fcntl(F_SETFD), ioctl(FIOCLEX), ioctl(FIONCLEX)",
         "asks: whether it is open; loops over all numbers mark what they find close-on-exec");
LEFT_OUT(copies, "dup, fcntl(F_DUPFD), fcntl(F_DUPFD_CLOEXEC)", "asks: whether it is open, where a copy is kept aside");
LEFT_OUT(onto_itself, "dup2(fd, fd)", "asks: whether it is open; it does nothing else");
LEFT_OUT(position, "lseek(fd, 0, SEEK_CUR)", "asks: whether it has a position");
LEFT_OUT(transfers, "read, write and the like of no bytes", "asks: whether it could");
LEFT_OUT(paths, "fstatat, statx and faccessat with AT_EMPTY_PATH", "asks: what the number stands for, as fstat does");
LEFT_OUT(polls, "poll that does not wait, for no events or for all numbers from 0 on", "asks: which numbers are open");
LEFT_OUT(deregistered, "epoll_ctl(EPOLL_CTL_DEL)", "asks: it is enough that nothing is watched");
LEFT_OUT(loops, "a call path over three or more consecutive numbers, some of which were never open",
         "asks: which numbers are open");

LEFT_OUT(
    requests,
    "aio_read, aio_read64, aio_write, aio_write64, aio_return, aio_return64, aio_suspend, aio_suspend64, lio_listio, "
    "lio_listio64",
    "nothing: a request fails later, which aio_error says");
LEFT_OUT(actions,
         "posix_spawn_file_actions_addclose, posix_spawn_file_actions_adddup2, posix_spawn_file_actions_addopen, "
         "posix_spawn_file_actions_addfchdir_np, posix_spawn_file_actions_addclosefrom_np, "
         "posix_spawn_file_actions_addtcsetpgrp_np",
         "nothing: kept in a list, and looked at in posix_spawn, which passes over a close of what is not open");
LEFT_OUT(backtraces, "backtrace_symbols_fd, __backtrace_symbols_fd", "nothing: returns no error");
LEFT_OUT(old_terminals, "gtty, stty", "nothing: fails in any case, with ENOSYS");

// A number that is closed under its stream is reported at that close (wrong-close), and the failing fclose or closedir
// belongs to it; so there is no need for a check in each of the calls by which a program prints a letter.
#define UNDER_A_STREAM "nothing: a stream's number is reported where it is closed under the stream (wrong-close)"

LEFT_OUT(
    stream_input,
    "fgetc, fgetc_unlocked, getc, getc_unlocked, _IO_getc, getw, ungetc, _IO_ungetc, fgets, fgets_unlocked, _IO_fgets, "
    "__fgets_chk, __fgets_unlocked_chk, fread, fread_unlocked, _IO_fread, __fread_chk, __fread_unlocked_chk, getline, "
    "getdelim, __getdelim, _IO_getline, fscanf, vfscanf, __vfscanf, _IO_vfscanf, __uflow, fgetwc, fgetwc_unlocked, "
    "getwc, getwc_unlocked, ungetwc, fgetws, fgetws_unlocked, __fgetws_chk, __fgetws_unlocked_chk, fwscanf, vfwscanf",
    UNDER_A_STREAM);
LEFT_OUT(
    stream_output,
    "fputc, fputc_unlocked, putc, putc_unlocked, _IO_putc, putw, fputs, fputs_unlocked, _IO_fputs, fwrite, "
    "fwrite_unlocked, _IO_fwrite, fprintf, _IO_fprintf, __fprintf_chk, vfprintf, _IO_vfprintf, __vfprintf_chk, fflush, "
    "fflush_unlocked, _IO_fflush, __overflow, fputwc, fputwc_unlocked, putwc, putwc_unlocked, fputws, fputws_unlocked, "
    "fwprintf, __fwprintf_chk, vfwprintf, __vfwprintf_chk, printf_size, malloc_info, argp_help, argp_state_help",
    UNDER_A_STREAM);
LEFT_OUT(stream_position,
         "fseek, fseeko, fseeko64, ftell, ftello, ftello64, rewind, fgetpos, fgetpos64, _IO_fgetpos, _IO_fgetpos64, "
         "fsetpos, "
         "fsetpos64, _IO_fsetpos, _IO_fsetpos64, _IO_ftell",
         UNDER_A_STREAM);
LEFT_OUT(stream_records,
         "fgetgrent, fgetgrent_r, fgetpwent, fgetpwent_r, fgetsgent, fgetsgent_r, fgetspent, fgetspent_r, getmntent, "
         "getmntent_r, __getmntent_r, addmntent, putgrent, putpwent, putsgent, putspent",
         UNDER_A_STREAM);
LEFT_OUT(directories, "readdir, readdir_r, readdir64, readdir64_r, rewinddir, seekdir, telldir", UNDER_A_STREAM);
LEFT_OUT(
    stream_state,
    "fileno, fileno_unlocked, dirfd, feof, feof_unlocked, _IO_feof, ferror, ferror_unlocked, _IO_ferror, clearerr, "
    "clearerr_unlocked, setbuf, setbuffer, _IO_setbuffer, setlinebuf, setvbuf, _IO_setvbuf, flockfile, _IO_flockfile, "
    "ftrylockfile, _IO_ftrylockfile, funlockfile, _IO_funlockfile, fwide, __fbufsize, __flbf, __fpending, __fpurge, "
    "__freadable, __freading, __fsetlocking, __fwritable, __fwriting",
    "nothing: looks at the stream's own memory");
