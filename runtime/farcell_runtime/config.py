"""What can be set about a cluster, and the environment variables that set it.

Every field of `Config` has a variable ``FARCELL_<FIELD>``: ``FARCELL_IDLE_STOP_S=0``,
``FARCELL_PRELOAD=numpy,pandas``. They are read once, by the process that starts the session.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from farcell_runtime.errors import UsageError

_PREFIX = "FARCELL_"
_BUILDING = "FARCELL_PANEL"  # what a build of the package reads


def usable_cpus() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def _default_workers() -> int:
    return max(8, 4 * usable_cpus())


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one session.

    Attributes:
        engine: what provides the workers: the name of a module in ``farcell_runtime.engines``.
        workers: how many workers the session may hold at once, until it is scaled; by default
            four a core, and at least 8.
        idle_stop_s: after so long without a driver and without a run the session stops itself;
            0: never.
        preload: modules that the warm parent imports, so that every worker has them at once.
            A module that starts threads or touches a GPU on import does not belong here.
        lease_s: for so long workers go on after their head has died.
        start_timeout_s: a worker that is not ready after so long counts as dead.
        interrupt_grace_s: for so long the driver waits after an interrupt before it tells that
            the cell is still inside a call that cannot be interrupted.
        fetch_limit_bytes: a value larger than this stays on its worker until it is asked for with
            ``.get()``; 0: none is too large.
        memory_notice_bytes: when a kernel comes to a session in which the names of a gang hold more
            than this, it says which do and how to free them; 0: never.
        keep_logs_s: for so long the logs of a session whose head died are kept.
        receipts: whether a line under each cell tells what moved for it; ``on`` or ``off``.
    """

    engine: str = "local"
    workers: int = field(default_factory=_default_workers)
    idle_stop_s: float = 1800.0
    preload: tuple[str, ...] = ("numpy",)
    lease_s: float = 10.0
    start_timeout_s: float = 60.0
    interrupt_grace_s: float = 2.0
    fetch_limit_bytes: int = 1 << 30
    memory_notice_bytes: int = 1 << 30
    keep_logs_s: float = 86400.0
    receipts: bool = True

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Config:
        """The defaults, and over them the ``FARCELL_*`` variables.

        Raises:
            UsageError: if a variable has a value that its field cannot have.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for name, parse in _PARSERS.items():
            variable = _PREFIX + name.upper()
            text = environ.get(variable, "").strip()
            if not text:
                continue
            try:
                values[name] = parse(text)
            except ValueError as error:
                raise UsageError(
                    f"{variable}={text!r} can't be used: {error}",
                    hint=f"unset {variable}, or set it as the documentation of Config tells",
                ) from None
        return cls(**values)

    @staticmethod
    def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
        """The ``FARCELL_*`` variables that set nothing: misspelt ones, most likely."""
        environ = os.environ if environ is None else environ
        known = {_PREFIX + name.upper() for name in _PARSERS} | {_BUILDING}
        return sorted(name for name in environ if name.startswith(_PREFIX) and name not in known)

    @classmethod
    def from_json(cls, text: str) -> Config:
        """The settings that ``as_json`` wrote."""
        values = json.loads(text)
        values["preload"] = tuple(values["preload"])
        return cls(**values)

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def _at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError("it must be a whole number") from None
        if value < least:
            raise ValueError(f"it must be at least {least}")
        return value

    return parse


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("it must be a number of seconds") from None
    if not 0 <= value < float("inf"):
        raise ValueError("it must be a number of seconds, 0 or more")
    return value


def _positive_seconds(text: str) -> float:
    value = _seconds(text)
    if value == 0:
        raise ValueError("it must be more than 0 seconds")
    return value


def _module(text: str) -> str:
    if not all(part.isidentifier() for part in text.split(".")):
        raise ValueError(f"{text!r} is not a module's name")
    return text


def _modules(text: str) -> tuple[str, ...]:
    if text == "none":
        return ()
    return tuple(_module(name.strip()) for name in text.split(",") if name.strip())


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError("it must be on or off")
    return text == "on"


_PARSERS: dict[str, Callable[[str], Any]] = {
    "engine": _module,
    "workers": _at_least(1),
    "fetch_limit_bytes": _at_least(0),
    "idle_stop_s": _seconds,
    "preload": _modules,
    "lease_s": _seconds,
    "start_timeout_s": _positive_seconds,
    "interrupt_grace_s": _seconds,
    "keep_logs_s": _seconds,
    "memory_notice_bytes": _at_least(0),
    "receipts": _switch,
}
assert set(_PARSERS) == {each.name for each in fields(Config)}
