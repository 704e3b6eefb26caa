// A 32-bit program that needs no 32-bit libc: prints what the environment says of preloading, and exits with 7.
static long call(long number, long a, const void* b, long c) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c) : "memory");
  return result;
}

__attribute__((used)) void begin(char** top) {
  static const char name[] = "LD_PRELOAD=";
  for (char** entry = top + *(int*)top + 2; *entry; ++entry) {
    int same = 0, length = 0;
    while (name[same] != 0 && (*entry)[same] == name[same]) ++same;
    while ((*entry)[length] != 0) ++length;
    if (name[same] == 0) call(4, 1, *entry, length);
  }
  call(1, 7, 0, 0);
}

__asm__(".globl _start\n_start: mov %esp, %eax\n push %eax\n push %eax\n call begin\n");
