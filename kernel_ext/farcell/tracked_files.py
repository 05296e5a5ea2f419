"""The files of the project's modules: which text the code that runs was made from, and what is new.

A stat for each file tells what may have changed, also on disks that tell nobody of changes. What an
editor has only half written is not believed yet.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from farcell.code_commands import Text
from farcell_runtime.project import digest_of

_YOUNG_S = 0.2  # a file that changed less long ago may be about to change again
_OLD_S = 2.0  # one whose own time says that it is older than this is not being written
_LOCKED_S = 30.0  # an older lock of Git's was left behind

Signature = tuple[int, int, int, int] | None  # None: there is no such file


@dataclass(slots=True)
class _File:
    """``taken``: the signature that goes with ``text``; ``seen``: the newest, since ``seen_s``."""

    text: Text
    taken: Signature
    seen: Signature
    seen_s: float = 0.0
    refused: bytes | None = None  # the digest of what could not be taken


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs from the code that runs.

    Attributes:
        unsettled: whether something may be half written yet: look again in a moment.
        young: whether something is so new that an error in it may be that of a half.
    """

    texts: tuple[Text, ...] = ()
    unsettled: bool = False
    young: bool = False


class TrackedFiles:
    """Files by their modules. The notebook's thread and the watcher's take turns.

    Args:
        now_s: the time, as long as the process lives.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._files: dict[str, _File] = {}
        self._folders: set[str] = set()
        self._now_s = now_s

    def __contains__(self, module: str) -> bool:
        return module in self._files

    def track(self, module: str, path: str, source: bytes | None = None) -> Text | None:
        """Watch over a module's file from now on.

        Args:
            source: what the module was made from; by default what the file holds.

        Returns:
            The text that is taken for the module's; none if it can't be read.
        """
        if module in self._files:
            return self._files[module].text
        signature = _signature(path)
        found = _read(path)
        if source is None:
            if found is None:
                return None
            source = found
        elif found != source:
            signature = None  # it was changed since
        text = Text(module, path, digest_of(source), source)
        self._files[module] = _File(text, signature, signature)
        self._folders.add(os.path.dirname(path))
        return text

    def folders(self) -> set[str]:
        """Those that the files are in, and those that links to them lead to."""
        found = set(self._folders)
        for file in self._files.values():
            found.add(os.path.dirname(os.path.realpath(file.text.path)))
        return found

    def roots(self) -> list[str]:
        """The folders that the files' top-level modules and packages are in."""
        found: dict[str, None] = {}
        for module, file in list(self._files.items()):
            path = file.text.path
            levels = module.count(".") + (os.path.basename(path) == "__init__.py")
            found[str(Path(path).parents[levels])] = None
        return list(found)

    def changes(self) -> Changes:
        """What differs by now from the texts that were taken."""
        texts: list[Text] = []
        unsettled = young = False
        now_s = self._now_s()
        for file in self._files.values():
            signature = _signature(file.text.path)
            if signature == file.taken:
                continue
            first = signature != file.seen
            if first:
                file.seen, file.seen_s, file.refused = signature, now_s, None
            is_young = _is_young(signature, now_s - file.seen_s)
            empty = signature is None or signature[1] == 0
            if is_young and (first or empty):
                unsettled = young = True
                continue
            source = _read(file.text.path)
            if _signature(file.text.path) != signature:
                unsettled = True
                continue
            digest = digest_of(source)
            if digest == file.text.digest:
                file.taken = signature
            elif digest != file.refused:
                young |= is_young
                texts.append(Text(file.text.module, file.text.path, digest, source))
        if texts and _is_checking_out({os.path.dirname(each.path) for each in texts}):
            unsettled = True
        return Changes(tuple(texts), unsettled, young)

    def take(self, texts: tuple[Text, ...]) -> None:
        """The code that runs is made from ``texts`` now."""
        for text in texts:
            file = self._files[text.module]
            file.text, file.refused = text, None
            if _read(text.path) == text.source:
                file.taken = file.seen
        self.forgive()  # what was refused may have lacked just these

    def refuse(self, texts: tuple[Text, ...]) -> None:
        """Do not name ``texts`` again before one of their files has changed."""
        for text in texts:
            self._files[text.module].refused = text.digest

    def forgive(self) -> None:
        """Name again what was refused."""
        for file in self._files.values():
            file.refused = None


def _is_checking_out(folders: Iterable[str]) -> bool:
    """Whether Git is changing files of a repository that one of ``folders`` is in."""
    for repository in {_repository(folder) for folder in folders} - {""}:
        try:
            locked_s = os.stat(f"{repository}/index.lock").st_mtime
        except OSError:
            continue
        if time.time() - locked_s < _LOCKED_S:
            return True
    return False


def _is_young(signature: Signature, seen_for_s: float) -> bool:
    if signature is not None and time.time() - signature[0] / 1e9 > _OLD_S:
        return False
    return seen_for_s < _YOUNG_S


def _signature(path: str) -> Signature:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _read(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def _repository(folder: str) -> str:
    """Git's own folder of the repository that a folder is in; empty if it is in none."""
    for each in (Path(folder), *Path(folder).parents):
        found = each / ".git"
        if found.is_dir():
            return str(found)
        if found.is_file():  # of a further work tree
            text = found.read_text(errors="replace")
            return text.partition("gitdir:")[2].strip()
    return ""
