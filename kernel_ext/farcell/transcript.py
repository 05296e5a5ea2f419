"""What a run has said, as text."""

from __future__ import annotations

from collections.abc import Sequence

from farcell.output import RanksOutput
from farcell_runtime.runlog import Event, LogReader, Text

_MOST_BYTES = 1 << 20  # of a text that a page can show


class Transcript:
    """Takes what a run has said, in order."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def show(self, item: Text | Event) -> None:
        self._parts.append(text_of(item))

    @property
    def text(self) -> str:
        return "".join(self._parts)


def text_of(item: Text | Event) -> str:
    """What is displayed, as text; nothing for what has none."""
    if isinstance(item, Text):
        return item.text
    if item.kind == "error":
        return "\n".join(item.content.get("traceback", [])) + "\n"
    text = item.content.get("data", {}).get("text/plain", "")
    return f"{text}\n" if text else ""


def transcript(logs: Sequence[LogReader | None]) -> str:
    """What the ranks of a run have said: alike once, and the rest with the rank in front.

    Of a very long log there are the two ends, and where it is. A rank without a log said nothing.
    """
    found = Transcript()
    together = RanksOutput(found, len(logs))
    for rank, log in enumerate(logs):
        items = [] if log is None else list(log.read(skip_over_bytes=_MOST_BYTES // len(logs)))
        if len(logs) > 1:
            together.add(rank, items)
            continue
        for item in items:
            found.show(item)
    for rank in range(len(logs)):
        together.ended(rank)
    together.flush(wait=False)
    return found.text
