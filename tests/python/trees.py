"""Runs random call trees and writes down the frames of every leaf, as Python itself sees them.

    trees.py SEED LEAVES DEPTH OUT

The trees are generated: functions of many shapes (plain, recursive through builtins, generators, coroutines, lambdas,
comprehensions, properties, contexts, classes, exec and eval, whose code objects are made and dropped over and over),
strewn over lines at random, called from several threads. A leaf duplicates standard input to a number of its own and
closes that; on the same line it takes its stack. OUT gets {number: [stack, …]} in the order of the calls, a stack being
[[file, qualified function, line], …], innermost first.
"""

import json
import os
import random
import sys
import threading
import traceback

# What a generated function does to go one deeper: {deeper} is the call.
SHAPES = [
    "def {name}(plan, i):\n{gap}    return {deeper}\n",
    "def {name}(plan, i):\n    result = [\n{gap}        None,\n        {deeper},\n    ]\n    return result\n",
    "{name} = lambda plan, i: (\n{gap}    {deeper})\n",
    "def {name}(plan, i):\n{gap}    return [{deeper} for _ in '1']\n",
    "def {name}(plan, i):\n{gap}    return {{id({deeper})\n        for _ in '1'}}\n",
    "def {name}(plan, i):\n    return {{k:\n{gap}        {deeper} for k in '1'}}\n",
    "def {name}(plan, i):\n    return list({deeper}\n{gap}        for _ in '1')\n",
    "def {name}(plan, i):\n    return list(map(lambda _:\n{gap}        {deeper}, '1'))\n",
    "def {name}(plan, i):\n    return sorted([1], key=lambda _: {deeper} or\n{gap}        0)\n",
    "def {name}(plan, i):\n    def inner():\n{gap}        yield {deeper}\n    for value in inner():\n        return value\n",
    "def {name}(plan, i):\n    def inner():\n{gap}        yield {deeper}\n"
    "    def outer():\n        yield from inner()\n    return list(outer())\n",
    "def {name}(plan, i):\n    async def inner():\n{gap}        return {deeper}\n"
    "    async def outer():\n        await inner()\n    try:\n        outer().send(None)\n"
    "    except StopIteration:\n        pass\n",
    "class Class_{name}:\n    def __init__(self, plan, i):\n{gap}        {deeper}\n"
    "def {name}(plan, i):\n    Class_{name}(plan, i)\n",
    "class Class_{name}:\n    def __init__(self, plan, i): self.plan, self.i = plan, i\n    @property\n"
    "    def value(self):\n{gap}        plan, i = self.plan, self.i\n        return {deeper}\n"
    "def {name}(plan, i):\n    return Class_{name}(plan, i).value\n",
    "class Class_{name}:\n    def __init__(self, plan, i): self.plan, self.i = plan, i\n"
    "    def __getitem__(self, key):\n{gap}        plan, i = self.plan, self.i\n        return {deeper}\n"
    "def {name}(plan, i):\n    return Class_{name}(plan, i)[3]\n",
    "class Class_{name}:\n    def __init__(self, plan, i): self.plan, self.i = plan, i\n"
    "    def __del__(self):\n{gap}        plan, i = self.plan, self.i\n        {deeper}\n"
    "def {name}(plan, i):\n    Class_{name}(plan, i)\n",
    "def {name}(plan, i):\n    class Body:\n{gap}        value = {deeper}\n    return Body\n",
    "@contextlib.contextmanager\ndef context_{name}(plan, i):\n{gap}    yield {deeper}\n"
    "def {name}(plan, i):\n    with context_{name}(plan, i):\n        pass\n",
    "def {name}(plan, i):\n    try:\n        raise KeyError\n    except KeyError:\n        pass\n    finally:\n"
    "{gap}        {deeper}\n",
    "@functools.lru_cache(maxsize=0)\ndef cached_{name}(plan, i):\n{gap}    return {deeper}\n"
    "def {name}(plan, i):\n    return cached_{name}(plan, i)\n",
    "def {name}(*arguments, **named):\n    cell = arguments\n    def inner():\n        plan, i = cell\n"
    "{gap}        return {deeper}\n    return functools.partial(inner)()\n",
    "def {name}(plan, i):\n    exec(chr(10) * (i % 7) + {quoted})\n",
    "def {name}(plan, i):\n    return eval(chr(10) * (i % 5) + {quoted}, globals(), dict(plan=plan, i=i))\n",
    "def {name}(plan, i):\n    code = compile('def made(plan, i):' + chr(10) * (1 + i % 9) + ' return ' + {quoted},"
    " f'<made {{i % 3}}>', 'exec')\n    names = dict(globals())\n    exec(code, names)\n    names['made'](plan, i)\n",
]
DEEPER = "FUNCTIONS[plan[i]](plan, i + 1)"


def program(rng, count):
    parts = ["import contextlib, functools\n"]
    for number in range(count):
        shape = SHAPES[number % len(SHAPES)]
        gap = "".join(rng.choice(["\n", "    # a line\n"]) for _ in range(rng.choice([0, 0, 1, 3, 40, 300])))
        parts.append("\n" * rng.randrange(4) + shape.format(name=f"f{number}", gap=gap, deeper=DEEPER, quoted=repr(DEEPER)))
    parts.append(f"FUNCTIONS = [{', '.join(f'f{n}' for n in range(count))}, leaf]\n")
    return "".join(parts)


def stack_of(frame):
    found = []
    while frame is not None:
        code = frame.f_code
        found.append([code.co_filename, getattr(code, "co_qualname", code.co_name), frame.f_lineno])
        frame = frame.f_back
    return found


def check_against_traceback(found, frame):
    summary = traceback.StackSummary.extract(traceback.walk_stack(frame), lookup_lines=False)
    theirs = [(f.filename, f.name, f.lineno) for f in summary]
    mine = [(f, q.rpartition(".")[2], n) for f, q, n in found]
    assert theirs[1:] == mine[1:], (theirs, mine)  # the innermost has gone on since


class Leaves:
    """The innermost calls of one thread, with a range of numbers of its own."""

    RANGE = 40

    def __init__(self, index):
        self.first = 100 + index * self.RANGE
        self.count = 0
        self.stacks = {}

    def take(self, _plan, _i):
        number = self.first + self.count % self.RANGE
        self.count += 1
        os.dup2(0, number); frame = sys._getframe(); found = stack_of(frame); os.close(number)  # noqa: E702
        self.stacks.setdefault(number, []).append(found)
        if self.count % 50 == 1:
            check_against_traceback(found, frame)


def main():
    seed, leaves, depth, out = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    rng = random.Random(seed)
    count = len(SHAPES) * 2
    local = threading.local()
    names = {"leaf": lambda plan, i: local.leaves.take(plan, i)}
    exec(compile(program(rng, count), f"/generated/tree{seed}.py", "exec"), names)
    sys.setrecursionlimit(20000)
    everything = {}

    def plan():
        length = rng.choice([1, 2, 5, 10, 20, depth // 4, depth // 2, depth])
        few = rng.choice([1, 2, 5, count])
        chosen = [rng.randrange(count) for _ in range(few)]
        return (*(rng.choice(chosen) for _ in range(length)), count)

    def work(index, plans):
        local.leaves = Leaves(index)
        for one in plans:
            for _ in range(rng.choice([1, 1, 2])):
                names["FUNCTIONS"][one[0]](one, 1)
        everything.update(local.leaves.stacks)

    threads = 4
    work(0, [plan() for _ in range(leaves // 2)])
    threading.stack_size(256 << 20)
    running = [threading.Thread(target=work, args=(1 + t, [plan() for _ in range(leaves // (2 * threads))]))
               for t in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    with open(out, "w", encoding="utf-8") as file:
        json.dump(everything, file)


if __name__ == "__main__":
    main()
