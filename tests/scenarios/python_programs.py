"""Code that does not come from a plain source file, and more than one stack or interpreter in a thread."""

import asyncio
import concurrent.futures
import multiprocessing
import os
import pty
import socket
import socketserver
import sys
import threading
import zipfile

LEAKS = "import os\n\n\ndef left_here():\n    return os.dup(0)\n\n\nleft_here()\n"


def cannot_run(why):
    print(why, file=sys.stderr)
    sys.exit(77)


def zipped():
    with zipfile.ZipFile("app.pyz", "w") as archive:
        archive.writestr("__main__.py", LEAKS)
    os.execv(sys.executable, [sys.executable, "app.pyz"])


def greenlets():
    try:
        import greenlet
    except ImportError:
        cannot_run("there are no greenlets")
    main = greenlet.getcurrent()

    def other():
        main.switch()
        os.dup(0)  # @greenlet
        main.switch()

    def deeper(levels):
        return deeper(levels - 1) if levels else second.switch()

    second = greenlet.greenlet(other)
    second.switch()
    deeper(20)
    second.switch()


def subinterpreter():
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        try:
            import _interpreters as interpreters
        except ImportError:
            cannot_run("there are no subinterpreters")
    made = interpreters.create()
    interpreters.run_string(made, LEAKS)
    interpreters.destroy(made)


def leave(_):
    return os.dup(0)  # @worker


def in_workers(method):
    context = multiprocessing.get_context(method)
    pool = context.Pool(1)
    pool.map(leave, [1])
    pool.close()
    pool.join()


def forked_workers():
    in_workers("fork")


def spawned_workers():
    in_workers("spawn")


def served_workers():
    in_workers("forkserver")


def executors():
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        list(pool.map(abs, [-1, -2]))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(abs, [-1, -2]))


def loops():
    async def talk():
        process = await asyncio.create_subprocess_exec("/bin/cat", stdin=-1, stdout=-1)
        await process.communicate(b"text")

    asyncio.run(talk())


def terminals():
    child, master = pty.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    os.close(master)


def servers():
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"x")

    with socketserver.ForkingTCPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        with socket.create_connection(server.server_address) as client:
            assert client.recv(1) == b"x"
            assert client.recv(1) == b""
        server.shutdown()
        serving.join()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
