"""One namespace, whichever process a cell runs in: the same cells give the same everywhere.

Real kernels and workers. Each list of cells runs twice: in a notebook with farcell, where cells
marked ``R`` run on a gang and ``2`` on another, and in one without, where all run at home.
"""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.page import Cell, Page, remote

Script = list[tuple[str, str]]  # where each cell runs ("L", "R" or "2"), and its code


@pytest.fixture(scope="module")
def pages() -> Iterator[tuple[Page, Page]]:
    with tempfile.TemporaryDirectory() as folder:
        page, home = Page(Path(folder)), Page(Path(folder))
        try:
            page.load()
            yield page, home
        finally:
            page.close()
            home.close()


def shown(cell: Cell) -> tuple[str, str, str]:
    """What a cell gave, without what differs from process to process."""
    result = re.sub(r"0x[0-9a-f]+", "0x", cell.result or "")
    message = (cell.message or "").partition("\n")[0]
    return cell.error or "", result, message


def differs(pages: tuple[Page, Page], script: Script) -> str:
    """What a script gives otherwise with farcell than at home; empty if nothing."""
    page, home = pages
    for done, (where, code) in enumerate(script, 1):
        flags = "--on two" if where == "2" else ""
        found = page.run(code if where == "L" else remote(code, flags))
        if found.error == "CaptureError":
            return ""
        expected = home.run(code)
        if shown(found) != shown(expected):
            told = "\n".join(f"{place}: {text}" for place, text in script[:done])
            return f"\n{told}\nfarcell: {shown(found)}\nat home: {shown(expected)}"
    return ""


SCRIPTS: dict[str, Script] = {
    "an old value again": [
        ("L", "x = 1"), ("R", "x"), ("R", "x = 2"), ("L", "x = 1"), ("R", "x"),
    ],
    "a deleted name again": [
        ("L", "x = 'a'"), ("R", "x"), ("L", "del x"), ("R", "0"), ("L", "x = 'a'"), ("R", "x"),
    ],
    "deleted there, and again": [
        ("L", "x = 'a'"), ("R", "del x"), ("L", "x = 'a'"), ("R", "x"), ("L", "x"),
    ],
    "bound and deleted in one cell": [
        ("R", "d = 1"), ("L", "try: 1 / 0\nexcept Exception as d: pass"), ("R", "d"),
    ],
    "deleted twice": [
        ("L", "x = [1]"), ("R", "x"), ("L", "del x"), ("L", "x = [2]"), ("L", "del x"), ("R", "x"),
    ],
    "a part of a container": [
        ("L", "cfg = {'df': [1]}; df = cfg['df']"), ("R", "cfg['df'].append(2)"), ("L", "df, cfg"),
        ("L", "df.append(3)"), ("R", "cfg"), ("L", "cfg['df'] is df"),
    ],
    "a value put into another there": [
        ("L", "a = [1]; b = [2]"), ("R", "a.append(b)"), ("L", "a[1] is b"),
    ],
    "a bound method": [
        ("L", "xs = [1]; push = xs.append"), ("R", "push(2)"), ("L", "xs"), ("L", "push(3)"),
        ("L", "xs"), ("R", "xs"),
    ],
    "a variable of two closures": [
        ("L", "def make():\n    c = 0\n    def inc():\n        nonlocal c\n        c += 1\n"
              "        return c\n    def get(): return c\n    return inc, get\ninc, get = make()"),
        ("R", "inc()"), ("L", "get()"), ("L", "inc()"), ("R", "get()"), ("2", "inc(), get()"),
    ],
    "an attribute of a class": [
        ("L", "class A:\n    n = 0\n    def up(self): type(self).n += 1\na = A()"),
        ("R", "a.up()"), ("L", "A.n"), ("L", "a.up()"), ("R", "A.n, a.n"), ("R", "del A.n"),
        ("L", "hasattr(A, 'n')"),
    ],
    "a function in a list reads a name that changes": [
        ("L", "k = 1\ndef f(v): return v * k\nsteps = [f]"), ("R", "steps[0](1)"), ("L", "k = 5"),
        ("R", "steps[0](1)"), ("R", "k = 6\nothers = {'f': f}"), ("L", "k = 7"),
        ("R", "others['f'](1)"), ("L", "others['f'](1)"),
    ],
    "a default value that is shared": [
        ("R", "c = [1]\ndef g(q=c):\n    q.append(2)\n    return q"), ("L", "g()"), ("L", "c"),
        ("2", "g(), c"),
    ],
    "names in strings": [
        ("L", "k = 3\ns = 'k'"), ("R", "eval(s)"), ("R", "eval('k + 1')"), ("R", "globals()['k']"),
        ("R", "'k' in globals(), 'no' in globals()"), ("R", "exec('m = k')\nm"), ("L", "m"),
    ],
    "names in magics": [
        ("L", "k = 3"), ("R", "%time m = k"), ("L", "m"), ("R", "there = !echo {k} $m\nthere[0]"),
        ("R", "%%capture out\nprint(k)"), ("L", "out.stdout"),
    ],
    "names that functions bind": [
        ("L", "def f():\n    global made\n    made = 3"), ("R", "f()"), ("L", "made"),
        ("L", "del made"), ("R", "made"),
    ],
    "names of a star import": [
        ("R", "from math import *"), ("L", "cos(0)"), ("2", "sin(0)"), ("L", "del cos"),
        ("R", "cos"),
    ],
    "names in class bodies and comprehensions": [
        ("L", "lr = 0.5\nxs = [1, 2]"),
        ("R", "class M:\n    lr = 1\n    ys = [lr for _ in xs]\n    def f(self): return lr\n"
              "M.ys, M().f()"),
        ("R", "def f():\n    [lr for lr in xs]\n    return lr\nf()"),
        ("R", "def f(f=xs): return f\nf()"),
    ],
    "bound on one path": [
        ("L", "x = 1; c = False"), ("R", "if c: x = 2\nx"),
        ("R", "import contextlib\nwith contextlib.suppress(ZeroDivisionError):\n    1 / 0\n"
              "    x = 3\nx"),
        ("R", "for x in []: pass\nx"), ("R", "c and (x := 4); x"),
    ],
    "a view of an array": [
        ("L", "import numpy as np\nbase = np.zeros(4); view = base[1:]"), ("R", "view[0] = 9"),
        ("L", "base, view"), ("L", "base[1] = 5"), ("R", "view"),
    ],
    "touched there where it is old": [
        ("R", "d = [3]"), ("L", "d = [77]"), ("R", "d = nowhere + 1"), ("L", "d"), ("R", "d"),
        ("2", "e = [1]"), ("L", "e"), ("R", "e = [2]"), ("2", "e = nowhere"), ("L", "e"),
    ],
    "a query with names": [
        ("L", "import pandas as pd\nt = 1\nq = 'a > @t'\nd = pd.DataFrame({'a': [1, 2]})"),
        ("R", "len(d.query(q)), len(d.query('a == @t'))"), ("L", "t = 0"), ("R", "len(d.query(q))"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_scripts(pages: tuple[Page, Page], script: Script) -> None:
    for package in ("numpy", "pandas"):
        if package in script[0][1]:
            pytest.importorskip(package)
    empty(pages)
    assert not differs(pages, script)


EMPTY = (
    "for name_ in [n for n in globals() if not n.startswith('_')]:\n"
    "    if name_ not in ('In', 'Out', 'get_ipython', 'exit', 'quit', 'open', 'name_'):\n"
    "        del globals()[name_]"
)


def empty(pages: tuple[Page, Page]) -> None:
    for page in pages:
        page.run(EMPTY)


# ---- random scripts ------------------------------------------------------------------------------

NAMES = "abcd"


def statement(chance: random.Random) -> str:
    x, y, z = (chance.choice(NAMES) for _ in range(3))
    f, o = chance.choice("fg"), chance.choice("op")
    n = chance.randrange(100)
    return chance.choice(
        [
            f"{x} = [{n}]", f"{x} = {n}", f"{x} = {y}", f"{x} = [{y}, {n}]", f"{x} = {{'k': {y}}}",
            f"{x}.append({n})", f"{x}[0].append({n})", f"{x}['k'].append({n})", f"{x} += [{n}]",
            f"{x}[0] = {n}", f"{x} = {y} + [{n}]", f"del {x}", f"{x} = {y}.append", f"{x}({n})",
            f"def {f}(q={x}):\n    q.append({n})\n    return q, {y}",
            f"def {f}():\n    global {x}\n    {x} = {y}\n    return {x}",
            f"def {f}(): return [{x}, {y}]", f"{f}()", f"{x} = {f}()", f"{f}().append({n})",
            f"def make(v):\n    def inner():\n        v.append({n})\n        return v\n"
            f"    return inner\n{f} = make({x})",
            f"class C:\n    n = {n}\n    def __init__(s, v): s.v = v\n"
            f"    def add(s, q): s.v.append(q); C.n += 1; return {y}\n"
            "    def __repr__(s): return f'C({s.v!r}, {C.n})'",
            f"{o} = C({x})", f"{o}.add({n})", f"{o}.v = {x}", f"{x} = {o}.v", f"C.n = {n}",
            f"{x} = {o}", f"{x} = {o}.add", f"{x} = [{f}]", f"{x}[0]()",
            f"import functools\n{x} = functools.partial({f})", f"{x}()",
            f"for {x} in [1, {y}]: pass", f"[{x} := {n}, {y}]",
            f"try:\n    {x} = {y}[0]\nexcept Exception as {z}:\n    {x} = {n}",
            f"if '{x}' in globals(): {y} = {x}", f"globals()['{x}'] = {y}", f"{x} = eval('{y}')",
            f"{x} = [v for v in [{y}, {n}]]", f"{x} = lambda: {y}", f"{x} = {y} is {z}",
            f"match {x}:\n    case [{y}, *_]: pass\n    case _: {y} = {n}",
            f"s = '{y}'\n{x} = eval(s)", f"%time {x} = {y}",
        ]
    )  # fmt: skip


def question(chance: random.Random) -> str:
    return chance.choice(
        [*NAMES, "f()", "g()", "o", "(o, a)", "[a, c, d]", "C.n", "a is b, c is d", "o.v is a",
         "[n for n in 'abcdfgop' if n in globals()]"]
    )  # fmt: skip


def array_statement(chance: random.Random) -> str:
    """Something with arrays of several megabytes, of which parts are sent."""
    x, y = (chance.choice(NAMES) for _ in range(2))
    n, at = chance.randrange(100), chance.choice([0, 1, 7, 150_000, 399_999, -1])
    return chance.choice(
        [
            f"{x} = np.zeros(400_000)", f"{x} = np.arange(400_000) + {n}.0", f"{x} = {y}",
            f"{x} = {y}[5:]", f"{x} = {y}[::2]", f"{x} = [{y}, {n}]", f"{x} = {{'k': {y}}}",
            f"{x} = {y} + 1", f"{x}[{at}] = {n}", f"{x}[{at}] += {n}", f"{x}[0][{at}] = {n}",
            f"{x}['k'][{at}] = {n}", f"{x} += 1", f"{x}[:] = {n}", f"del {x}", f"{x} = {n}",
            f"{x} = {y}.reshape(2, -1)", f"{x}.sort()", f"{x} = np.copy({y})",
            f"{x}.flags.writeable = False", f"{x} = {y}.astype('f4')", f"{x} = np.random.rand(9)",
            f"def f(q={x}):\n    q[{at}] = {n}\n    return sums({y})", "f()",
            f"{x} = {y} is {x}", f"{x} = [{x}, {y}]", "np.random.seed(3)",
        ]
    )  # fmt: skip


def array_question(chance: random.Random) -> str:
    x, y = (chance.choice(NAMES) for _ in range(2))
    return chance.choice(
        [f"sums({x})", f"sums([{x}, {y}])", "f()", f"np.shares_memory({x}, {y})", f"{x} is {y}",
         "float(np.random.rand())"]
    )  # fmt: skip


ARRAYS = """import numpy as np
def sums(value):
    if isinstance(value, np.ndarray):
        return value.shape, str(value.dtype), float(value.sum()), float(value.flat[0])
    if isinstance(value, dict):
        return {key: sums(part) for key, part in value.items()}
    return [sums(part) for part in value] if isinstance(value, list) else value"""


def array_script(chance: random.Random) -> Script:
    found: Script = [("L", ARRAYS), ("L", "np.random.seed(1)")]
    for _ in range(chance.randrange(4, 14)):
        kind = array_question if chance.random() < 0.3 else array_statement
        found.append((chance.choice("LLLRRR2"), kind(chance)))
    return [*found, *(("L", f"sums({name})") for name in NAMES)]


def script(chance: random.Random) -> Script:
    found: Script = []
    for _ in range(chance.randrange(4, 12)):
        code = question(chance) if chance.random() < 0.25 else statement(chance)
        if chance.random() < 0.3:
            code = statement(chance) + "\n" + code
        found.append((chance.choice("LLLRRR2"), code))
    return [*found, *(("L", name) for name in (*NAMES, "o"))]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_random_scripts(pages: tuple[Page, Page], seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(5):
        empty(pages)
        assert not differs(pages, script(chance))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_random_arrays(pages: tuple[Page, Page], seed: int) -> None:
    pytest.importorskip("numpy")
    chance = random.Random(seed)
    for _ in range(5):
        empty(pages)
        assert not differs(pages, array_script(chance))
