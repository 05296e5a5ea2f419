"""The verbs of ``%cluster``, as functions that return what is to be shown."""

from __future__ import annotations

import time
import unicodedata
from dataclasses import replace
from pathlib import Path

from farcell import transfer
from farcell.durations import duration_text
from farcell.notebook import Notebook, check_gang
from farcell.options import count, nearest
from farcell.sessions import listed
from farcell.table import table
from farcell.transcript import transcript
from farcell_runtime.config import Config
from farcell_runtime.engines import ENGINES
from farcell_runtime.errors import UsageError
from farcell_runtime.runlog import LogReader
from farcell_runtime.sizes import size_text
from farcell_runtime.transport import farcell_pb2 as pb

_LINES = 40  # of each log, unless asked for more


def status(notebook: Notebook) -> str:
    """The cluster in a few lines: its engine, its gangs with their ranks, what runs."""
    if not notebook.running:
        return "no cluster; %cluster start, or run a %%remote cell"
    notebook.cells.tell_reports()
    return status_text(notebook.session().snapshot())


def status_text(snapshot: pb.Snapshot) -> str:
    """The same, of any session's snapshot."""
    up_s = max(0.0, time.time() - snapshot.started_at_s)
    ranks = sum(len(gang.members) for gang in snapshot.gangs)
    lines = [
        f"farcell {snapshot.farcell_version} · engine {snapshot.engine} · "
        f"up {duration_text(up_s)} · {ranks} of {snapshot.capacity} workers"
    ]
    if snapshot.idle_stop_s:
        idle = duration_text(snapshot.idle_stop_s)
        lines.append(f"stops itself {idle} after its notebook is gone and nothing runs")
    else:
        lines.append("goes on without a notebook, until it is stopped")
    for gang in snapshot.gangs:
        lines.append(f"gang {gang.name}: {gang.state}")
        for member in gang.members:
            parts = [f"  rank {member.rank}", member.state]
            if member.pid:
                parts.append(f"pid {member.pid}")
            if member.memory_bytes:
                parts.append(size_text(member.memory_bytes))
            if member.gpu_uuids:
                parts.append(f"{len(member.gpu_uuids)} GPUs")
            lines.append(" · ".join(parts))
    running = [run for run in snapshot.runs if run.state == "running"]
    lines += [f"running on {run.gang}: {run.label}" for run in running]
    return "\n".join(lines)


def start(
    notebook: Notebook,
    engine: str | None = None,
    workers: int | None = None,
    idle_stop: float | None = None,
) -> str:
    """Start a cluster, or attach to the one that this notebook has and nobody else drives."""
    changes: dict[str, object] = {}
    if engine is not None:
        changes["engine"] = engine
    if workers is not None:
        changes["workers"] = workers
    if idle_stop is not None:
        if idle_stop < 0:
            raise UsageError("--idle-stop wants a number of seconds, 0 or more")
        changes["idle_stop_s"] = idle_stop
    if engine is not None and engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}", hint=nearest(engine, ENGINES))
    config = replace(Config.from_environment(), **changes) if changes else None  # type: ignore[arg-type]
    notebook.start(config, own=True)
    return status_text(notebook.session().snapshot())


def attach(notebook: Notebook, session: str | None = None, take: bool = False) -> str:
    """Attach to a session that is alive, or list those that there are."""
    if session is None:
        return listed(notebook.key)
    return notebook.attach(session, take=take)


def detach(notebook: Notebook) -> str:
    """Let go of the cluster, which goes on."""
    left = notebook.leave()
    return f"{left}; a %%remote cell starts another"


def stop(notebook: Notebook, gang: str | None = None) -> str:
    """Stop the cluster, or one gang."""
    if not notebook.running:
        return "no cluster"
    if gang is not None:
        session = notebook.session()
        check_gang(gang, [each.name for each in session.snapshot().gangs])
        session.close_gang(gang)
        notebook.lose_gang(gang, f"gang {gang} was stopped")
        return f"stopped gang {gang}"
    notebook.stop()
    return "stopped"


def restart(notebook: Notebook, on: str | None = None) -> str:
    """Give gangs fresh workers."""
    session = notebook.session()
    known = [gang.name for gang in session.snapshot().gangs]
    for name in [on] if on else known:
        check_gang(name, known)
        session.restart(name)
        notebook.lose_gang(name, f"gang {name} was restarted")
    return "restarted: " + (", ".join([on] if on else known) or "nothing")


def scale(notebook: Notebook, workers: int | str) -> str:
    """Let the cluster hold so many workers at once."""
    try:
        number = count(str(workers), 1)
    except ValueError as error:
        raise UsageError(f"%cluster scale {workers}: {error}") from None
    notebook.session().scale(number)
    return f"up to {number} workers"


def interrupt(notebook: Notebook, on: str | None = None) -> str:
    """Interrupt what runs."""
    if not notebook.running:
        return "no cluster"
    session = notebook.session()
    snapshot = session.snapshot()
    if on:
        check_gang(on, [gang.name for gang in snapshot.gangs])
    stopped = [run for run in snapshot.runs if run.state == "running" and on in (None, run.gang)]
    for run in stopped:
        session.interrupt(run.gang, run.run)
    return "interrupted: " + (", ".join(run.gang for run in stopped) or "nothing ran")


def runs(notebook: Notebook) -> str:
    """The background runs, oldest first."""
    rows = [("run", "name", "gang", "state", "time", "cell")]
    for run in notebook.cells.background.values():
        time_text = duration_text(run.elapsed_s)
        rows.append((str(run.number), run.name or "–", run.gang, run.state, time_text, run.label))
    return "\n".join(table(rows)) if len(rows) > 1 else "no background runs"


def cancel(notebook: Notebook, run: str) -> str:
    """Interrupt a background run."""
    found = notebook.cells.find(run)
    if found.done():
        return f"run {run} is over: {found.state}"
    found.cancel()
    return f"interrupted run {run}"


def keep(notebook: Notebook, run: str, name: str) -> str:
    """Have a name be what a run made of it."""
    number = int(run) if run.isdigit() else notebook.cells.find(run).number
    notebook.cells.overlaps.keep(number, name)
    return f"'{name}' is what run {run} made of it"


def names(notebook: Notebook, on: str | None = None) -> str:
    """The names that the notebook and its gangs share: what they are and who has them."""
    directory = notebook.names.directory
    rows = [("name", "type", "size", "version", "newest on", "also on")]
    for name in sorted(directory):
        holders = directory.holders(name)
        if name.startswith("_") or (on is not None and on not in holders):
            continue
        entry = directory.entry(name)
        size = size_text(entry.size_bytes) if entry.size_bytes else "–"
        older = sorted(place for place in entry.held if place not in holders)
        rest = ", ".join(f"{place} (version {entry.held[place]})" for place in older)
        kind = entry.type_name or "–"
        rows.append((name, kind, size, str(entry.version), ", ".join(holders), rest))
    if len(rows) == 1:
        return "no names" if on is None else f"gang {on} has the newest of no name"
    return "\n".join(table(rows, right=("size", "version")))


def recover(
    notebook: Notebook, *names: str, yes: bool | None = None, dry_run: bool | None = None
) -> str:
    """Run again the cells that make what a lost worker had."""
    recovery = notebook.recovery(names)
    if dry_run or not recovery.plan.steps:
        return repr(recovery)
    print(recovery)
    if not yes:
        agreed = recovery.agreed()
        if agreed is None:
            return f"nobody can be asked here; this runs it: {recovery.command}"
        if not agreed:
            return "nothing was run"
    return recovery.run()


def free(notebook: Notebook, *words: str, on: str | None = None) -> str:
    """Delete names on gangs, and give back their memory."""
    text = unicodedata.normalize("NFKC", " ".join(words))  # as Python reads names
    return notebook.free(text.replace(",", " ").split(), on)


def put(notebook: Notebook, path: str, dest: str | None = None, on: str | None = None) -> str:
    """Copy a file or folder to the machines of a gang's workers."""
    return transfer.put(notebook.gang_called(on), path, dest)


def get(
    notebook: Notebook, path: str, dest: str | None = None, on: str | None = None, rank: int = 0
) -> str:
    """Copy a file or folder from the machine of one of a gang's workers."""
    gang = notebook.gang_called(on)
    if rank >= len(gang.ranks):
        last = len(gang.ranks) - 1
        raise UsageError(f"gang {gang.name} has no rank {rank}", hint=f"its ranks are 0 to {last}")
    return transfer.get(gang, gang.ranks[rank], path, dest)


def logs(
    notebook: Notebook,
    run: str | None = None,
    on: str | None = None,
    lines: int | None = None,
    head: bool = False,
) -> str:
    """The log of a run, the ends of the logs of each rank's latest run, or the head's own log."""
    if not notebook.running:
        return "no cluster"
    if run is not None:
        notebook.cells.tell_reports()
    snapshot = notebook.session().snapshot()
    if run is not None:
        text = _log_of(snapshot, run)
        return "\n".join(text.splitlines()[-lines:]) if lines else text.removesuffix("\n")
    lines = lines or _LINES
    if head:
        text = (Path(snapshot.folder) / "head.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:]) or "the head has logged nothing"
    gangs = [gang for gang in snapshot.gangs if on is None or gang.name == on]
    if on is not None and not gangs:
        known = ", ".join(gang.name for gang in snapshot.gangs)
        raise UsageError(f"there is no gang '{on}'", hint=f"gangs: {known or 'none'}")
    shown: list[str] = []
    for gang in gangs:
        for member in gang.members:
            shown.append(f"gang {gang.name}, rank {member.rank} ({member.log_folder})")
            shown += latest_lines(member.log_folder, lines)
    return "\n".join(shown)


def _log_of(snapshot: pb.Snapshot, key: str) -> str:
    """What a background run has said, or the latest cell, be it of a kernel before this one."""
    known = [report for report in snapshot.runs if report.number]
    found = [report for report in known if key in (str(report.number), report.name)]
    if not found and key == "last":
        found = list(snapshot.runs)
    if not found:
        told = ", ".join(report.name or str(report.number) for report in known)
        raise UsageError(f"there is no background run {key!r}", hint=f"runs: {told or 'none'}")
    report = found[-1]
    readers = [
        LogReader(f"{snapshot.folder}/logs/{worker}", str(number)) if number else None
        for worker, number in zip(report.workers, report.logs, strict=True)
    ]
    if gone := [reader.path for reader in readers if reader and not reader.path.exists()]:
        raise UsageError(
            f"the log of run {key} is gone: {gone[0]}",
            hint="a worker keeps the logs of its last 200 runs",
        )
    try:
        return transcript(readers)
    finally:
        for reader in readers:
            if reader is not None:
                reader.close()


def latest_lines(folder: str, lines: int) -> list[str]:
    """The end of the latest run's log in a worker's log folder."""
    names = [int(path.stem) for path in Path(folder).glob("*.out") if path.stem.isdigit()]
    for name in sorted(names, reverse=True):
        reader = LogReader(folder, str(name))
        try:
            if found := reader.tail(lines):
                return found
        finally:
            reader.close()
    return []
