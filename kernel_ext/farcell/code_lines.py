"""In words: what a version of the code has changed, and what could not be taken."""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Mapping, Sequence

from farcell.code_commands import Fault, Text
from farcell.code_versions import Version
from farcell.receipt import time_text
from farcell.table import table
from farcell_runtime.errors import ReloadError, UsageError

_MOST_FILES, _MOST_NAMES = 3, 4
_BETWEEN = " · "


def line_of(version: Version) -> str:
    """``code v8: model.py: loss_fn, Net.forward · 4 workers · 6 ms``."""
    parts = [f"code v{version.number}: {what(version)}"]
    if version.workers:
        parts.append(f"{version.workers} worker{'' if version.workers == 1 else 's'}")
    if version.later:
        gangs = ", ".join(dict.fromkeys(version.later))
        parts.append(f"later on gang{'s' if ',' in gangs else ''} {gangs}")
    parts.append(time_text(version.took_s))
    return _BETWEEN.join(parts)


def what(version: Version) -> str:
    """What was changed, by file: ``model.py: loss_fn, Net.forward; data.py``."""
    by_module: dict[str, list[str]] = {text.module: [] for text in version.texts}
    for name in version.changed:
        if module := _module_of(name, by_module):
            by_module[module].append(name.removeprefix(f"{module}."))
    files = []
    for text in version.texts:
        file = os.path.basename(text.path)
        if file == "__init__.py":
            file = f"{os.path.basename(os.path.dirname(text.path))}/{file}"
        names = by_module[text.module]
        shown = ", ".join(names[:_MOST_NAMES])
        if len(names) > _MOST_NAMES:
            shown += f" and {len(names) - _MOST_NAMES} more"
        gone = " (deleted)" if text.source is None else ""
        files.append(f"{file}{gone}: {shown}" if shown else f"{file}{gone}")
    if len(files) > _MOST_FILES + 1:
        files[_MOST_FILES:] = [f"and {len(files) - _MOST_FILES} more files"]
    return "; ".join(files)


def refusal(error: ReloadError, version: int) -> str:
    """What an edit that could not be taken is told as."""
    where = f"{error.file}, line {error.line}: " if error.line else f"{error.file}: "
    lines = [f"farcell: {where if error.file else ''}{error.message}"]
    if error.source_line.strip():
        lines.append(f"    {error.source_line.strip()}")
    lines.append(f"  notebook and workers go on with code v{version}")
    if error.hint:
        lines.append(f"→ {error.hint}")
    return "\n".join(lines)


def outdated(module: str, path: str) -> str:
    """What is told of a module that was edited before anybody watched over it."""
    return (
        f"farcell: {path} was changed after it was imported, and before farcell was loaded: "
        f"what runs here is older\n→ importlib.reload({module}), or restart the kernel"
    )


def lag(gang: str, fault: Fault) -> str:
    """Why a gang can't run a cell."""
    where = f"{fault.file}, line {fault.line}: " if fault.line else ""
    line = f"\n    {fault.source_line.strip()}" if fault.source_line.strip() else ""
    return f"gang {gang} can't take the notebook's code: {where}{fault.message}{line}"


def listing(versions: Sequence[Version], lagging: Mapping[str, str]) -> str:
    """The versions, oldest first: what each has changed, when, and which runs used it.

    Args:
        lagging: gangs that don't have the last one, and why.
    """
    rows = [("version", "at", "workers", "runs", "changed")]
    for version in versions:
        at = time.strftime("%H:%M:%S", time.localtime(version.at_s)) if version.at_s else "–"
        changed = what(version) if version.texts else "as it was loaded"
        workers = str(version.workers) if version.texts else "–"
        rows.append((f"v{version.number}", at, workers, _runs(version.runs), changed))
    lines = table(rows, right=("workers",))
    lines += [f"gang {gang} lags behind: {why}" for gang, why in lagging.items()]
    return "\n".join(lines)


def diff(versions: Sequence[Version], old: int, new: int) -> str:
    """What lies between two versions, as ``diff -u`` shows it.

    Raises:
        UsageError: if there are none of these numbers.
    """
    for number in (old, new):
        if not any(version.number == number for version in versions):
            kept = f"from v{versions[0].number} to v{versions[-1].number}"
            raise UsageError(f"there is no code v{number}", hint=kept)
    if old > new:
        old, new = new, old
    first: dict[str, Text | None] = {}
    last: dict[str, Text] = {}
    for version in versions:
        if old < version.number <= new:
            befores = {text.module: text for text in version.before}
            for text in version.texts:
                first.setdefault(text.module, befores.get(text.module))
                last[text.module] = text
    lines: list[str] = []
    for module, after in last.items():
        before = first[module]
        lines += difflib.unified_diff(
            _lines(before), _lines(after), f"{after.path} v{old}", f"{after.path} v{new}"
        )
    return "".join(lines).rstrip("\n") or f"v{old} and v{new} are the same"


def _lines(text: Text | None) -> list[str]:
    if text is None or text.source is None:
        return []
    lines = text.source.decode(errors="replace").splitlines(keepends=True)
    return [line if line.endswith("\n") else f"{line}\n" for line in lines]


def _module_of(name: str, modules: dict[str, list[str]]) -> str:
    """The longest of ``modules`` that a dotted name begins with."""
    found = [each for each in modules if name == each or name.startswith(f"{each}.")]
    return max(found, key=len, default="")


def _runs(runs: Sequence[str]) -> str:
    if not runs:
        return "–"
    shown = ", ".join(dict.fromkeys(runs[-4:]))
    return f"{len(runs)}, latest {shown}" if len(runs) > 4 else shown
