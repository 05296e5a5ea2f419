"""``farcell doctor``: what this machine has for farcell, and what crashed sessions have left."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata

from farcell.table import table
from farcell_runtime import __version__
from farcell_runtime.config import Config
from farcell_runtime.errors import UsageError
from farcell_runtime.launch import living_sessions, runtime_folder
from farcell_runtime.leftovers import Leftover, leftovers
from farcell_runtime.security import new_folder
from farcell_runtime.sizes import size_text

_PACKAGES = ("grpcio", "protobuf", "ipython", "ipykernel", "jupyterlab", "cloudpickle", "numpy")
_OPTIONAL_PACKAGES = ("torch", "ray")
_LEAST_SHARED_BYTES = 256 << 20


def diagnose(*, clean: bool) -> int:
    """Check this machine; the answer is 1 if something is wrong that was not put right."""
    problems = 0
    rows = [("farcell", __version__), ("Python", platform.python_version())]
    rows += [(name, _version(name) or "not installed") for name in _PACKAGES]
    rows += [(name, version) for name in _OPTIONAL_PACKAGES if (version := _version(name))]
    rows += [("system", f"{platform.system()} {platform.release()}")]
    print("\n".join(table(rows)))
    for title, check in _CHECKS:
        good, said = check()
        problems += not good
        print(f"{'ok ' if good else 'NO '} {title}: {said}")
    living = living_sessions()
    print(f"ok  sessions: {', '.join(file.key for file in living) or 'none'}")
    dead = leftovers(runtime_folder())
    for each in dead:
        print("\n".join(_leftover_lines(each, removed=clean)))
        if clean:
            each.remove()
    if dead and not clean:
        problems += not all(each.kept for each in dead)
        print("→ farcell doctor --clean removes what is left behind")
    return 1 if problems else 0


def _leftover_lines(leftover: Leftover, *, removed: bool) -> Iterator[str]:
    if leftover.kept and not removed:
        yield f"ok  logs of {leftover.key}, which ended by accident: {leftover.path}"
        return
    for what, process in leftover.processes:
        verb = "ok  ended" if removed else "NO  still running"
        yield f"{verb}, of {leftover.key}: {what}, process {process.pid}"
    yield f"{'ok  removed' if removed else 'NO  left behind'} by {leftover.key}: {leftover.path}"


def _check_settings() -> tuple[bool, str]:
    try:
        config = Config.from_environment()
    except UsageError as error:
        return False, str(error)
    unknown = Config.unknown_variables()
    if unknown:
        return False, f"there is no setting {', '.join(unknown)}"
    return True, f"engine {config.engine}, up to {config.workers} workers"


def _check_folder() -> tuple[bool, str]:
    try:
        folder = new_folder()
    except (UsageError, OSError) as error:
        return False, str(error)
    folder.rmdir()
    return True, tempfile.gettempdir()


def _check_runtime_folder() -> tuple[bool, str]:
    folder = runtime_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return False, str(error)
    return os.access(folder, os.W_OK), str(folder)


def _check_shared_memory() -> tuple[bool, str]:
    try:
        status = os.statvfs("/dev/shm")
    except OSError as error:
        return sys.platform != "linux", f"/dev/shm: {error.strerror}"
    free = status.f_bavail * status.f_frsize
    good = free >= _LEAST_SHARED_BYTES
    return good, f"{size_text(free)} free in /dev/shm" + ("" if good else ": that is little")


def _check_pidfd() -> tuple[bool, str]:
    if not hasattr(os, "pidfd_open"):
        return True, "this system has none; waiting for signals instead"
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return False, f"pidfd_open: {error.strerror}"
    return True, "pidfd"


_CHECKS: tuple[tuple[str, Callable[[], tuple[bool, str]]], ...] = (
    ("settings", _check_settings),
    ("temporary folder", _check_folder),
    ("runtime folder", _check_runtime_folder),
    ("shared memory", _check_shared_memory),
    ("watching processes", _check_pidfd),
)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
