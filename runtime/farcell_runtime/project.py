"""Which files are the project's: those that a person edits, and that may be shipped to workers."""

from __future__ import annotations

import functools
import os
import site
import sys
import sysconfig
from collections.abc import Iterable

import xxhash

_OWN_PACKAGES = ("farcell", "farcell_lab", "farcell_runtime", "farcell_widgets")
_SITE_FOLDERS = frozenset({"site-packages", "dist-packages"})


def digest_of(source: bytes | None) -> bytes:
    """What tells a module's text from others; that of a file that was deleted is empty."""
    return b"" if source is None else xxhash.xxh3_128_digest(source)


@functools.cache
def _installed() -> tuple[str, ...]:
    """The folders of what is installed: Python's own modules, and packages."""
    paths = sysconfig.get_paths()
    folders = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    if site.ENABLE_USER_SITE and site.USER_SITE:
        folders.add(site.USER_SITE)
    real = {os.path.realpath(folder) for folder in folders}
    return tuple(folder + os.sep for folder in folders | real)


def is_source(module: str, path: str | None) -> bool:
    """Whether a module's file is source that belongs to the project.

    Not what is installed, what is no Python source, or farcell itself.
    """
    if not path or not path.endswith(".py") or module.partition(".")[0] in _OWN_PACKAGES:
        return False
    return not is_installed(path)


@functools.lru_cache(maxsize=4096)
def is_installed(path: str) -> bool:
    """Whether a file or folder belongs to Python, or to a package that was installed."""
    # To follow links takes ten times as long, and few paths need it.
    return _looks_installed(path) or _looks_installed(os.path.realpath(path))


def _looks_installed(path: str) -> bool:
    if (path + os.sep).startswith(_installed()):
        return True
    return not _SITE_FOLDERS.isdisjoint(path.split(os.sep))


def roots(folders: Iterable[str], working_directory: str) -> tuple[str, ...]:
    """The project's roots, as real paths: those of ``folders`` (``sys.path``) that a person edits.

    The whole file system is no root.
    """
    found: dict[str, None] = {}
    for folder in folders:
        real = os.path.realpath(folder or working_directory)
        if real != os.sep and os.path.isdir(real) and not is_installed(real):
            found[real] = None
    return tuple(found)


def is_within(path: str, folders: Iterable[str]) -> bool:
    """Whether a path, links followed, lies in one of ``folders``, which are real paths."""
    real = os.path.realpath(path)
    return any(real.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def module_of(name: str) -> tuple[str, str] | None:
    """The name and file of an imported module, if its source is the project's."""
    module = sys.modules.get(name)
    if module is None or name in ("__main__", "__mp_main__"):
        return None
    spec = getattr(module, "__spec__", None)
    path = getattr(spec, "origin", None)
    if not isinstance(path, str) or not is_source(name, path):
        return None
    return name, path
