"""A module of tests, and the program that has pytest run them."""

import importlib.util
import os
import pathlib
import socket
import sys

HERE = pathlib.Path(__file__).resolve()


def test_number_is_left():
    os.open("/dev/null", os.O_RDONLY)  # @number


class TestConnections:
    def test_socket_is_left(self):
        socket.socket().detach()  # @socket

    def test_all_is_closed(self):
        with socket.socket():
            assert os.path.exists("/dev/null")


if __name__ == "__main__":
    if importlib.util.find_spec("pytest") is None:
        print("there is no pytest", file=sys.stderr)
        sys.exit(77)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(HERE.parent), "-o", "python_files=*.py"]
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *options, str(HERE)])
