"""What is asked of workers and of the notebook to have them take a version of the code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """What a module's file holds; where it was deleted ``source`` is None, ``digest`` empty."""

    module: str
    path: str
    digest: bytes
    source: bytes | None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why code could not be taken, and where that stands."""

    message: str
    hint: str = ""
    file: str = ""
    line: int = 0
    source_line: str = ""


@dataclass(frozen=True, slots=True)
class Prepare:
    gang: str
    rank: int
    round: int
    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Promise:
    """Ask a rank to wait at that call of ``step()``, if it hasn't passed it."""

    gang: str
    rank: int
    round: int
    step: int


@dataclass(frozen=True, slots=True)
class Commit:
    """``step``: the call of ``step()`` to do it at; 0: now."""

    gang: str
    rank: int
    round: int
    step: int = 0


@dataclass(frozen=True, slots=True)
class Abort:
    gang: str
    rank: int
    round: int


@dataclass(frozen=True, slots=True)
class Take:
    """The notebook itself commits the version."""

    version: int


@dataclass(frozen=True, slots=True)
class Drop:
    """The version that was proposed is dropped everywhere."""

    fault: Fault


Command = Prepare | Promise | Commit | Abort | Take | Drop
