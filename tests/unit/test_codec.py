"""Values that travel between two real processes, there and back."""

from __future__ import annotations

import pickle
import pickletools
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from farcell_runtime import codec, reducers

# A process with a notebook's namespace. It reads (command, argument) pickles, and answers each
# with (whether it went well, result).
PROGRAM = """
import pickle, struct, sys
from farcell_runtime import codec

def read():
    (size,) = struct.unpack("<I", sys.stdin.buffer.read(4))
    return pickle.loads(sys.stdin.buffer.read(size))

def answer(*found):
    data = pickle.dumps(found)
    sys.stdout.buffer.write(struct.pack("<I", len(data)) + data)
    sys.stdout.buffer.flush()

for_python = dict(codec.home())
while True:
    command, argument = read()
    home = codec.home()
    try:
        match command:
            case "run":
                answer(True, exec(argument, home))
            case "value":
                answer(True, eval(argument, home))
            case "send":
                values = {name: home[name] for name in argument}
                sent = codec.dump(codec.to_bind(values), explicit=values.values())
                answer(True, (sent.data, [bytes(b) for b in sent.buffers], set(sent.reads)))
            case "take":
                data, buffers = argument
                home.update(codec.load(data, [bytearray(b) for b in buffers]))
                answer(True, None)
    except Exception as error:
        answer(False, f"{type(error).__name__}: {error}")
"""


class Notebook:
    """A process with a notebook's namespace."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, source: str) -> None:
        self._ask("run", textwrap.dedent(source))

    def value(self, expression: str) -> Any:
        return self._ask("value", expression)

    def send(self, to: Notebook, *names: str) -> set[str]:
        """Send the values of ``names``; the answer is the names that they read in turn."""
        data, buffers, reads = self._ask("send", names)
        to._ask("take", (data, buffers))
        return set(reads)

    def send_all(self, to: Notebook, *names: str) -> None:
        """Send the values of ``names`` with all that they read in turn, as for a cell."""
        known = self.value("set(globals()) - set(for_python)")
        wanted = set(names)
        while more := (self._ask("send", sorted(wanted))[2] & known) - wanted:
            wanted |= more
        self.send(to, *sorted(wanted))

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _ask(self, command: str, argument: object) -> Any:
        data = pickle.dumps((command, argument))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(struct.pack("<I", len(data)) + data)
        self._process.stdin.flush()
        (size,) = struct.unpack("<I", self._process.stdout.read(4))
        well, found = pickle.loads(self._process.stdout.read(size))
        if not well:
            raise RuntimeError(found)
        return found


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Notebook, Notebook]]:
    pair = Notebook(), Notebook()
    yield pair
    for notebook in pair:
        notebook.close()


@pytest.fixture
def here(pair: tuple[Notebook, Notebook]) -> Notebook:
    return pair[0]


@pytest.fixture
def there(pair: tuple[Notebook, Notebook]) -> Notebook:
    return pair[1]


# What is made here, what is asked there, and the answer.
TRAVELS: dict[str, tuple[str, str, Any]] = {
    "a function": ("def v(a: int = 1, *, k=2) -> str:\n 'doc'\n return a, k", "v(5)", (5, 2)),
    "its attributes": (
        "def v(a: int = 1, *, k=2) -> str:\n 'doc'\n return a\nv.x = 7",
        "(v.__doc__, v.__annotations__, v.__defaults__, v.__kwdefaults__, v.x, v.__name__,"
        " v.__qualname__, v.__module__)",
        ("doc", {"a": int, "return": str}, (1,), {"k": 2}, 7, "v", "v", "__main__"),
    ),
    "a lambda": ("v = lambda x, y=2: x + y", "v(1)", 3),
    "a closure": ("def make(n): return lambda x: x + n\nv = make(4)", "v(1)", 5),
    "a variable that two functions share": (
        "def make():\n n = 0\n def inc():\n  nonlocal n\n  n += 1\n def get(): return n\n"
        " return inc, get\nv = make()",
        "(v[0](), v[0](), v[1]())[2]", 2,
    ),
    "recursion by name": ("def v(n): return 1 if n < 2 else n * v(n - 1)", "v(5)", 120),
    "recursion by closure": (
        "def make():\n def fact(n): return 1 if n < 2 else n * fact(n - 1)\n return fact\n"
        "v = make()", "v(5)", 120,
    ),
    "mutual recursion by closure": (
        "def make():\n def even(n): return n == 0 or odd(n - 1)\n"
        " def odd(n): return n != 0 and even(n - 1)\n return even\nv = make()", "v(7)", False,
    ),
    "an empty cell": (
        "def make():\n def f(): return later\n if 0: later = 1\n return f\nv = make()",
        "v.__code__.co_freevars", ("later",),
    ),
    "a decorated function": (
        "import functools\ndef deco(f):\n @functools.wraps(f)\n def w(*a):\n  return f(*a), 'w'\n"
        " return w\n@deco\ndef v(x): return x", "(v(1), v.__name__, v.__wrapped__(2))",
        ((1, "w"), "v", 2),
    ),
    "a generator function": ("def v(n):\n yield from range(n)", "list(v(3))", [0, 1, 2]),
    "an async function": ("async def v(x): return x", "__import__('asyncio').run(v(3))", 3),
    "an async generator function": (
        "async def g():\n yield 1\nasync def v(): return [x async for x in g()]",
        "__import__('asyncio').run(v())", [1],
    ),
    "a context manager": (
        "import contextlib\n@contextlib.contextmanager\ndef v():\n yield 5", "v().__enter__()", 5,
    ),
    "a partial": ("import functools\nv = functools.partial(lambda a, b: a - b, b=1)", "v(3)", 2),
    "a cached function": (
        "import functools\n@functools.lru_cache(maxsize=3)\ndef v(x): return [x]",
        "(v(1) is v(1), v.cache_parameters()['maxsize'])", (True, 3),
    ),
    "a single-dispatch function": (
        "import functools\n@functools.singledispatch\ndef v(x): return 'o'\n@v.register\n"
        "def _(x: int): return 'i'", "(v(1), v('a'))", ("i", "o"),
    ),
    "a class": (
        "class v:\n 'doc'\n n = 1\n def m(self): return self.n\n @classmethod\n"
        " def c(cls): return cls.n\n @staticmethod\n def s(): return 's'",
        "(v().m(), v.c(), v.s(), v.__doc__, v.__qualname__)", (1, 1, "s", "doc", "v"),
    ),
    "super": (
        "class A:\n def m(self): return [1]\nclass v(A):\n def m(self): return super().m() + [2]",
        "v().m()", [1, 2],
    ),
    "__class__": ("class v:\n def m(self): return __class__.__name__", "v().m()", "v"),
    "properties": (
        "class A:\n @property\n def p(self): return self._p\n @p.setter\n"
        " def p(self, x): self._p = x + 1\nv = A(); v.p = 3", "(v.p, setattr(v, 'p', 9), v.p)[2]",
        10,
    ),
    "a cached property": (
        "import functools\nclass v:\n @functools.cached_property\n def p(self): return [5]",
        "(lambda i: (i.p, i.p is i.p))(v())", ([5], True),
    ),
    "slots": ("class A: __slots__ = 'a', 'b'\nv = A(); v.a = 1", "(v.a, hasattr(v, 'b'))",
              (1, False)),
    "a metaclass": (
        "class M(type):\n def __new__(m, n, b, d, **k):\n  c = super().__new__(m, n, b, d)\n"
        "  c.k = k\n  return c\n def __init__(c, n, b, d, **k): super().__init__(n, b, d)\n"
        "class v(metaclass=M, a=1): pass", "v.k", {"a": 1},
    ),
    "__init_subclass__": (
        "class Registry:\n subs = []\n def __init_subclass__(cls, **k):\n"
        "  Registry.subs.append(cls)\nclass V(Registry): pass\nv = V()",
        "type(v).__name__", "V",
    ),
    "__set_name__": (
        "class D:\n def __set_name__(s, o, n): s.n = n\n def __get__(s, o, t): return s.n\n"
        "class v:\n x = D()", "v.x", "x",
    ),
    "an abstract class": (
        "import abc\nclass A(abc.ABC):\n @abc.abstractmethod\n def f(self): ...\n"
        "class v(A):\n def f(self): return super().f(), 1", "v().f()", (None, 1),
    ),
    "an enum": (
        "import enum\nclass E(enum.Enum):\n A = 1\n B = 2\nv = E.A",
        "(v is type(v).A, type(v)(2).name, v is type(v)['A'])", (True, "B", True),
    ),
    "a flag": ("import enum\nclass F(enum.Flag):\n A = 1\n B = 2\nv = F.A | F.B", "v.value", 3),
    "a dataclass": (
        "import dataclasses as d\n@d.dataclass(order=True)\nclass v:\n a: int\n"
        " b: list = d.field(default_factory=list)",
        "(v(1).b is not v(1).b, v(1) < v(2), __import__('dataclasses').asdict(v(1)))",
        (True, True, {"a": 1, "b": []}),
    ),
    "a subclass of a dataclass, made there": (
        "import dataclasses as d\n@d.dataclass\nclass v:\n a: int",
        "__import__('dataclasses').make_dataclass('w', ['c'], bases=(v,))(1, 2).c", 2,
    ),
    "a frozen dataclass": (
        "import dataclasses as d\n@d.dataclass(frozen=True, slots=True)\nclass A:\n a: int\n"
        "v = {A(1): 'x'}", "v[type(next(iter(v)))(1)]", "x",
    ),
    "a named tuple": (
        "from typing import NamedTuple\nclass P(NamedTuple):\n x: int\n y: int = 2\nv = P(1)",
        "(v.y, v._replace(x=3).x, v == (1, 2))", (2, 3, True),
    ),
    "a named tuple of collections": (
        "import collections\nP = collections.namedtuple('P', 'x y')\nv = P(1, 2)", "v.y", 2,
    ),
    "a generic class": (
        "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass v(Generic[T]):\n"
        " def f(self) -> T: return 1", "v[int]().f()", 1,
    ),
    "a typed dict": ("from typing import TypedDict\nclass v(TypedDict):\n a: int", "v(a=1)",
                     {"a": 1}),
    "an inner class": ("class A:\n class B:\n  n = 3\nv = A.B()", "(v.n, type(v).__qualname__)",
                       (3, "A.B")),
    "an exception class": (
        "class v(ValueError):\n def __init__(self, a, b): super().__init__(f'{a}{b}')",
        "str(v(1, 2))", "12",
    ),
    "a hash that reads a global": (
        "def salted(x): return hash((x, SALT))\nSALT = 5\nclass K:\n"
        " def __init__(self, x): self.x = x\n def __hash__(self): return salted(self.x)\n"
        " def __eq__(self, o): return self.x == o.x\nv = {K(1): 2}", "list(v.values())", [2],
    ),
    "a cycle": ("v = [1]\nv.append(v)", "v[1] is v", True),
    "a module": ("import os.path as v", "v.join('a', 'b')", "a/b"),
    "a builtin": ("v = [len, int, print, 'a'.upper]", "v[3]()", "A"),
    "containers": (
        "from collections import Counter, defaultdict, deque\n"
        "v = Counter('aab'), defaultdict(lambda: 5, a=1), deque([1], 3)",
        "(v[0]['a'], v[1]['x'], v[2].maxlen)", (2, 5, 3),
    ),
    "weak dictionaries": (
        "import weakref\nclass A: pass\na = A()\nv = a, weakref.WeakKeyDictionary({a: 1})",
        "v[1][v[0]]", 1,
    ),
    "an array": ("import numpy as np\nv = np.arange(3)", "(v.__setitem__(0, 9), v.tolist())[1]",
                 [9, 1, 2]),
    "a read-only array": ("import numpy as np\nv = np.arange(3)\nv.flags.writeable = False",
                          "v.flags.writeable", False),
    "a strided array": ("import numpy as np\nv = np.arange(6).reshape(2, 3).T[::2]",
                        "v.tolist()", [[0, 3], [2, 5]]),
    "an empty array": ("import numpy as np\nv = np.zeros((0, 3))", "v.shape", (0, 3)),
    "a view stays a view": (
        "import numpy as np\nx = np.arange(3)\nv = [x, x]",
        "(v[0].__setitem__(0, 9), v[1].tolist())[1]", [9, 1, 2],
    ),
    "an array of objects": ("import numpy as np\nv = np.array([{}, None])", "v.tolist()",
                            [{}, None]),
    "a frame": (
        "import pandas as pd\nv = pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})",
        "(v.__setitem__('a', 3), v.to_dict('list'))[1]", {"a": [3, 3], "b": ["x", "y"]},
    ),
    "a categorical": (
        "import pandas as pd\nv = pd.Series(['x', 'y'], dtype='category')",
        "list(v.cat.categories)", ["x", "y"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TRAVELS.values(), ids=TRAVELS)
def test_travels(here: Notebook, there: Notebook, case: tuple[str, str, Any]) -> None:
    source, expression, expected = case
    for package in ("numpy", "pandas"):
        if package in source:
            pytest.importorskip(package)
    here.run(source)
    here.send_all(there, "v")
    assert there.value(expression) == expected


def test_what_a_class_does_while_it_arrives_finds_the_names_it_needs(
    here: Notebook, there: Notebook
) -> None:
    here.run("""
        LIMIT = 3
        def register(cls): seen.append(cls.__name__)
        seen = []
        class ZBase:
            def __init_subclass__(cls): (ZBase, register(cls), LIMIT)
        class ASub(ZBase): pass
        an_instance = ASub()
    """)
    here.send_all(there, "an_instance", "ASub")
    assert there.value("type(an_instance) is ASub and issubclass(ASub, ZBase)")


def test_a_function_sees_the_names_of_where_it_goes(here: Notebook, there: Notebook) -> None:
    here.run("k = 1\ndef reads_k(): return k\ndef sets_k(): global k; k = 5")
    there.run("k = 2")
    assert {"k"} <= here.send(there, "reads_k", "sets_k")
    assert there.value("reads_k()") == 2
    there.run("sets_k()")
    assert there.value("k") == 5


def test_only_the_names_that_are_looked_up_are_read(here: Notebook, there: Notebook) -> None:
    here.run("def f(m): return m.attribute + k")
    assert here.send(there, "f") == {"k"}


def test_what_shares_a_part_goes_on_sharing_it(here: Notebook, there: Notebook) -> None:
    here.run("part = [1]\nholder = {'part': part}\nalias = part")
    here.send(there, "part", "holder", "alias")
    assert there.value("holder['part'] is part and alias is part")


def test_a_class_is_one_class_in_both_processes(here: Notebook, there: Notebook) -> None:
    here.run("class C: pass\none = C()")
    here.send(there, "C", "one")
    there.run("two = C()")
    there.send(here, "one", "two")
    assert here.value("type(one) is C and type(two) is C and isinstance(two, C)")
    here.send(there, "one")
    assert there.value("type(one) is C")
    there.run("class D(C): pass\nthree = D()")
    there.send(here, "three")
    assert here.value("isinstance(three, C)")


def test_an_instance_leaves_the_attributes_of_its_class_alone(
    here: Notebook, there: Notebook
) -> None:
    here.run("class S: setting = 1\ns = S()")
    here.send(there, "S", "s")
    there.run("S.setting = 2")
    here.send(there, "s")
    assert there.value("(S.setting, s.setting)") == (2, 2)


def test_the_class_itself_brings_its_attributes(here: Notebook, there: Notebook) -> None:
    here.run("class T: a = b = 1\nt = T()")
    here.send(there, "T", "t")
    here.run("T.a = 2\nT.m = lambda self: self.a\ndel T.b")
    here.send(there, "T")
    assert there.value("(T.a, t.m(), hasattr(T, 'b'))") == (2, 2, False)


def test_a_class_defined_anew_is_another(here: Notebook, there: Notebook) -> None:
    here.run("class R: v = 1\nold = R()")
    here.send(there, "R", "old")
    here.run("class R: v = 2")
    here.send(there, "R")
    assert there.value("(old.v, R.v, type(old) is R)") == (1, 2, False)


def test_the_source_of_a_cell_goes_with_its_functions(here: Notebook, there: Notebook) -> None:
    here.run("""
        import linecache
        source = "def failing():\\n    return 1 / 0\\n"
        linecache.cache["<cell 7>"] = len(source), None, source.splitlines(True), "<cell 7>"
        from farcell_runtime import codec as codec_
        codec_.cell_numbers["<cell 7>"] = 7
        exec(compile(source, "<cell 7>", "exec"), globals())
    """)
    here.send(there, "failing")
    there.run("import inspect, linecache\nfrom farcell_runtime import codec as codec_")
    assert there.value("linecache.getline('<cell 7>', 2)") == "    return 1 / 0\n"
    assert there.value("inspect.getsource(failing)").startswith("def failing")
    assert there.value("codec_.cell_numbers['<cell 7>']") == 7


# ---- what can't travel ---------------------------------------------------------------------------

LOCK = "import threading\nlock = threading.Lock()\n"
REFUSED = {
    "itself": ("v = lock", ""),
    "an item": ("v = [1, {'a': (2, lock)}]", "[1]['a'][1]"),
    "an attribute": ("class A: pass\nv = A(); v.x = [lock]", ".x[0]"),
    "a slot": ("class A: __slots__ = 'x'\nv = A(); v.x = lock", ".x"),
    "a closure": ("def make(x): return lambda: x\nv = make([lock])", " → closure 'x'[0]"),
    "a default value": ("def v(x=lock): pass", " → default value"),
    "a keyword's default": ("def v(*, x=lock): pass", " → default 'x'"),
    "a function's attribute": ("def v(): pass\nv.x = lock", ".x"),
    "a class's attribute": ("class v:\n x = {'k': lock}", ".x['k']"),
    "an instance's class": ("class A:\n x = lock\nv = [A()]", "[0] → argument.x"),
    "a partial's argument": ("import functools\nv = functools.partial(print, 1, lock)",
                             " → argument 1"),
    "a method's instance": ("class A:\n def m(self): pass\na = A(); a.x = lock; v = a.m",
                            ".__self__.x"),
    "a subclass of dict": ("class D(dict): pass\nv = D(a=lock)", "['a']"),
    "state": (
        "class A:\n def __getstate__(self): return {'y': __import__('threading').Lock()}\nv = A()",
        ".y",
    ),
    "a generator": ("v = [x for x in range(3)], (x for x in range(3))", "[1]"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_the_way_to_what_can_not_be_pickled(case: tuple[str, str]) -> None:
    source, path = case
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(LOCK + source, namespace)
    with pytest.raises(codec.CannotPickle) as refused:
        codec.dump(namespace["v"])
    assert refused.value.path == path
    assert "lock" in refused.value.why or "generator" in refused.value.why


def test_a_frame_whose_cell_can_not_be_pickled() -> None:
    pandas = pytest.importorskip("pandas")
    namespace: dict[str, Any] = {}
    exec(LOCK, namespace)
    frame = pandas.DataFrame({"x": [1], "y": [namespace["lock"]]})
    with pytest.raises(codec.CannotPickle, match="lock"):
        codec.dump({"df": frame})


class Hostile:
    def __reduce__(self) -> Any:
        raise ZeroDivisionError("on purpose")


def test_whatever_pickling_raises_is_told() -> None:
    with pytest.raises(codec.CannotPickle) as refused:
        codec.dump({"a": [Hostile()]})
    assert refused.value.path == "['a'][0]"
    assert "ZeroDivisionError: on purpose" in refused.value.why


def test_deep_nesting_is_refused_not_fatal() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(codec.CannotPickle):
        codec.dump(deep)


# ---- buffers -------------------------------------------------------------------------------------


def test_large_buffers_stay_out_of_band() -> None:
    np = pytest.importorskip("numpy")
    array = np.zeros(1 << 20)
    pickled = codec.dump({"a": array})
    assert len(pickled.data) < 1000
    [buffer] = pickled.buffers
    assert memoryview(buffer).nbytes == array.nbytes
    assert pickled.size_bytes == len(pickled.data) + array.nbytes


@pytest.fixture(params=[0, 4096], ids=["out of band", "in band"])
def in_band_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Up to which size arrays travel within the pickle."""
    monkeypatch.setattr(reducers, "_SMALL_ARRAY_BYTES", request.param)
    return int(request.param)


@pytest.mark.parametrize(
    "expression",
    [
        "np.arange(5)", "np.float32(3) * np.ones((2, 0, 3))", "np.array(7)", "np.ones(512)",
        "np.array([True, False])", "np.arange(4, dtype='>i2')", "np.array([1j])",
    ],
)  # fmt: skip
def test_a_small_array_travels_within_the_pickle(expression: str) -> None:
    np = pytest.importorskip("numpy")
    sent = eval(expression, {"np": np})
    pickled = codec.dump({"a": sent, "again": sent, "other": [sent.copy()]})
    assert not pickled.buffers
    for _ in range(2):
        loaded = codec.load(pickled.data)
        assert loaded["a"].dtype == sent.dtype
        assert loaded["a"].shape == sent.shape
        assert np.array_equal(loaded["a"], sent)
        assert loaded["a"] is loaded["again"]
        loaded["a"][...] = 0
        assert np.array_equal(loaded["other"][0], sent)
        assert codec.dump(codec.load(pickled.data)).data == pickled.data


@pytest.mark.parametrize(
    "expression",
    [
        "np.ones(513)", "np.ones((3, 3), order='F')", "np.arange(6)[::2]",
        "np.array(['2026-01-01'], 'M8[D]')", "np.array([(1, 2.0)], 'i4,f8')",
        "np.array(['a', [1]], object)", "np.ma.masked_array([1, 2], [0, 1])",
        "np.broadcast_to(np.ones(1), 4)",
    ],
)  # fmt: skip
def test_another_array_travels_as_numpy_has_it(expression: str) -> None:
    np = pytest.importorskip("numpy")
    sent = eval(expression, {"np": np})
    pickled = codec.dump(sent)
    loaded = codec.load(pickled.data, [bytearray(buffer) for buffer in pickled.buffers])
    assert type(loaded) is type(sent)
    assert loaded.dtype == sent.dtype
    assert loaded.tolist() == sent.tolist()
    assert loaded.flags.f_contiguous == sent.flags.f_contiguous or not sent.flags.forc


def test_a_small_array_that_may_not_be_written() -> None:
    np = pytest.importorskip("numpy")
    sent = np.arange(3)
    sent.flags.writeable = False
    pickled = codec.dump(sent)
    assert not codec.load(pickled.data, pickled.buffers).flags.writeable


def test_an_array_over_a_writable_buffer_is_written_in_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    np = pytest.importorskip("numpy")
    monkeypatch.setattr(reducers, "_SMALL_ARRAY_BYTES", 0)
    pickled = codec.dump(np.zeros(3, dtype="u1"))
    memory = bytearray(pickled.buffers[0])
    array = codec.load(pickled.data, [memory])
    array[1] = 7
    assert memory == b"\0\7\0"


def _memory_bytes(pickled: codec.Pickled, in_band_bytes: int) -> int:
    """How many bytes of arrays there are in a pickle, or behind it."""
    if not in_band_bytes:
        return sum(memoryview(buffer).nbytes for buffer in pickled.buffers)
    assert not pickled.buffers
    return sum(
        len(argument)
        for opcode, argument, _ in pickletools.genops(bytes(pickled.data))
        if opcode.name == "BYTEARRAY8"
    )


VIEWS = {
    "a slice": "base[1:3]",
    "a step": "base[::2]",
    "backwards": "base[::-1]",
    "two dimensions": "base.reshape(3, 4)[1:, 1:3].T",
    "another type": "base.view('u4')[3:]",
    "a slice of a slice": "base[2:][2:4]",
    "all of it": "base[:]",
    "one number": "base[3:4].reshape(())",
}


@pytest.mark.parametrize("expression", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("rounds", [1, 2])
def test_a_view_of_an_array_that_goes_along_stays_one(
    expression: str, rounds: int, in_band_bytes: int
) -> None:
    np = pytest.importorskip("numpy")
    base = np.arange(12, dtype="i8")
    values = {"view": eval(expression, {"base": base}), "base": base, "held": [base[5:]]}
    sent = {name: np.array(values[name]) for name in ("view", "base")}
    for _ in range(rounds):
        pickled = codec.dump(values, explicit=values.values())
        assert _memory_bytes(pickled, in_band_bytes) == base.nbytes
        values = codec.load(pickled.data, [bytearray(buffer) for buffer in pickled.buffers])
    for name, array in sent.items():
        assert np.array_equal(values[name], array)
        assert values[name].dtype == array.dtype
    values["base"][...] = 7
    assert np.array_equal(values["held"][0], [7] * 7)
    assert set(values["view"].flat) <= {7, 0}  # the halves of a number, for another type
    values["view"][...] = 3
    assert 3 in values["base"] or (3 << 32) + 3 in values["base"] or 3 << 32 in values["base"]


@pytest.mark.parametrize(
    ("values", "size_bytes"),
    [
        ("{'view': base[2:4]}", 16),
        ("{'view': base[2:4], 'copy': base.copy()}", 16 + 96),
        ("{'view': base[:2], 'other': base[1:3]}", 32),
        ("{'view': base[2:4], 'gaps': base[::2]}", 16),
        ("{'view': base[:0], 'base': base}", 96),
    ],
)
def test_other_views_are_arrays_of_their_own(
    values: str, size_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    np = pytest.importorskip("numpy")
    monkeypatch.setattr(reducers, "_SMALL_ARRAY_BYTES", 0)
    sent = eval(values, {"base": np.arange(12, dtype="i8")})
    pickled = codec.dump(sent, explicit=sent.values())
    assert sum(len(buffer) for buffer in pickled.buffers) == size_bytes
    loaded = codec.load(pickled.data, [bytearray(buffer) for buffer in pickled.buffers])
    assert all(np.array_equal(loaded[name], sent[name]) for name in sent)


@pytest.mark.usefixtures("in_band_bytes")
def test_a_view_that_may_not_be_written() -> None:
    np = pytest.importorskip("numpy")
    base = np.arange(12)
    view = base[1:]
    view.flags.writeable = False
    pickled = codec.dump([base, view], explicit=[base, view])
    base, view = codec.load(pickled.data, [bytearray(buffer) for buffer in pickled.buffers])
    assert base.flags.writeable
    assert not view.flags.writeable
    base[1] = 9
    assert view[0] == 9


def test_in_one_piece() -> None:
    np = pytest.importorskip("numpy")
    array = codec.load(codec.dump_whole(np.arange(3)))
    array[0] = 5
    assert array.tolist() == [5, 1, 2]
    with pytest.raises(codec.CannotPickle, match="generator"):
        codec.dump_whole(x for x in [1])
