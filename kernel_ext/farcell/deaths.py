"""A worker's end, as the person at the notebook is told of it."""

from __future__ import annotations

import signal

from farcell_runtime.errors import WorkerLost
from farcell_runtime.transport import farcell_pb2 as pb


def worker_lost(exit_: pb.WorkerExit, last_lines: list[str]) -> WorkerLost:
    """The error for a worker's end: what ended it, and its last lines."""
    from_signal = _signal_name(exit_.signal)
    if exit_.out_of_memory:
        how = "was killed: out of memory"
        hint = "the machine had no memory left: use smaller batches, or free names with `del`"
    elif exit_.expected:
        how = "was stopped"
        hint = "run the cell again; it starts on a fresh worker"
    elif exit_.signal:
        how = f"was killed by {from_signal}"
        hint = "run the cell again; it starts on a fresh worker"
    else:
        how = f"exited with code {exit_.exit_code}"
        hint = "run the cell again; it starts on a fresh worker"
    shown = "".join(f"\n  | {line}" for line in last_lines)
    return WorkerLost(
        f"the worker of rank {exit_.rank} (gang {exit_.gang}) {how}{shown}",
        gang=exit_.gang,
        rank=exit_.rank,
        exit_code=None if exit_.signal else exit_.exit_code,
        signal=from_signal,
        out_of_memory=exit_.out_of_memory,
        last_lines=last_lines,
        hint=hint,
    )


def _signal_name(number: int) -> str:
    if not number:
        return ""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
