# What nobody but the collector closes in the midst of the run.
import socket
import sys


class Job:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)  # @opened


def jobs(count):
    for _ in range(count):
        Job()


def client(count, closes):
    for number in range(count):
        connection = socket.socket(socket.AF_UNIX)
        if closes(number):
            connection.close()


case = sys.argv[1]
if case == "forgotten":
    jobs(40)
elif case == "few":
    jobs(7)
elif case == "closed":
    client(40, lambda number: True)
elif case == "closed_at_times":
    client(40, lambda number: number % 2)
print("end")
