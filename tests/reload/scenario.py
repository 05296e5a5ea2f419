"""Scenarios of hot reload as data: files before, a cell, files after, a check.

A file of scenarios is text. ``## title`` starts one; in it, lines in brackets start sections:

    [m.py]            a module's file, dedented; ``[-m.py]`` deletes it
    [setup]           a cell, run in a namespace that plays the notebook
    [check]           likewise, once the files above it were saved; it asserts
    [refused 3: why]  this save is refused, with this line and with ``why`` in the message
    [noted: text]     the save's notes hold ``text``
    [changed: m.f]    and this is what changed

Files ahead of the first cell are there from the start; all files between two cells are one save.
"""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from farcell_runtime.errors import ReloadError
from farcell_runtime.reload import Code, Edit, File

FOLDER = Path(__file__).parent / "cases"


@dataclass
class Section:
    head: str
    text: str
    line: int


@dataclass
class Scenario:
    title: str
    path: Path
    sections: list[Section] = field(default_factory=list)


def scenarios() -> Iterator[Scenario]:
    for path in sorted(FOLDER.glob("*.txt")):
        current: Scenario | None = None
        for number, line in enumerate(path.read_text().splitlines(keepends=True), 1):
            if line.startswith("## "):
                if current:
                    yield current
                current = Scenario(line[3:].strip(), path)
            elif current and (found := re.fullmatch(r"\[(.+)\]\s*", line)):
                current.sections.append(Section(found.group(1), "", number))
            elif current and current.sections:
                current.sections[-1].text += line
        if current:
            yield current


def module_name(file: str) -> str:
    name = file.removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__")


class Player:
    """Plays a scenario in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.code = Code()
        self.namespace: dict[str, Any] = {"__name__": "__main__", "folder": folder}
        self.files: dict[str, str | None] = {}
        self.loaded = set(sys.modules)

    def play(self, scenario: Scenario) -> None:
        started = False
        refusal: tuple[int, str] | None = None
        told: list[tuple[str, str]] = []
        for section in scenario.sections:
            head = section.head
            if head.endswith(".py"):
                self.files[head.lstrip("-")] = None if head.startswith("-") else section.text
            elif head.startswith("refused"):
                line, _, why = head.removeprefix("refused").partition(":")
                refusal = (int(line or 0), why.strip())
            elif head.startswith(("noted:", "changed:")):
                kind, _, text = head.partition(":")
                told.append((kind, text.strip()))
            else:
                self.save(started=started, refusal=refusal, told=told)
                started, refusal, told = True, None, []
                self.cell(section, scenario.path)

    def cell(self, section: Section, path: Path) -> None:
        source = "\n" * section.line + section.text
        exec(compile(source, str(path), "exec"), self.namespace)
        self.track()
        self.code.follow(self.namespace, section.text)

    def track(self) -> None:
        for name in set(sys.modules) - self.loaded:
            module = sys.modules[name]
            if str(getattr(module, "__file__", None) or "").startswith(str(self.folder)):
                self.code.track(module)

    def save(
        self, *, started: bool, refusal: tuple[int, str] | None, told: list[tuple[str, str]]
    ) -> None:
        edited = []
        for name, text in self.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            source = None if text is None else textwrap.dedent(text).encode()
            if source is None:
                path.unlink()
            else:
                path.write_bytes(source)
            edited.append(File(module_name(name), str(path), source))
        self.files = {}
        if not started:
            importlib.invalidate_caches()
            return
        if not edited:
            return
        if refusal is not None:
            with pytest.raises(ReloadError) as failure:
                self.code.prepare(Edit(tuple(edited)))
            assert refusal[1] in str(failure.value)
            assert failure.value.line == refusal[0]
            return
        prepared = self.code.prepare(Edit(tuple(edited)))
        prepared.commit()
        self.namespace["changed"], self.namespace["notes"] = prepared.changed, prepared.notes
        for kind, text in told:
            if kind == "noted":
                assert text in "\n".join(prepared.notes)
            else:
                assert sorted(prepared.changed) == sorted(text.replace(",", " ").split())
        self.track()

    def close(self) -> None:
        for name in set(sys.modules) - self.loaded:
            module = sys.modules[name]
            if str(getattr(module, "__file__", None) or "").startswith(str(self.folder)) or (
                hasattr(module, "__path__") and str(self.folder) in str(list(module.__path__))
            ):
                del sys.modules[name]
