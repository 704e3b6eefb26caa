"""What a Python program keeps until the interpreter's end, and who closes it then."""

import atexit
import contextlib
import logging
import os
import socket
import sys
import threading

kept = []


def read_header(path):
    kept.append(open(path))  # @kept


def files():
    for _ in range(12):
        read_header("/etc/hostname")


def one_file():
    read_header("/etc/hostname")


def sockets():
    for _ in range(9):
        kept.append(socket.socket())  # @socket


def in_an_object():
    class Session:
        def __init__(self):
            self.file = open("/etc/hostname")  # @attribute
            self.cycle = self

        def __del__(self):
            self.file.close()

    for _ in range(10):
        kept.append(Session())


def in_a_thread():
    """Nobody joins it in time, and the interpreter ends."""
    thread = threading.Thread(target=files)
    thread.start()
    thread.join()


def closed_by_handler():
    files()
    atexit.register(lambda: [file.close() for file in kept])


def closed_by_a_stack():
    stack = contextlib.ExitStack()
    for _ in range(12):
        stack.enter_context(open("/etc/hostname"))
    atexit.register(stack.close)


def logs():
    for number in range(9):
        logging.getLogger(f"log{number}").addHandler(logging.FileHandler(os.devnull))


def closed_in_time():
    files()
    for file in kept:
        file.close()


def dropped_in_time():
    files()
    kept.clear()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
