"""The measuring programs, and how one of them is run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .plan import Plan
from .samples import Failure, Sample, Versions, read

TESTS = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Program:
    """One measuring program: its module here, where it runs, and which subjects it knows."""

    name: str  #: what ``--only`` calls it
    module: str
    who: str  #: what the report calls it
    subjects: frozenset[str]
    package: str = ""  #: the peer's package, without which it is reported as missing
    in_peers: bool = False  #: whether it runs under the peers' interpreter


def _subjects(names: str) -> frozenset[str]:
    return frozenset(names.split())


PROGRAMS = (
    Program("floors", "bench.floors", "floor", _subjects("floor trip start")),
    Program(
        "farcell",
        "bench.farcell_notebook",
        "farcell",
        _subjects("trip start restart stop accident values flood memory"),
    ),
    Program(
        "ray",
        "bench.ray_peer",
        "Ray",
        _subjects("trip start restart stop values memory"),
        package="ray",
        in_peers=True,
    ),
    Program(
        "monarch",
        "bench.monarch_peer",
        "Monarch",
        _subjects("trip start restart memory"),
        package="torchmonarch",
        in_peers=True,
    ),
    Program(
        "dask",
        "bench.dask_peer",
        "Dask",
        _subjects("trip start restart memory"),
        package="distributed",
        in_peers=True,
    ),
    Program(
        "ipyparallel",
        "bench.ipyparallel_peer",
        "ipyparallel",
        _subjects("trip start stop flood memory"),
        package="ipyparallel",
    ),
)


def installed(python: Path, package: str) -> bool:
    """Whether ``package`` is installed for the interpreter ``python``."""
    code = f"import importlib.metadata as m; m.version({package!r})"
    try:
        done = subprocess.run([str(python), "-c", code], capture_output=True, check=False)
    except OSError:
        return False
    return not done.returncode


def measure(
    program: Program, plan: Plan, peers: Path, *, timeout_s: float
) -> list[Sample | Failure | Versions]:
    """Run one program to its end, or to ``timeout_s``; what it measured until then is kept."""
    python = str(peers) if program.in_peers else sys.executable
    process = subprocess.Popen(
        [python, "-m", program.module, *plan.arguments()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=TESTS.parent,
        env={
            **os.environ,
            "PYTHONPATH": str(TESTS),
            "BENCH_KERNEL_PYTHON": str(peers) if program.package else sys.executable,
        },
    )
    why = ""
    try:
        output, errors = process.communicate(timeout=timeout_s)
        if process.returncode:
            last = (errors.strip() or f"exit code {process.returncode}").splitlines()[-1]
            why = f"the program failed: {last[:200]}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        why = f"the program did not end within {timeout_s:.0f} s"
    records = list(read(output))
    if why:
        records.append(Failure("program", program.who, why))
    return records
