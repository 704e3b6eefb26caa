"""Programs whose culprit is known, because this put it there.

A program is a cast of parties, their functions, and steps: who calls which function, one after the other, in which thread.
Backends write it down as C, C++ (parties are classes) or Python. Many programs share one source, so that a compiler runs
once for them; the program's number is the argument.

Names with nouns ("conn_open", "journal_close") or without ("f12_3"): what a judge reads off names must not be all that it
has. Everything else that varies is a knob, drawn from a seeded generator of random numbers.
"""

import dataclasses
import random

RESUME = ""  # a step: the function that has yielded in that thread goes on

NOUNS = ["conn", "client", "watcher", "session", "line", "journal", "ledger", "index", "report", "cache", "upload", "probe"]


@dataclasses.dataclass
class Function:
    name: str
    party: str
    body: list  # of statements: ("open", var), ("close", var), ("write", var), ("call", name), ("yield",) …
    elsewhere: bool = False  # in the other source file


@dataclasses.dataclass
class Program:
    number: int
    shape: str
    culprits: set = dataclasses.field(default_factory=set)  # function names; empty: the program is right
    kinds: tuple = ()
    functions: list = dataclasses.field(default_factory=list)
    steps: list = dataclasses.field(default_factory=list)  # (thread, function name)
    driver: str = "main"
    variables: set = dataclasses.field(default_factory=set)
    knobs: dict = dataclasses.field(default_factory=dict)

    def add(self, function):
        self.functions.append(function)
        for statement in function.body:
            if statement[0] not in ("call", "yield"):
                self.variables.update(statement[1:])
        return function.name


class Maker:
    """Builds one program. `self.r` decides everything that is left open."""

    def __init__(self, number, shape, seed):
        self.r = random.Random(f"{seed}/{number}/{shape}")
        self.p = Program(number, shape)
        self.named = self.r.random() < 0.7
        nouns = self.r.sample(NOUNS, 5)
        self.nouns = dict(zip(("culprit", "victim", "third", "fourth", "worker"), nouns))
        self.elsewhere = self.r.choice([set(), set(), {"culprit"}, {"victim"}])
        helper = self.r.choice(["none", "none", "close", "both", "deep"])
        self.p.knobs["helper"] = helper
        self.close_by = {"none": "close", "close": "os_close", "both": "os_close", "deep": "sys_close"}[helper]
        self.open_by = "os_open" if helper in ("both", "deep") else "open"
        self.p.driver = self.r.choice(["main", "main", "dispatch", "threads"])
        self.count = 0

    def name(self, party, verb):
        self.count += 1
        if self.named:
            name = f"{self.nouns[party]}_{verb}_{self.p.number}"
            taken = sum(f.name.startswith(name) for f in self.p.functions)
            return f"{name}_{taken}" if taken else name
        return f"f{self.p.number}_{self.count}"

    def fn(self, party, verb, *body):
        name = self.name(party, verb)
        self.p.add(Function(name, party, list(body), elsewhere=party in self.elsewhere))
        return name

    def var(self, party):
        return f"{party}_fd"

    def step(self, thread, *names):
        self.p.steps += [(thread, name) for name in names]

    def pair(self, party):
        """Functions that open and close one descriptor of a party, as they do when all is well."""
        v = self.var(party)
        style = self.r.choice(["two", "two", "one"])
        if style == "one":
            return [self.fn(party, "work", ("open", v), ("write", v), ("close", v))]
        return [self.fn(party, "begin", ("open", v)), self.fn(party, "end", ("close", v))]

    def third_lives(self, thread):
        if self.r.random() < 0.3:
            self.p.knobs["between"] = True
            self.step(thread, *self.pair("third"))

    # --- guilty

    def stale(self):
        """O1 C1 by the culprit, O0 by the victim, C0 by the culprit again, A by the victim."""
        two = self.r.random() < 0.6
        kt, vt = ("a", "b") if two else ("a", "a")
        k, v = self.var("culprit"), self.var("victim")
        style = self.r.choice(["two-functions", "one-function", "two-callers", "all-in-one", "two-paths"])
        self.p.knobs.update(threads=2 if two else 1, style=style)
        victim_open = self.fn("victim", "open", ("open", v))
        acts = self.r.choice(["close", "write", "both"])
        body = ([("write", v)] if acts != "close" else []) + ([("close", v)] if acts != "write" else [])
        victim_end = self.fn("victim", "finish", *(body or [("close", v)]))
        warm_victim, warm_culprit = self.r.choice([0, 0, 2, 5]), self.r.choice([0, 0, 3])
        victim_good = self.fn("victim", "close", ("close", v)) if acts == "write" else victim_end
        for _ in range(warm_victim):
            self.step(vt, victim_open, victim_good)
        rounds = self.r.choice([1, 1, 3])
        taken = self.r.random() < 0.25
        self.p.knobs.update(warm_victim=warm_victim, warm_culprit=warm_culprit, rounds=rounds, taken=taken, acts=acts)
        if style == "all-in-one":
            # One function holds on to its number; the victim comes in between, in another thread.
            kt, vt = "a", "b"
            self.p.driver = "threads"
            whole = self.fn("culprit", "run", ("open", k), ("close", k), ("yield",), ("close", k), ("yield",))
            first, again = [whole], []
            culprits = {whole}
        else:
            opener = self.fn("culprit", "open", ("open", k))
            if style == "two-functions":
                fail, destroy = self.fn("culprit", "fail", ("close", k)), self.fn("culprit", "destroy", ("close", k))
                culprits = {destroy}
            elif style == "two-callers":
                drop = self.fn("culprit", "drop", ("close", k))
                fail, destroy = self.fn("culprit", "error", ("call", drop)), self.fn("culprit", "free", ("call", drop))
                culprits = {destroy, drop}
            elif style == "two-paths":
                destroy = self.fn("culprit", "destroy", ("close", k))
                fail = self.fn("culprit", "fail", ("close", k))
                culprits = {destroy}
            else:
                drop = self.fn("culprit", "drop", ("close", k))
                fail = destroy = drop
                culprits = {drop, f"app_{self.p.number}"}
            for _ in range(warm_culprit):
                self.step(kt, opener, destroy)
            first, again = [opener, fail], [destroy]
            if style == "two-paths":
                retry = self.fn("culprit", "retry", ("call", destroy))
                again = [[destroy], [retry]]
        for i in range(rounds):
            self.step(kt, *first)
            if not taken:
                self.third_lives(kt)
            self.step(vt, victim_open)
            self.step(kt, *(again[i % 2] if style == "two-paths" else again))
            if style == "all-in-one":
                self.step(kt, RESUME)
            if taken and style != "all-in-one" and i + 1 == rounds:
                self.step(kt, opener, destroy)  # the number's next life, before the victim notices
            self.step(vt, victim_end)
            if style == "all-in-one":
                self.step(kt, RESUME)
        self.p.culprits = culprits | ({retry} if style == "two-paths" else set())
        self.p.kinds = ("wrong-close",)

    def twice(self):
        """A plain double close or use after close: the first close is right, and nobody comes between."""
        v = self.var("victim")
        for _ in range(self.r.choice([0, 1, 3])):
            self.step("a", *self.pair("third"))
        opener = self.fn("victim", "open", ("open", v))
        good = self.fn("victim", "close", ("close", v))
        use = self.r.random() < 0.35
        late = self.fn("victim", "flush" if use else "finish", ("write" if use else "close", v))
        for _ in range(self.r.choice([0, 0, 3])):
            self.step("a", opener, good)
        style = self.r.choice(["plain", "same", "other-thread"])
        self.p.knobs.update(style=style, use=use)
        if style == "same" and not use:
            late = good
        for _ in range(self.r.choice([1, 1, 3])):
            self.step("a", opener, good)
            self.step("b" if style == "other-thread" else "a", late)
        self.p.culprits = {late, f"app_{self.p.number}"} if late == good else {late}
        self.p.kinds = ("double-close", "use-after-close")

    def late(self):
        """Handed over to a worker, which closes it, as it should; then the producer closes or uses it once more."""
        v = self.var("victim")
        opener = self.fn("victim", "open", ("open", v))
        worker = self.fn("worker", "take", ("write", v), ("close", v))
        use = self.r.random() < 0.4
        late = self.fn("victim", "flush" if use else "cleanup", ("write" if use else "close", v))
        own = self.pair("worker") if self.r.random() < 0.5 else []
        warm = self.r.choice([1, 3, 6])
        self.p.knobs.update(warm=warm, own=bool(own), use=use)
        for _ in range(warm):
            self.step("a", opener)
            self.step("b", worker)
            if own:
                self.step("b", *own)
        for _ in range(self.r.choice([1, 2])):
            self.step("a", opener)
            self.step("b", worker)
            self.step("a", late)
        self.p.culprits = {late}
        self.p.kinds = ("double-close", "use-after-close")

    def greedy(self):
        """A function closes what it was lent; the owner's own close then fails."""
        v = self.var("victim")
        opener = self.fn("victim", "open", ("open", v))
        close = self.fn("victim", "close", ("close", v))
        lent = self.fn("culprit", "send", ("write", v))
        greedy = self.fn("culprit", "consume", ("write", v), ("close", v))
        for _ in range(self.r.choice([2, 4])):
            self.step("a", opener, lent, close)
        self.step("a", opener, greedy, close)
        self.p.culprits = {greedy}
        self.p.kinds = ("double-close", "wrong-close")

    # --- right

    def handed_over(self):
        v = self.var("victim")
        opener = self.fn("victim", "open", ("open", v))
        worker = self.fn("worker", "take", ("write", v), ("close", v))
        own = self.pair("worker") if self.r.random() < 0.5 else []
        for _ in range(self.r.choice([1, 4, 9])):
            self.step("a", opener)
            self.step("b", worker)
            if own:
                self.step("b", *own)

    def pool(self):
        k = self.var("culprit")
        acquire, release = self.fn("culprit", "acquire", ("open", k)), self.fn("culprit", "release", ("close", k))
        users = [self.fn("victim", verb, ("call", acquire), ("call", release)) for verb in ("query", "update", "remove")]
        for _ in range(self.r.choice([2, 6])):
            self.step("a", *self.r.sample(users, 2))
            self.step("b", self.r.choice(users))

    def cache(self):
        k = self.var("culprit")
        insert = self.fn("culprit", "insert", ("open", k))
        evict, clear = self.fn("culprit", "evict", ("close", k)), self.fn("culprit", "clear", ("close", k))
        reader = self.fn("victim", "lookup", ("write", k))
        for _ in range(self.r.choice([2, 5])):
            self.step("a", insert)
            self.step("b", reader, reader, evict)
            self.step("a", insert, reader, clear)

    def recycled(self):
        parties = ["culprit", "victim", "third", "fourth"]
        pairs = [self.pair(party) for party in parties]
        for _ in range(self.r.choice([3, 8])):
            for pair in self.r.sample(pairs, 3):
                self.step(self.r.choice(["a", "b"]), *pair)

    def forgetful(self):
        """Closes with a guard: the number is forgotten at its close."""
        k, v = self.var("culprit"), self.var("victim")
        opener = self.fn("culprit", "open", ("open", k))
        drop = self.fn("culprit", "drop", ("close-once", k), ("forget", k))
        error, free = self.fn("culprit", "error", ("call", drop)), self.fn("culprit", "free", ("call", drop))
        victim = [self.fn("victim", "open", ("open", v)), self.fn("victim", "close", ("write", v), ("close", v))]
        for _ in range(self.r.choice([1, 4])):
            self.step("a", opener, error)
            self.step("b", victim[0])
            self.step("a", free)
            self.step("b", victim[1])

    def replaced(self):
        """dup2 puts a new file behind an old number, and its owner closes it once."""
        k, v = self.var("culprit"), self.var("victim")
        opener = self.fn("victim", "open", ("open", v))
        rotate = self.fn("victim", "rotate", ("open", k), ("copy", k, v), ("close", k))
        close = self.fn("victim", "close", ("write", v), ("close", v))
        for _ in range(self.r.choice([1, 3])):
            self.step("a", opener, rotate, close)


GUILTY = ["stale", "stale", "stale", "twice", "late", "greedy"]
RIGHT = ["handed_over", "pool", "cache", "recycled", "forgetful", "replaced"]


def programs(count, seed):
    """Half of them are right."""
    made = []
    for number in range(count):
        shapes = GUILTY if number % 2 == 0 else RIGHT
        maker = Maker(number, shapes[number // 2 % len(shapes)], seed)
        getattr(maker, maker.p.shape)()
        maker.p.close_by, maker.p.open_by = maker.close_by, maker.open_by
        maker.p.class_names = {party: f"{noun.capitalize() if maker.named else 'K' + str(at)}{number}"
                               for at, (party, noun) in enumerate(maker.nouns.items())}
        made.append(maker.p)
    return made
