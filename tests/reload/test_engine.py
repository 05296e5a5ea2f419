"""What the scenarios can't say: threads, the heap, and what is looked at."""

from __future__ import annotations

import ast
import sys
import threading
import types
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farcell_runtime.reload import Code, Edit, File
from farcell_runtime.reload.functions import Functions
from farcell_runtime.reload.statements import split

BASE = """\
class B:
    def go(self): return 1
class C(B):
    def go(self): return {}
"""


class Module:
    """A module that can be saved anew."""

    def __init__(self, name: str, text: str, path: Path) -> None:
        self.path = path
        self.module: Any = types.ModuleType(name)
        self.module.__file__ = str(path)
        sys.modules[name] = self.module
        exec(compile(text, str(path), "exec"), vars(self.module))
        self.code = Code()
        self.code.track(self.module, text.encode())

    def save(self, text: str) -> tuple[str, ...]:
        prepared = self.code.prepare(
            Edit((File(self.module.__name__, str(self.path), text.encode()),))
        )
        prepared.commit()
        return prepared.changed


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Any]:
    names: list[str] = []

    def make(text: str) -> Module:
        names.append(f"engine_{len(names)}")
        return Module(names[-1], text, tmp_path / "m.py")

    yield make
    for name in names:
        del sys.modules[name]


def test_a_call_in_another_thread_sees_old_or_new(made: Any) -> None:
    module = made(BASE.format("1"))
    instance = module.module.C()
    seen: set[Any] = set()
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            seen.add(instance.go())

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(60):
        # The closure grows and shrinks: without super() there is none.
        module.save(BASE.format("super().go() + 10" if number % 2 else "(1)"))
    stop.set()
    for thread in threads:
        thread.join()
    assert seen <= {1, 11}


def searches(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    done: list[bool] = []
    search = Functions.search

    def noted(self: Functions) -> None:
        done.append(True)
        search(self)

    monkeypatch.setattr(Functions, "search", noted)
    return done


def test_the_heap_is_not_searched_for_what_can_be_reached(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """\
import functools
def deco(f):
    @functools.wraps(f)
    def wrapper(): return f() + {n}
    return wrapper
@deco
def f(): return {n}
@functools.lru_cache
def g(): return {n}
class C:
    @property
    def p(self): return {n}
    @staticmethod
    def s(): return [x for x in range({n})]
    @functools.cached_property
    def c(self): return {n}
def h():
    def inner(): return {n}
    return inner
TABLE = {{"k": lambda: {n}, "h": h}}
PART = functools.partial(h)
def gen():
    yield {n}
"""
    module = made(text.format(n=1))
    done = searches(monkeypatch)
    for number in range(2, 5):
        module.save(text.format(n=number) + f"# {number}\n")
    module.save("\n\n" + text.format(n=4))
    assert not done
    assert module.module.f() == 8
    inner = module.module.h()
    module.save(text.format(n=6))
    assert done
    assert inner() == 6


def test_a_function_that_only_the_heap_knows_is_searched_for_once(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "def f(): return {}\n"
    module = made(text.format(1))
    hidden = [vars(module.module).pop("f")]
    done = searches(monkeypatch)
    module.save(text.format(2))
    assert len(done) == 1
    assert hidden[0]() == 2
    module.save("X = 1\n" + text.format(3))
    assert len(done) == 1
    assert hidden[0]() == 3


def test_a_running_frame_is_no_reason_to_search(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "def run(step):\n    step()\n    return loss()\ndef loss(): return {}\n"
    module = made(text.format(1))
    done = searches(monkeypatch)
    assert module.module.run(lambda: module.save("# more\n" + text.format(2))) == 2
    assert not done


def test_old_code_is_freed(made: Any) -> None:
    module = made("def f(): return 1\nclass C:\n    x = 1\n")
    old = weakref.ref(module.module.f.__code__)
    module.save("def f(): return 2\nclass C:\n    x = 1\n")
    module.save("def f(): return 3\nclass C:\n    x = 2\n")
    assert old() is None


def test_a_namespace_follows_from_import(made: Any) -> None:
    module = made("N = 1\n")
    name = module.module.__name__
    namespace: dict[str, Any] = {}
    source = f"from {name} import N as n\n"
    exec(source, namespace)
    module.code.follow(namespace, source)
    module.save("N = 2\n")
    assert namespace["n"] == 2


TEXTS = [
    "",
    "# only a comment",
    "\n\nx = 1",
    "x = '''\ndef f(): pass\n'''\ny = 2\n",
    "x = (\n1,\n)\ny = [\n'(',\n]\n",
    "@a\n# c\n@b(\n1)\ndef f():\n    pass\n# tail\n\nclass C: pass\n",
    "if a:\n    pass\nelif b:\n    pass\n# why\nelse:\n    pass\nz = 1\n",
    "try:\n    pass\nexcept E:\n    pass\nfinally:\n    pass\nx = 1; y = 2\n",
    "x = 1 + \\\n2\ny = 'a\\\nb'\nz = r'\\\\'\n",
    "async def f():\n    pass\nx = f'{1}' f\"{'a'}\"\ny = {'a': '}'}\n",
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_text_is_split_as_the_parser_does(text: str) -> None:
    chunks = split(text)
    assert "".join(chunk.text for chunk in chunks) == text
    split_up = [(p.line, ast.dump(p.statement.node)) for c in chunks for p in c.placed]
    assert split_up == [(node.lineno, ast.dump(node)) for node in ast.parse(text).body]


OURS = sorted(Path(__file__).parents[2].glob("runtime/farcell_runtime/*.py"))


@pytest.mark.parametrize("path", OURS, ids=[path.stem for path in OURS])
def test_our_own_files_are_split_as_the_parser_does(path: Path) -> None:
    test_a_text_is_split_as_the_parser_does(path.read_text())
