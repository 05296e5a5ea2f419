"""The driver: runs the programs round by round and writes the report."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .machine import describe, is_busy, own_versions
from .peers_venv import peers_python
from .plan import SUBJECTS, plan_for
from .programs import PROGRAMS, Program, installed, measure
from .report import Results, markdown

ROOT = Path(__file__).resolve().parents[2]


def _arguments() -> argparse.Namespace:
    names = [program.name for program in PROGRAMS]
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure farcell beside its peers and write BENCHMARKS.md.",
    )
    parser.add_argument("--quick", action="store_true", help="one round with fewer repeats")
    parser.add_argument("--full", action="store_true", help="also 64 ranks (minutes more)")
    parser.add_argument("--rounds", type=int, help="how often each program runs (default: 3)")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        choices=[*SUBJECTS, *names],
        help=f"one subject ({', '.join(SUBJECTS)}) or program ({', '.join(names)}); repeatable",
    )
    parser.add_argument(
        "--peers",
        type=Path,
        metavar="PYTHON",
        help="an interpreter that has the peers (default: .venv-peers, made if need be)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="where the report goes (default: BENCHMARKS.md, or with --quick or --only: nowhere)",
    )
    return parser.parse_args()


def _chosen(only: list[str]) -> tuple[list[Program], frozenset[str]]:
    """The programs and subjects that ``--only`` leaves."""
    subjects = frozenset(SUBJECTS) & frozenset(only) or frozenset(SUBJECTS)
    named = [program for program in PROGRAMS if program.name in only]
    return [one for one in named or PROGRAMS if one.subjects & subjects], subjects


def main() -> None:
    given = _arguments()
    programs, subjects = _chosen(given.only)
    rounds = given.rounds or (1 if given.quick else 3)
    machine = describe()
    if is_busy():
        print("warning: this machine is busy; figures and ratios will say more of that", flush=True)
    peers = Path(sys.executable)
    results = Results(versions=own_versions(), subjects=subjects)
    if any(program.package for program in programs):
        peers = given.peers or peers_python(ROOT)
    for program in [program for program in programs if program.package]:
        if not installed(peers, program.package):
            results.missing.append(program.who)
            programs.remove(program)
    begun = time.monotonic()
    for number in range(rounds):
        results.begin_round()
        # 64 of everything takes minutes: once is enough.
        plan = plan_for(subjects=subjects, quick=given.quick, full=given.full and not number)
        for program in programs if number % 2 == 0 else reversed(programs):
            print(f"round {number + 1}/{rounds}: {program.name} …", end=" ", flush=True)
            started = time.monotonic()
            results.add(measure(program, plan, peers, timeout_s=420 if given.full else 150))
            print(f"{time.monotonic() - started:.0f} s", flush=True)
    text = markdown(
        results,
        machine,
        when=time.strftime("%Y-%m-%d"),
        took_s=time.monotonic() - begun,
        full=given.full,
    )
    print(f"\n{text}")
    output = given.output or (None if given.quick or given.only else ROOT / "BENCHMARKS.md")
    if output is not None:
        output.write_text(text)
        print(f"written to {output}")


if __name__ == "__main__":
    main()
