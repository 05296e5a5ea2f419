"""The terminal command ``farcell``: see, stop and diagnose sessions without a notebook.

Exit codes: 0 done, 1 there is no such session or something is wrong, 2 used in a wrong way.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from farcell.doctor import diagnose
from farcell.transcript import text_of
from farcell_runtime import __version__
from farcell_runtime.errors import FarcellError, LostError, UsageError
from farcell_runtime.launch import living_sessions, runtime_folder
from farcell_runtime.leftovers import leftovers
from farcell_runtime.ownership import named
from farcell_runtime.runlog import LogReader
from farcell_runtime.session import Session
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.session_file import SessionFile


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the answer is the exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except FarcellError as error:
        print(f"farcell: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader, `head` for one, has seen enough. Python must not flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


# ---- status -----------------------------------------------------------------------------------


def _status(options: argparse.Namespace) -> int:
    files = _chosen(options) if options.session else living_sessions()
    seen = []
    for file in files:
        try:
            seen.append((file, _snapshot(file)))
        except LostError:
            continue  # it ended meanwhile
        except FarcellError as error:
            print(f"farcell: {file.key} does not answer: {error}", file=sys.stderr)
    if options.json:
        print(json.dumps([_as_json(file, snapshot) for file, snapshot in seen], indent=1))
    elif not seen:
        print("no session is running")
    else:
        print("\n\n".join("\n".join(_status_lines(*each)) for each in seen))
    return 0


def _snapshot(file: SessionFile) -> pb.Snapshot:
    session = Session(file, driver=False)  # also one that another version of farcell runs
    try:
        return session.snapshot()
    finally:
        session.close()


def _status_lines(file: SessionFile, snapshot: pb.Snapshot) -> Iterator[str]:
    driver = f"driver {snapshot.driver.pid}" if snapshot.drivers else "no driver"
    yield f"{file.key}" + (f"  ({snapshot.notebook})" if snapshot.notebook else "")
    yield (
        f"  engine {snapshot.engine}, up {_duration(time.time() - snapshot.started_at_s)}, "
        f"{driver}, head {snapshot.head_pid}, farcell {snapshot.farcell_version}, "
        f"Python {snapshot.python_version}"
    )
    used = sum(len(gang.members) for gang in snapshot.gangs)
    yield f"  workers {used} of {snapshot.capacity}, logs in {snapshot.folder}/logs"
    rows = [("GANG", "RANK", "WORKER", "STATE", "PID", "CPU", "MEMORY", "GPUS")]
    for gang in snapshot.gangs:
        if not gang.members:
            rows.append((gang.name, "–", "–", gang.state, "–", "–", "–", "–"))
        rows += [
            (
                gang.name,
                str(member.rank),
                member.worker,
                member.state,
                str(member.pid or "–"),
                f"{member.cpu_percent:.0f} %",
                _size(member.memory_bytes),
                str(len(member.gpu_uuids) or "–"),
            )
            for member in gang.members
        ]
    yield from (f"  {line}" for line in _table(rows))
    for run in snapshot.runs:
        if run.state in ("waiting", "running"):
            yield f"  {run.state} on {run.gang}: {run.label}"


def _as_json(file: SessionFile, snapshot: pb.Snapshot) -> dict[str, Any]:
    """Every field of the snapshot, but for the token, which it doesn't have."""
    return {"key": file.key, **_plain(snapshot)}


def _plain(message: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is None:
            repeated = not isinstance(value, str | bytes | int | float | bool)
            plain[field.name] = list(value) if repeated else value
        elif isinstance(value, Sequence) or hasattr(value, "append"):
            plain[field.name] = [_plain(each) for each in value]
        else:
            plain[field.name] = _plain(value)
    return plain


# ---- stop -------------------------------------------------------------------------------------


def _stop(options: argparse.Namespace) -> int:
    for file in _chosen(options):
        # A session that another version of farcell runs can be stopped, too.
        session = Session(file, driver=False)
        session.stop("stopped from the terminal")
        print(f"stopped {file.key}")
    return 0


# ---- logs -------------------------------------------------------------------------------------


def _logs(options: argparse.Namespace) -> int:
    folder = Path(_one(options).folder)
    if options.head:
        _print_lines((folder / "head.log").read_text(errors="replace"), options.lines)
        return 0
    workers = _workers_in(folder, options.worker)
    if options.list:
        rows = [("WORKER", "RUN", "WRITTEN", "SIZE")]
        for worker in workers:
            rows += [
                (worker.name, path.stem, _duration(time.time() - written_s) + " ago", _size(size))
                for path, written_s, size in _runs_in(worker)
            ]
        print("\n".join(_table(rows)))
        return 0
    path = _chosen_run(workers, options.run)
    reader = LogReader(str(path.parent), path.stem)
    try:
        if path.name == "worker.log":
            text = path.read_text(errors="replace")
        else:
            text = "".join(map(text_of, reader.read()))
    finally:
        reader.close()
    print(f"— {path} —", file=sys.stderr)
    _print_lines(text, options.lines)
    return 0


def _workers_in(folder: Path, wanted: str) -> list[Path]:
    """The log folders of the session's workers, or of the wanted one, the newest last."""
    found = sorted(
        (path for path in (folder / "logs").glob("w*") if path.is_dir()),
        key=lambda path: int(path.name[1:]),
    )
    if not wanted:
        return found
    names = [path.name for path in found]
    if wanted not in names:
        raise UsageError(f"there is no worker '{wanted}'", hint=_nearest(wanted, names))
    return [path for path in found if path.name == wanted]


def _runs_in(worker: Path) -> list[tuple[Path, float, int]]:
    """The logs of runs in which something was written: path, time, size; the newest last."""
    runs = []
    for path in worker.glob("*.out"):
        statuses = [each.stat() for each in worker.glob(f"{path.stem}.*")]
        if size := sum(status.st_size for status in statuses):
            runs.append((path, max(status.st_mtime for status in statuses), size))
    return sorted(runs, key=lambda run: int(run[0].stem))


def _chosen_run(workers: list[Path], number: int | None) -> Path:
    """The log of a run, or of the last one; a worker's own log where it has run nothing."""
    runs = [run for worker in workers for run in _runs_in(worker)]
    if number is not None:
        runs = [run for run in runs if run[0].stem == str(number)]
        if not runs:
            raise UsageError(
                f"run {number} has written nothing",
                hint="`farcell logs --list` shows those that have",
            )
    if runs:
        return max(runs, key=lambda run: run[1])[0]
    for worker in reversed(workers):
        if (worker / "worker.log").exists():
            return worker / "worker.log"
    raise UsageError("no worker has written anything yet", hint="try `farcell logs --head`")


def _print_lines(text: str, lines: int) -> None:
    kept = text.splitlines()
    print("\n".join(kept[-lines:] if lines else kept))


# ---- which session ----------------------------------------------------------------------------


def _chosen(options: argparse.Namespace) -> list[SessionFile]:
    """The sessions that were asked for: all, one by its name, or the only one."""
    living = living_sessions()
    if getattr(options, "all", False):
        return living
    wanted = options.session
    if wanted:
        living = [named(wanted)]
    if not living:
        raise UsageError("no session is running")
    if len(living) > 1:
        raise UsageError(
            "there are several sessions",
            hint="name one with --session: " + ", ".join(file.key for file in living),
        )
    return living


def _one(options: argparse.Namespace) -> SessionFile:
    """The session whose logs to read: a living one, or one whose head died."""
    try:
        return _chosen(options)[0]
    except UsageError:
        for each in leftovers(runtime_folder()):
            named = not options.session or options.session in (each.key, each.session)
            if named and each.path.is_dir():
                return next(iter(SessionFile.all_in(each.path)))
        raise


def _nearest(word: str, words: Sequence[str]) -> str:
    if not words:
        return ""
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.4)
    return f"did you mean '{near[0]}'?" if near else "there are: " + ", ".join(words)


# ---- how it looks -----------------------------------------------------------------------------


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _size(count_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count_bytes) < 1000:
            return f"{count_bytes:.0f} {unit}"
        count_bytes /= 1000
    return f"{count_bytes:.1f} TB"


def _duration(seconds: float) -> str:
    for unit, size_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


# ---- the command line -------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Names the nearest valid word for a word that isn't."""

    def error(self, message: str) -> NoReturn:
        hint = ""
        words = _words_of(self)
        if message.startswith(("unrecognized arguments: ", "argument ", "invalid choice")):
            wrong = [word.strip("',:") for word in message.split() if word not in words]
            near = (difflib.get_close_matches(word, words, n=1, cutoff=0.6) for word in wrong)
            best = next((match[0] for match in near if match), "")
            hint = f"\n→ did you mean '{best}'?" if best else ""
        self.exit(2, f"{self.prog}: {message}{hint}\n→ {self.prog} --help\n")


def _words_of(parser: argparse.ArgumentParser) -> list[str]:
    """Every option and command that ``parser`` and those below it know."""
    words: list[str] = []
    for action in parser._actions:
        words += action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                words += [name, *_words_of(below)]
    return words


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="farcell",
        description="See, stop and diagnose the clusters that notebooks run their cells on.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"farcell {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    status = commands.add_parser(
        "status", help="what runs where", description="Show sessions, their gangs and workers."
    )
    _add_session(status)
    status.add_argument("--all", action="store_true", help="all sessions (as without --session)")
    status.add_argument("--json", action="store_true", help="print it as JSON, for programs")
    status.set_defaults(command=_status)

    stop = commands.add_parser(
        "stop",
        help="end a session and all its workers",
        description="End a session: its workers, "
        "what they hold, and its logs. The notebook's kernel goes on.",
    )
    _add_session(stop)
    stop.add_argument("--all", action="store_true", help="all of your sessions")
    stop.set_defaults(command=_stop)

    logs = commands.add_parser(
        "logs",
        help="what a run, a worker or the head wrote",
        description="Print the log of the run that wrote last; or of another run, or of the head.",
    )
    _add_session(logs)
    which = logs.add_mutually_exclusive_group()
    which.add_argument("--head", action="store_true", help="the head's own log")
    which.add_argument("--worker", default="", metavar="W", help="runs of this worker, as in w3")
    logs.add_argument("--run", type=int, metavar="N", help="the worker's Nth run")
    logs.add_argument("--list", action="store_true", help="list the runs that wrote something")
    logs.add_argument(
        "--lines", type=int, default=0, metavar="N", help="only the last N lines (default: all)"
    )
    logs.set_defaults(command=_logs)

    doctor = commands.add_parser(
        "doctor",
        help="check this machine",
        description="Print versions, check what farcell needs "
        "of this machine, and find what sessions left behind whose head died. Exit code 1 if "
        "something is wrong.",
    )
    doctor.add_argument("--clean", action="store_true", help="remove what is left behind")
    doctor.set_defaults(command=lambda options: diagnose(clean=options.clean))
    return parser


def _add_session(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--session",
        default="",
        metavar="KEY",
        help="the session: its key or the beginning of it, or the notebook's name",
    )


if __name__ == "__main__":
    sys.exit(main())
