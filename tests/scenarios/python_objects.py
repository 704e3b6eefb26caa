"""Python objects that hold descriptors, and who closes them."""

import contextlib
import gc
import os
import socket
import sys


class Connection:
    """In a cycle, so that only the garbage collector finds it."""

    def __init__(self):
        self.itself = self
        self.socket = socket.socket()  # @cycle-opened


def collected():
    left = socket.socket()  # @left-opened
    os.close(left.fileno())  # @left-closed
    del left  # @left-collected


def collected_in_a_cycle():
    gc.disable()
    connection = Connection()
    os.close(connection.socket.fileno())  # @cycle-closed
    del connection
    gc.collect()  # @cycle-collected


def closed_by_hand():
    kept = socket.socket()  # @kept-opened
    os.close(kept.fileno())  # @kept-closed
    with contextlib.suppress(OSError):
        kept.close()  # @kept-again


def collected_once():
    for _ in range(3):
        socket.socket()


globals()[sys.argv[1]]()
