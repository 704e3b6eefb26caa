// vfork, syscall, dlopen and dlsym for x86-64: what C cannot say.

#if defined(__x86_64__)

        .text

// pid_t vfork(void)
//
// The child runs on this stack until it execs or exits, and would overwrite the return address by its calls. So it is
// kept in a register while both are to return through it: rdi survives the system call (only rax, rcx and r11 do not).
// The child's mark lies in the thread's state, which the two share; what was there before waits in rsi.
        .macro  DEFINE_VFORK name, number
        .globl  \name
        .type   \name, @function
        .p2align 4
\name:
        .cfi_startproc
        endbr64
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        call    FdauditVforkMark                // eax = what this thread is to be put back to
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        movl    %eax, %esi
        movl    $\number, %edx
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rdi
        movl    $58, %eax                       // SYS_vfork
        syscall
        pushq   %rdi
        .cfi_adjust_cfa_offset 8
        .cfi_offset %rip, -8
        movq    %rax, %rdi                      // pid, 0 in the child, or -errno
        jmp     FdauditVforkReturned            // (result, mark, number) → pid or -1
        .cfi_endproc
        .size   \name, .-\name
        .endm

        DEFINE_VFORK vfork, 0
        DEFINE_VFORK __vfork, 1

// long syscall(long number, ...)
//
// vfork by number shares the stack as well. libc's syscall returns through it, to wherever the child's calls have left
// an address: the program mostly dies. It is made here as by name.
        DEFINE_VFORK FdauditVforkByNumber, 2
        .hidden FdauditVforkByNumber
        .globl  syscall
        .type   syscall, @function
        .p2align 4
syscall:
        .cfi_startproc
        endbr64
        cmpq    $58, %rdi                       // SYS_vfork
        je      FdauditVforkByNumber
        jmp     FdauditSyscall
        .cfi_endproc
        .size   syscall, .-syscall

// void* dlopen(const char*, int)
//
// The real dlopen looks at its return address for the caller's RUNPATH, $ORIGIN and namespace. A call from here would
// make every library look for its plugins as if it were the shim; so this is a jump, with all arguments as they came.
        .globl  dlopen
        .type   dlopen, @function
        .p2align 4
dlopen:
        .cfi_startproc
        endbr64
        pushq   %rdi
        .cfi_adjust_cfa_offset 8
        pushq   %rsi
        .cfi_adjust_cfa_offset 8
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        call    FdauditBeforeDlopen             // rax = the real one
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %rsi
        .cfi_adjust_cfa_offset -8
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        jmp     *%rax
        .cfi_endproc
        .size   dlopen, .-dlopen

// void* dlsym(void*, const char*), void* dlvsym(void*, const char*, const char*)
//
// RTLD_NEXT and RTLD_DEFAULT are looked up from the caller's place, which the real function takes from its return
// address: so there this is a jump, too. What a handle is asked for may be replaced, and is returned from here.
        .macro  DEFINE_LOOK_UP name, is_versioned
        .globl  \name
        .type   \name, @function
        .p2align 4
\name:
        .cfi_startproc
        endbr64
        pushq   %rdi
        .cfi_adjust_cfa_offset 8
        pushq   %rsi
        .cfi_adjust_cfa_offset 8
        pushq   %rdx
        .cfi_adjust_cfa_offset 8
        movl    $\is_versioned, %ecx
        call    FdauditLookUp                   // rax = the function to jump to, or 0, and rdx = the result
        movq    %rax, %rcx
        movq    %rdx, %rax
        popq    %rdx
        .cfi_adjust_cfa_offset -8
        popq    %rsi
        .cfi_adjust_cfa_offset -8
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        testq   %rcx, %rcx
        jnz     1f
        ret
1:      jmp     *%rcx
        .cfi_endproc
        .size   \name, .-\name
        .endm

        DEFINE_LOOK_UP dlsym, 0
        DEFINE_LOOK_UP dlvsym, 1

#endif

        .section .note.GNU-stack, "", @progbits
