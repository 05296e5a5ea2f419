"""The sessions of this user that are alive, in a table."""

from __future__ import annotations

import time

from farcell.durations import duration_text
from farcell.table import table
from farcell_runtime.errors import FarcellError
from farcell_runtime.launch import living_sessions
from farcell_runtime.ownership import is_driven, names_of, quoted
from farcell_runtime.session import Session
from farcell_runtime.transport.session_file import SessionFile


def listed(key: str) -> str:
    """All of them: what each is called, who drives it, what it holds; ``key`` is this kernel's."""
    rows = [("session", "driven by", "up", "gangs", "runs", "notebook")]
    for name, file in names_of(living_sessions()).items():
        try:
            session = Session.attach(file, driver=False)
        except FarcellError as error:
            rows.append((name, _driver(file, key), "–", error.message, "–", file.notebook or "–"))
            continue
        try:
            snapshot = session.snapshot()
        except FarcellError as error:
            rows.append((name, _driver(file, key), "–", error.message, "–", file.notebook or "–"))
            continue
        finally:
            session.close()
        up_s = max(0.0, time.time() - snapshot.started_at_s)
        gangs = ", ".join(gang.name for gang in snapshot.gangs)
        runs = sum(run.state == "running" for run in snapshot.runs)
        told = (duration_text(up_s), gangs or "–", str(runs or "–"))
        rows.append((name, _driver(file, key), *told, file.notebook or "–"))
    return "\n".join(table(rows)) if len(rows) > 1 else "no session is running"


def session_names() -> list[str]:
    """What they are called, as typed in a magic's line."""
    return [quoted(name) for name in names_of(living_sessions())]


def _driver(file: SessionFile, key: str) -> str:
    if not is_driven(file):
        return "nobody"
    return "this kernel" if file.driver == key else f"process {file.driver_pid}"
