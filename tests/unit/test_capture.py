"""What a cell reads: never too little; and not too much where that would cost."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from farcell.capture import Reads, reads_of


@pytest.fixture(scope="module")
def shell() -> Iterator[InteractiveShell]:
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def plain(code: str) -> Reads:
    return reads_of(code, str)


READS = {
    # how a name is read
    "x": {"x"},
    "x = 1; del x": {"x"},
    "def f():\n x = 1\n del x": set(),
    "def f():\n try: pass\n except E as e: pass": {"E"},
    "print(x)": {"print", "x"},
    "f'{x!r:>{width}}'": {"x", "width"},
    "x.a.b[c](d, *e, k=g, **h)": {"x", "c", "d", "e", "g", "h"},
    "x += y": {"x", "y"},
    "a[i] += v": {"a", "i", "v"},
    "a.b = c": {"a", "c"},
    "a[i], (b.c, *d) = e": {"a", "i", "b", "e"},
    "x: T = v": {"T", "v"},
    "(a.b): T": {"a", "T"},
    "del x": {"x"},
    "del a[i], b.c, (d)": {"a", "i", "b", "d"},
    "await x": {"x"},
    "raise x from y": {"x", "y"},
    "assert x, y": {"x", "y"},
    "x = y; x": {"y"},
    "x = x": {"x"},
    "x, y = y, x": {"x", "y"},
    "x = y = z": {"z"},
    "{k: v, **more}": {"k", "v", "more"},
    "{1: y, (y := 2): 3}": {"y"},
    "x[a:b:c]": {"x", "a", "b", "c"},
    "Out[3], _oh[4], Out[n], _5": {"Out", "_3", "_oh", "_4", "n", "_5"},
    # bound on some path only
    "if c: x = 1\nx": {"c", "x"},
    "if c: x = 1\nelse: x = 2\nx": {"c"},
    "if c: x = 1\nelif d: x = 2\nelse: x = 3\nx": {"c", "d"},
    "while c: x = 1\nx": {"c", "x"},
    "while c:\n  if d: break\n  x = 1\nelse: x = 2\nx": {"c", "d", "x"},
    "for i in r: x = i\nx, i": {"r", "x", "i"},
    "for i in r: i": {"r"},
    "for a[i], b in r: b": {"r", "a", "i"},
    "for i in r: pass\nelse: i": {"r", "i"},
    "async def f():\n async for i in r:\n  i, j": {"r", "j"},
    "with a as b, c(b) as d: d": {"a", "c"},
    "with a: x = 1\nx": {"a", "x"},
    "with open(p) as f: x = f\nx, f": {"open", "p"},
    "with suppress(E): x = 1\nx": {"suppress", "E", "x"},
    "with no_grad(), suppress(E): x = 1\nx": {"no_grad", "suppress", "E", "x"},
    "with a as b: pass\nb": {"a"},
    "try: x = 1\nexcept E as e: e\nx": {"E", "x", "e"},
    "try: import j\nexcept ImportError: j = None\nj": {"ImportError"},
    "try: x = 1\nfinally: y = 2\nx, y": set(),
    "try: x = f()\nexcept E: x\nelse: x": {"f", "E", "x"},
    "try: pass\nexcept* E: x": {"E", "x"},
    "e = 1\ntry: pass\nexcept E as e: pass\ne": {"E", "e"},
    "c and (x := 1); x": {"c", "x"},
    "(x := 1) and c; x": {"c"},
    "1 if c else (x := 1); x": {"c", "x"},
    "a < b < (x := 1); x": {"a", "b", "x"},
    "a < (x := 1); x": {"a"},
    "assert c, (x := 1)\nx": {"c", "x"},
    "[(x := i) for i in r]; x": {"r", "x"},
    "x += (x := 1)": {"x"},
    "match s:\n case [a, *b]: a, b, c": {"s", "c"},
    "match s:\n case {'k': v, **rest}: v, rest": {"s"},
    "match s:\n case K(z=M.N) | M.O as w if w > t: w": {"s", "K", "M", "t"},
    "match s:\n case [x, x.y]: pass": {"s", "x"},
    "match s:\n case 1: x = 1\n case _: x = 2\nx": {"s", "x"},
    # comprehensions
    "[i + j for i in r for j in i if j > k]": {"r", "k"},
    "[i for i in i]": {"i"},
    "[x for y in z for x in x]": {"z"},
    "{k: v for k, v in d}": {"d"},
    "(i for i in r); i": {"r", "i"},
    "[y for x in xs if (y := f(x))]": {"xs", "f"},
    "[[b for b in a] for a in c]": {"c"},
    # functions
    "def f(x, y=y, *a, k: T = d, **kw) -> R: x, y, a, k, kw, z": {"y", "T", "d", "R", "z"},
    "def f(x=f): pass": {"f"},
    "def f(): return f()": set(),
    "def f():\n x\n x = 1": set(),
    "def f():\n [x for x in r]\n return x": {"r", "x"},
    "def f():\n [(x := i) for i in r]\n return x": {"r"},
    "def f():\n global x\n x = 1\n return x": set(),
    "def f():\n global x\n x += 1": {"x"},
    "def f(x):\n def g():\n  global x\n  return x\n return g": {"x"},
    "def f():\n x = 1\n def g():\n  nonlocal x\n  x += 1\n return x": set(),
    "def f():\n def g(): return x\n x = 1": set(),
    "def f():\n try: pass\n except E as e: e\n with w as v: v\n import m; m": {"E", "w"},
    "def f():\n match s:\n  case {**rest}: rest": {"s"},
    "def f():\n x = x0\n class A:\n  x = x": {"x0", "x"},
    "def f():\n x = x0\n class A:\n  y = x": {"x0"},
    "lambda x, y=z: x + y + w": {"z", "w"},
    "lambda: (y := 1) + y": set(),
    "@deco(a)\ndef f(): pass": {"deco", "a"},
    "x = 1\ndef f(): return x": set(),
    "def f(): return x\nx = 1": {"x"},
    "async def f(): return [await x async for x in y]": {"y"},
    "def f(): yield x; yield from y": {"x", "y"},
    # classes
    "@deco\nclass A(B, metaclass=M, k=v): pass": {"deco", "B", "M", "v"},
    "class A:\n x = 1\n y = x": set(),
    "class A:\n x = 1\n def f(self): return x": {"x"},
    "class A:\n x = [1]\n y = [x for _ in z]": {"x", "z"},
    "class A:\n x = [1]\n y = [i for i in x]": set(),
    "class A:\n x = 1\n del x\n y = x": {"x"},
    "class A:\n if c: x = 1\n y = x": {"c", "x"},
    "class A:\n y = A": {"A"},
    "class A:\n class B:\n  def f(self): return A, B": {"B"},
    "class A:\n def f(self): return A, super().f()": {"super"},
    "class A:\n x = x": {"x"},
    "class A:\n global x\n y = x": {"x"},
    "class A:\n x: int = d\n z: 'later'": {"int", "d"},
    "class A:\n @property\n def p(self): return self._p + q\n @p.setter\n def p(self, v): w": {
        "property", "q", "w",
    },
    "x = 1\nclass A(x):\n y = x": set(),
    # imports
    "import a.b, c as d\na, c, d": {"c"},
    "from m import x, y as z\nx, y, z": {"y"},
    "from math import *\nsin(x)": {"sin", "x"},
    # the namespace, by key
    "globals()['x']": {"x"},
    "globals()['x'] = v": {"v"},
    "globals().get('x', d)": {"x", "d"},
    "globals().update(x=v)": {"v"},
    "if 'x' not in globals(): x = 1": {"x"},
    "'x' in dir()": {"x"},
    # evaluated text
    "eval('x + 1')": {"eval", "x"},
    "exec('y = x')": {"exec", "x"},
    "x = 1; eval('x + y')": {"eval", "y"},
    "exec(src, {})": {"exec", "src"},
    # no namespace of the notebook's
    "def f(): return locals(), vars(), dir()": {"locals", "vars", "dir"},
    "vars(x)": {"vars", "x"},
    # what only looks like the shell's own
    "os.system(cmd)": {"os", "cmd"},
    "subprocess.getoutput(cmd)": {"subprocess", "cmd"},
    # does not parse: the worker's to say
    "x +": set(),
    "x = '\x00'": set(),
}  # fmt: skip


@pytest.mark.parametrize(("code", "names"), READS.items(), ids=lambda v: repr(v)[:60])
def test_names(code: str, names: set[str]) -> None:
    reads = plain(code)
    assert reads.names == names
    assert not reads.everything


@pytest.mark.parametrize(
    "code",
    ["globals()", "f(globals())", "vars()", "dir()", "locals()", "def f(): return globals()",
     "eval(source)", "exec(f'{x} = 1')", "for n in list(globals()): n",
     "'x' in globals().keys()"],
)  # fmt: skip
def test_the_namespace_as_such(code: str) -> None:
    assert plain(code).everything


@pytest.mark.parametrize(
    ("code", "maybe"),
    [
        ("df.query('a > @x')", {"a", "x"}),
        ("df.query(f'a > @x + {y}')", {"a", "x"}),
        ("df.eval('c = a + @x', inplace=True)", {"c", "a", "x"}),
        ("ne.evaluate('2 * a')", {"a"}),
        ("ols('y ~ np.log(x) + C(g)').fit()", {"y", "np", "log", "x", "C", "g"}),
    ],
)
def test_text_that_is_evaluated_counts_whatever_it_costs(code: str, maybe: set[str]) -> None:
    reads = plain(code)
    assert reads.dynamic
    assert reads.maybe == maybe


@pytest.mark.parametrize(
    "code", ["print('the data')", "model.eval()", "ols('y ~ x', data=df)", "open('~/data/x')",
             "q = 'a > @x'"]
)  # fmt: skip
def test_text_that_is_not_evaluated(code: str) -> None:
    assert not plain(code).dynamic


def test_text_in_a_variable() -> None:
    assert plain("df.query(condition)").texts == {"condition"}


MAGICS = {
    "%time y = f(x)": {"f", "x", "y"},
    "%timeit -n 10 -r 3 f(x.a)": {"f", "x", "n", "r"},
    "%%time\ny = f(x)\ny": {"f", "x"},
    "%%timeit s = a\ns + x": {"s", "a", "x"},
    "%%capture out\nprint(x)": {"out", "print", "x"},
    "%%prun -s cumulative\nf(x)": {"s", "cumulative", "f", "x"},
    "x = 1\n%time x + y": {"y"},
    "!ls $x {y[0]} $$z '{print $1}'": {"x", "y"},
    "files = !ls {folder}\nfiles": {"folder"},
    "%cd $folder": {"folder"},
    "%matplotlib inline": set(),
    "%%bash -s {x}\necho $y": {"x"},
    "%%writefile $name\nx = y": {"name"},
    "%%html\n<b>x</b>": set(),
    "x?": {"x"},
    "x.y??": {"x"},
    "%remote f(x)": set(),
    "%%remote\nf(x)": set(),
    "get_ipython().run_line_magic('time', code)": {"code"},
    "%%time\n!echo {x}": {"x"},
    "%store x": {"x"},
}


@pytest.mark.parametrize(("code", "names"), MAGICS.items(), ids=MAGICS)
def test_magics(shell: InteractiveShell, code: str, names: set[str]) -> None:
    reads = reads_of(code, shell.transform_cell)
    assert reads.names - {"get_ipython"} == names
    assert not reads.everything


def test_a_magic_that_nobody_knows_may_evaluate_its_text(shell: InteractiveShell) -> None:
    reads = reads_of("%%R -i df\nlm(y ~ x)", shell.transform_cell)
    assert reads.dynamic
    assert {"df", "y", "x"} <= reads.maybe


@pytest.mark.parametrize("code", ["x?", "x.y??", "%pdoc x", "%psource x", "%who", "%whos int"])
def test_magics_that_only_look_read_nothing_at_home(shell: InteractiveShell, code: str) -> None:
    there = reads_of(code, shell.transform_cell)
    assert there.everything or "x" in there.names
    at_home = reads_of(code, shell.transform_cell, here=True)
    assert (at_home.names - {"get_ipython"}, at_home.everything) == (set(), False)


@pytest.mark.parametrize("code", ["%whos", "%run -i script.py", "%psearch a*", "shell.user_ns"])
def test_magics_that_see_the_whole_namespace(shell: InteractiveShell, code: str) -> None:
    assert reads_of(code, shell.transform_cell).everything


# ---- random programs, against what Python really looks up ----------------------------------------

NAMES = ("a", "b", "c", "d", "e")


def indent(block: list[str]) -> list[str]:
    return ["    " + line for line in block]


name = st.sampled_from(NAMES)


def expressions() -> st.SearchStrategy[str]:
    leaf = name | st.sampled_from(["0", "1", "len", "[]", "'a'"])

    def deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pair = st.tuples(inner, inner)
        return st.one_of(
            pair.map(lambda p: f"({p[0]} and {p[1]})"),
            pair.map(lambda p: f"({p[0]} or {p[1]})"),
            pair.map(lambda p: f"[{p[0]}, {p[1]}]"),
            pair.map(lambda p: f"{{1: {p[0]}, 2: {p[1]}}}"),
            pair.map(lambda p: f"({p[0]} == 0 == {p[1]})"),
            pair.map(lambda p: f"print_({p[0]}, k={p[1]})"),
            inner.map(lambda e: f"f'{{{e}}}'"),
            st.tuples(name, inner).map(lambda p: f"({p[0]} := {p[1]})"),
            st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
            st.tuples(name, inner, inner).map(lambda p: f"(lambda {p[0]}={p[1]}: {p[2]})()"),
            st.tuples(inner, name, inner, inner).map(
                lambda p: f"[{p[0]} for {p[1]} in [{p[2]}, 1] if {p[3]}]"
            ),
            st.tuples(inner, name, inner, name, inner).map(
                lambda p: f"[{p[0]} for {p[1]} in [{p[2]}] for {p[3]} in [{p[4]}]]"
            ),
        )

    return st.recursive(leaf, deeper, max_leaves=6)


def blocks() -> st.SearchStrategy[list[str]]:
    value = expressions()
    simple = st.one_of(
        value.map(lambda e: [e]),
        st.tuples(name, value).map(lambda p: [f"{p[0]} = {p[1]}"]),
        st.tuples(name, value).map(lambda p: [f"{p[0]} += {p[1]}"]),
        st.tuples(name, value, value).map(lambda p: [f"{p[0]}: {p[1]} = {p[2]}"]),
        st.tuples(name, name, value).map(lambda p: [f"{p[0]}, {p[1]} = [{p[2]}, 1]"]),
        name.map(lambda n: [f"del {n}"]),
        name.map(lambda n: [f"import math as {n}"]),
        value.map(lambda e: [f"assert {e}, {e}"]),
        value.map(lambda e: [f"raise ValueError({e})"]),
    )

    def deeper(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
        body = inner.map(indent)
        return st.one_of(
            st.tuples(inner, inner).map(lambda p: p[0] + p[1]),
            st.tuples(value, body).map(lambda p: [f"if {p[0]}:", *p[1]]),
            st.tuples(value, body, body).map(lambda p: [f"if {p[0]}:", *p[1], "else:", *p[2]]),
            st.tuples(name, value, body, body).map(
                lambda p: [f"for {p[0]} in [{p[1]}, 2]:", *p[2], "    if len: break",
                           "else:", *p[3]]
            ),
            st.tuples(body, body).map(
                lambda p: ["for _ in [1, 2]:", *p[0], "    if _ == 1: continue", *p[1]]
            ),
            st.tuples(value, body, body).map(
                lambda p: ["count = iter([1, 0])", f"while next(count) and [{p[0]}]:", *p[1],
                           "else:", *p[2]]
            ),
            st.tuples(name, body, body, body).map(
                lambda p: ["try:", *p[1], f"except Exception as {p[0]}:", *p[2], "finally:", *p[3]]
            ),
            st.tuples(body, body, body).map(
                lambda p: ["try:", *p[0], "except Exception:", *p[1], "else:", *p[2]]
            ),
            st.tuples(name, body).map(lambda p: [f"with swallow() as {p[0]}:", *p[1]]),
            st.tuples(value, name, body, body).map(
                lambda p: [f"match [{p[0]}, 1]:", f"    case [0, {p[1]}]:", *indent(p[2]),
                           f"    case [{p[1]}, *_]:", *indent(p[3])]
            ),
            st.tuples(name, value, body, st.booleans(), name).map(
                lambda p: [f"def {p[0]}({p[4]}={p[1]}):",
                           *(["    global c"] * (p[3] and p[4] != "c")),
                           *p[2], "    return 1", "try:", f"    {p[0]}()",
                           "except UnboundLocalError: pass"]
            ),
            st.tuples(name, body, body).map(
                lambda p: ["def outer():", *p[1], f"    def {p[0]}():", *indent(p[2]),
                           f"    return {p[0]}()", "try: outer()", "except NameError: pass"]
            ),
            st.tuples(name, value, body).map(
                lambda p: [f"class {p[0]}(object if len else {p[1]}):", *p[2]]
            ),
            st.tuples(name, body, body).map(
                lambda p: [f"class {p[0]}:", *p[1], "    def method(self):", *indent(p[2]),
                           f"try: {p[0]}().method()", "except UnboundLocalError: pass"]
            ),
        )  # fmt: skip

    return st.recursive(simple, deeper, max_leaves=6)


class Swallow:
    def __enter__(self) -> int:
        return 1

    def __exit__(self, *_: object) -> bool:
        return True


def compiles(code: str) -> bool:
    try:
        compile(code, "<cell>", "exec")
    except SyntaxError:
        return False
    return True


@settings(max_examples=400, deadline=None)
@given(blocks())
@example(["with swallow():", "    a", "    raise ValueError", "b = 1", "b"])
@example(["class a:", "    b = 1", "    def method(self):", "        b", "a().method()"])
def test_every_name_that_is_looked_up_is_captured(lines: list[str]) -> None:
    code = "\n".join(lines)
    if not compiles(code):
        return
    assert plain(code).names >= missed(code) - not_compared(code)


class Probing(dict[str, Any]):
    """Builtins that note which global names are looked up and nowhere bound."""

    def __init__(self) -> None:
        super().__init__(vars(builtins))
        self.missing: set[str] = set()

    def __missing__(self, key: str) -> Any:
        self.missing.add(key)
        if key in NAMES:
            return 0
        raise KeyError(key)


def not_compared(code: str) -> set[str]:
    """Names that ``code`` may delete: a read after that fails, whatever was there before.

    And those of its classes, whose bodies here call methods before the class has its name.
    """
    return set(re.findall(r"(?:del|except Exception as|class) (\w)", code))


def missed(code: str) -> set[str]:
    """The names that ``code`` looks up in a namespace that has none of them.

    As in a notebook whose names are absent: what the code has bound by then is found, the rest
    is asked of the builtins.
    """
    probing = Probing()
    namespace: dict[str, Any] = {
        "__builtins__": probing,
        "__name__": "__main__",
        "swallow": Swallow,
        "print_": lambda *args, **kwargs: 0,
    }
    try:
        exec(compile(code, "<cell>", "exec"), namespace)
    except Exception:  # it ended early, as cells do
        return probing.missing & set(NAMES)
    return probing.missing & set(NAMES)
