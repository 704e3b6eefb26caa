# One descriptor of a kind is left open: the report says what it was.
import os
import socket
import sys


def file():
    os.open("relative.txt", os.O_CREAT | os.O_RDWR)


def deleted_file():
    os.open("gone.txt", os.O_CREAT | os.O_RDWR)
    os.unlink("gone.txt")


def directory():
    os.open("/", os.O_RDONLY)


def device():
    os.open("/dev/null", os.O_RDONLY)


def one_end_of_a_pipe():
    reader, _ = os.pipe()
    os.close(reader)


def listener():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    server.detach()


def connection():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        socket.create_connection(server.getsockname()).detach()


def unix_listener():
    server = socket.socket(socket.AF_UNIX)
    server.bind("name")
    server.listen()
    server.detach()


globals()[sys.argv[1]]()
