# Python programs whose findings name their own functions and lines.
import asyncio
import contextlib
import gc
import multiprocessing
import multiprocessing.connection
import os
import socket
import subprocess
import sys
import tempfile
import threading


def server_of_a_manager():
    """Its process ends in the midst of serving."""
    with multiprocessing.get_context("fork").Manager() as manager:
        shared = manager.list([1])
        shared.append(2)
        del shared


def connection_never_closed():
    """The same library opened it, but for a caller who has it."""
    listener = multiprocessing.connection.Listener()
    client = multiprocessing.connection.Client(listener.address)
    listener.accept().close()
    listener.close()
    client._handle = None  # or it would be closed where the interpreter ends


def workers_of_a_pool():
    """As many as would be growing: the pool keeps each one's sentinel, and the caller can't close it."""
    with multiprocessing.get_context("fork").Pool(9) as pool:
        pool.map(abs, range(20))
    globals()["kept"] = pool


def used_after():
    number = os.open("used.txt", os.O_RDWR | os.O_CREAT)  # @used-opened
    os.close(number)  # @used-closed
    with contextlib.suppress(OSError):
        os.write(number, b"late")  # @used-late


def dismiss(number):
    try:
        os.close(number)  # @dismiss
    except OSError:
        pass


def dismissed_twice():
    number = os.open("twice.txt", os.O_RDWR | os.O_CREAT)  # @twice-opened
    dismiss(number)
    dismiss(number)


def swept_under_files():
    files = [open(f"swept{i}.txt", "w", encoding="utf-8") for i in range(4)]  # @swept-opened
    os.closerange(files[0].fileno(), files[-1].fileno() + 1)  # @swept
    while files:
        with contextlib.suppress(OSError):
            files.pop().close()  # @swept-again


class Store:
    def __init__(self, path):
        self.number = os.open(path, os.O_RDWR | os.O_CREAT)  # @method


def left_by_method():
    Store("method.txt")


def left_by_thread():
    thread = threading.Thread(target=lambda: os.dup(0))  # @thread
    thread.start()
    thread.join()


def left_by_generator():
    def numbers():
        yield os.dup(0)  # @generator

    return list(number for number in numbers())


def left_by_coroutine():
    async def inner():
        await asyncio.sleep(0)
        return os.dup(0)  # @coroutine

    async def outer():
        return await inner()

    asyncio.run(outer())


def left_by_executed_code():
    exec(compile("\n\nimport os\ndef made():\n\n    return os.dup(0)\nmade()", "made.py", "exec"), {})


def left_by_library():
    socket.socket().detach()  # @library


def left_in_comprehension():
    return [os.dup(0) for _ in range(2)]  # @comprehension


def closed_in_comprehension():
    numbers = [os.dup(0) for _ in range(2)]  # the next line closes in the same function
    return [os.close(number) for number in numbers]


def collected():
    files = [open("collected.txt", "w", encoding="utf-8")]
    files.append(files)
    del files
    gc.collect()


def standard_library():
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    with tempfile.TemporaryDirectory() as folder, open(folder + "/x", "wb"):
        pass
    subprocess.run(["/bin/true"], stdout=subprocess.PIPE, check=True)


def deep(levels=120):
    if levels == 0:
        return os.dup(0)  # @deep
    return deep(levels - 1)


def left_in_tests():
    # As pytest does it: a test has phases, and between them none is named.
    for phase in ("setup", "call", "teardown"):
        os.environ["PYTEST_CURRENT_TEST"] = f"tests/test_a.py::test_first ({phase})"
        if phase == "call":
            os.dup(0)  # @first-test
        os.environ.pop("PYTEST_CURRENT_TEST")
    os.environ["PYTEST_CURRENT_TEST"] = "tests/test_a.py::test_second[x-1] (call)"
    if os.fork() == 0:
        os.dup(0)  # @forked-in-test
        os._exit(0)
    os.wait()
    subprocess.run([sys.executable, __file__, "left_by_generator"], check=True)
    del os.environ["PYTEST_CURRENT_TEST"]
    os.dup(0)  # @no-test


def closed_at_exit():
    class Late:
        def __init__(self):
            self.number = os.dup(0)

        def __del__(self):
            os.close(self.number)
            with contextlib.suppress(OSError):
                os.close(self.number)  # @exit-again

    globals()["_kept"] = Late()  # cleared before what it uses


globals()[sys.argv[1]]()
