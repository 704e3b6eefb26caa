# What nobody but the collector closes in the midst of the run.
import gc
import socket
import sys


class Job:
    def __init__(self, keeps_itself):
        self.socket = socket.socket(socket.AF_UNIX)  # @opened
        if keeps_itself:
            self.me = self


def jobs(count, keep_themselves=False):
    for _ in range(count):
        Job(keep_themselves)


def client(count, closes):
    for number in range(count):
        connection = socket.socket(socket.AF_UNIX)
        if closes(number):
            connection.close()


case = sys.argv[1]
if case == "forgotten":
    jobs(40)
elif case == "cycles":
    gc.disable()
    jobs(40, keep_themselves=True)
    gc.collect()
elif case == "few":
    jobs(7)
elif case == "closed":
    client(40, lambda number: True)
elif case == "closed_at_times":
    client(40, lambda number: number % 2)
print("end")
