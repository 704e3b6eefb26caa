# Python programs that work with descriptor numbers themselves.
import contextlib
import os
import sys
import threading


def careful():
    first = os.open("first.txt", os.O_RDWR | os.O_CREAT)
    second = os.open("second.txt", os.O_RDWR | os.O_CREAT)
    try:
        os.write(first, b"one")
        os.write(second, b"two")
    finally:
        for number in (first, second):
            os.close(number)


def with_context_manager():
    @contextlib.contextmanager
    def opened(path, flags):
        number = os.open(path, flags)
        try:
            yield number
        finally:
            os.close(number)

    with opened("context.txt", os.O_RDWR | os.O_CREAT) as number:
        os.write(number, b"inside")
    with open("context.txt", encoding="utf-8") as file:
        file.read()


def forgiving_close():
    def quietly(number):
        with contextlib.suppress(OSError):
            os.close(number)

    number = os.open("valid.txt", os.O_RDWR | os.O_CREAT)
    quietly(number)
    quietly(number)
    quietly(9999)
    again = os.open("another.txt", os.O_RDWR | os.O_CREAT)
    quietly(again)


def left_open():
    os.open("left.txt", os.O_RDWR | os.O_CREAT)


def pipe_to_child():
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.write(writer, b"hello")
        os.close(writer)
        os._exit(0)
    os.close(writer)
    os.read(reader, 100)
    os.close(reader)
    os.waitpid(child, 0)


def range_under_files():
    files = [open(f"file_{i}.txt", "w", encoding="utf-8") for i in range(6)]
    lowest = files[0].fileno()
    os.closerange(lowest, lowest + 4)
    files[5].close()
    files[4].close()
    for file in files[:4]:
        with contextlib.suppress(OSError):
            file.close()


def range_of_nothing():
    os.closerange(3, 200)
    os.closerange(3, 200)


def subprocesses():
    import subprocess

    for _ in range(3):
        subprocess.run(["/bin/cat", "/etc/passwd"], stdout=subprocess.DEVNULL, check=True)
        subprocess.run(["/bin/cat"], input=b"x", stdout=subprocess.PIPE, check=True)


def in_threads():
    def work():
        for _ in range(50):
            with open("/dev/null", "rb") as file:
                file.read()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def daemon():
    import ctypes

    # Orphans become this process's children, so that it can wait for the daemon's end.
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    if os.fork() > 0:
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
        os._exit(0)
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    for _ in range(3):
        with open("daemon.log", "a", encoding="utf-8") as log:
            log.write("running\n")
    os._exit(0)


globals()[sys.argv[1]]()
