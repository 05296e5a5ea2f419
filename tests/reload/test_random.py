"""Random edits of random modules: what runs in the end is what a fresh import gives."""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farcell_runtime.reload import Code, Edit, File

from .modules import Writer, behaviour, shown


def fresh(name: str, text: str, path: Path) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__file__ = str(path)
    exec(compile(text, str(path), "exec"), vars(module))
    return module


def valid(writer: Writer, step: Callable[[], None], name: str, path: Path) -> types.ModuleType:
    """The module after a step of the writer's that a fresh import takes."""
    there = sys.modules.get(name)
    for _ in range(100):
        before = list(writer.statements)
        step()
        try:
            sys.modules[name] = types.ModuleType(name)
            return fresh(name, writer.text(), path)
        except Exception:
            writer.statements = before
        finally:
            if there is None:
                del sys.modules[name]
            else:
                sys.modules[name] = there
    raise AssertionError("the writer writes nothing that is valid")


def edit(seed: int, edits: int, path: Path) -> None:
    name = f"random_{seed}"
    writer = Writer(seed)
    module = types.ModuleType(name)
    for _ in range(writer.random.randrange(4, 16)):
        module = valid(writer, writer.add, name, path)
    sys.modules[name] = module
    code = Code()
    code.track(module, writer.text().encode())
    try:
        for number in range(edits):
            before = writer.text()
            kept = {n: v for n, v in vars(module).items() if isinstance(v, types.FunctionType)}
            for _ in range(writer.random.randrange(3) + 1):
                wanted = valid(writer, writer.change, name, path)
            text = writer.text()
            was = behaviour(module)
            prepared = code.prepare(Edit((File(name, str(path), text.encode()),)))
            assert behaviour(module) == was, (seed, number)
            prepared.commit()
            got, want = behaviour(module), behaviour(wanted)
            assert got == want, report(seed, number, before, text, got, want)
            for each, function in kept.items():
                if isinstance(vars(module).get(each), types.FunctionType):
                    assert vars(module)[each] is function, (seed, number, each)
    finally:
        del sys.modules[name]


def report(seed: int, number: int, before: str, after: str, got: Any, wanted: Any) -> str:
    names = [name for name in {*got, *wanted} if got.get(name) != wanted.get(name)]
    lines = [f"{n}: {got.get(n, 'absent')!r} is not {wanted.get(n, 'absent')!r}" for n in names]
    return f"{seed}/{number}\n" + "\n".join(lines) + f"\n---- before\n{before}\n---- after\n{after}"


@pytest.mark.parametrize("seed", range(40))
def test_random_edits(seed: int, tmp_path: Path) -> None:
    edit(seed, 10, tmp_path / "m.py")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_ten_thousand_random_edits(part: int, tmp_path: Path) -> None:
    for seed in range(1000 + part * 50, 1000 + part * 50 + 50):
        edit(seed, 10, tmp_path / "m.py")


def test_memory_does_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    text = (
        Writer(0).text()
        + "class C:\n    x = {n}\n    def go(self): return {n}\n\n"
        + (
            "def f(a={n}): return a\nX = [{n}]\nimport dataclasses\n"
            "@dataclasses.dataclass\nclass D:\n    a{n}: int = 1\n"
        )
    )
    name = "growing"
    sys.modules[name] = types.ModuleType(name)
    module = sys.modules[name] = fresh(name, text.replace("{n}", "0"), path)
    code = Code()
    code.track(module, text.replace("{n}", "0").encode())
    try:
        counts = []
        for number in range(1, 121):
            source = text.replace("{n}", str(number % 7)).encode()
            code.prepare(Edit((File(name, str(path), source),))).commit()
            if number in (40, 120):
                gc.collect()
                counts.append(len(gc.get_objects()))
        assert counts[1] - counts[0] < 50
        assert shown(module.f)[2] == 120 % 7
    finally:
        del sys.modules[name]
