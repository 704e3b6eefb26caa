"""A test case of unittest's, and the program that runs it."""

import os
import socket
import sys
import unittest

kept = []


class Connecting(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)

    def test_socket_is_kept(self):
        kept.append(socket.create_connection(self.server.getsockname()))  # @socket

    def test_number_is_left(self):
        os.open("/dev/null", os.O_RDONLY)  # @number

    def test_all_is_closed(self):
        with socket.create_connection(self.server.getsockname()):
            pass


class Whole(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.file = open("/dev/null")

    @classmethod
    def tearDownClass(cls):
        cls.file.close()

    def test_uses_it(self):
        self.assertEqual(self.file.read(), "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
