"""Receipts in words: what moved, how much of it, why, and when that is worth a line."""

from __future__ import annotations

from typing import Any

import pytest

from farcell.capture import Reads
from farcell.receipt import Receipt, Receipts, dry_run, time_text
from farcell.shipment import Moved, Shipment, moved, reasons
from farcell_runtime.codec import Pickled
from farcell_runtime.values import Parcel, Patch

MB = 1_000_000


def piece(name: str, size: int, whole: int = 0, why: str = "") -> Moved:
    return Moved((name,), size, whole or size, why)


LINES: dict[str, tuple[Receipt, str]] = {
    "one name": (Receipt(sent=[piece("a", 2000)], took_s=0.44), "→ a 2.0 kB | 0.4 s"),
    "a reason": (
        Receipt(sent=[piece("a", 2000, why="read by f")], took_s=0.02),
        "→ a 2.0 kB (read by f) | 20 ms",
    ),
    "a patch": (
        Receipt(sent=[piece("a", MB, 100 * MB)]),
        "→ a 1.0 MB of 100.0 MB changed",
    ),
    "names in one pickle": (
        Receipt(sent=[Moved(("a", "b", "c", "d"), 2000, 2000, "sharing data")]),
        "→ a, b and 2 more 2.0 kB (sharing data)",
    ),
    "the largest first": (
        Receipt(sent=[piece(f"n{i}", i * 1000) for i in range(1, 7)]),
        "→ n6 6.0 kB · n5 5.0 kB · n4 4.0 kB · … and 3 more, 6.0 kB",
    ),
    "one more is told": (
        Receipt(sent=[piece(f"n{i}", i * 1000) for i in range(1, 5)]),
        "→ n4 4.0 kB · n3 3.0 kB · n2 2.0 kB · n1 1.0 kB",
    ),
    "unchanged": (
        Receipt(sent=[piece("a", 10)], unchanged={"df": 1200 * MB, "np": 60, "a": 5000}),
        "→ a 10 B · df 1.2 GB (unchanged)",
    ),
    "many unchanged": (
        Receipt(unchanged={f"n{i}": i * 1000 for i in range(6)}, took_s=61),
        "→ n5 5.0 kB (unchanged) · n4 4.0 kB (unchanged) · 3 more unchanged | 1 min 1 s",
    ),
    "ranks": (Receipt(sent=[piece("a", 10)], ranks=3), "→ a 10 B to each of 3 ranks"),
    "what came": (
        Receipt(
            came={"one": [piece("x", 800 * MB)], "two": [piece("y", 2), piece("z", 0, 5 * MB)]},
            fetched_s={"one": 0.2, "two": 0.1},
        ),
        "← x 800.0 MB from gang one, 0.2 s | ← y 2 B · z 5.0 MB (unchanged) from gang two, 0.1 s",
    ),
    "nothing": (Receipt(took_s=3.0), "3.0 s"),
    "a long name": (
        Receipt(sent=[piece("a" * 20 + "b" * 20, 1)]),
        f"→ {'a' * 16}…{'b' * 15} 1 B",
    ),
}


@pytest.mark.parametrize(("receipt", "line"), LINES.values(), ids=LINES)
def test_the_line(receipt: Receipt, line: str) -> None:
    assert " | ".join(receipt.parts()) == line


WORTH: dict[str, tuple[Receipt, bool]] = {
    "sent": (Receipt(remote=True, sent=[piece("a", 1)]), True),
    "nothing": (Receipt(remote=True, unchanged={"a": MB}, took_s=0.9), False),
    "long": (Receipt(remote=True, took_s=1.1), True),
    "home from another gang": (Receipt(remote=True, came={"x": [piece("a", 1)]}), True),
    "little came": (Receipt(came={"x": [piece("a", MB)]}, fetched_s={"x": 0.4}), False),
    "much came": (Receipt(came={"x": [piece("a", MB + 1)]}, fetched_s={"x": 0.1}), True),
    "it took long": (Receipt(came={"x": [piece("a", 0, 9)]}, fetched_s={"x": 0.6}), True),
}


@pytest.mark.parametrize(("receipt", "worth"), WORTH.values(), ids=WORTH)
def test_when_it_is_told(receipt: Receipt, worth: bool) -> None:
    assert receipt.is_worth_telling() is worth


class Shell:
    """A shell that keeps what is displayed."""

    def __init__(self) -> None:
        self.display_pub = self
        self.shown: list[dict[str, Any]] = []

    def publish(self, data: dict[str, Any]) -> None:
        self.shown.append(data)


def test_it_is_told_once_and_escaped() -> None:
    shell = Shell()
    receipts = Receipts(shell, on=True)
    receipts.show()
    assert shell.shown == []
    with receipts.fetching("a<b>&c") as came:
        came.append(piece("x", 2 * MB))
    receipts.show()
    receipts.show()
    [data] = shell.shown
    assert data["text/plain"].startswith("← x 2.0 MB from gang a<b>&c, ")
    assert "from\xa0gang\xa0a&lt;b&gt;&amp;c" in data["text/html"]
    assert len(data["text/html"]) < 500, "it is saved with the notebook"


def test_it_is_dim_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell()
    receipts = Receipts(shell, on=True)
    for terminal in (True, False):
        monkeypatch.setattr("sys.stdout.isatty", lambda terminal=terminal: terminal)
        receipts.sent(Shipment(moved=[piece("x", 1)]), 1)
        receipts.show()
    assert [data["text/plain"] for data in shell.shown] == ["\x1b[2m→ x 1 B\x1b[0m", "→ x 1 B"]


def test_switched_off_it_is_forgotten() -> None:
    shell = Shell()
    receipts = Receipts(shell, on=False)
    receipts.sent(Shipment(moved=[piece("x", 1)]), 1)
    receipts.show()
    receipts.on = True
    receipts.show()
    assert shell.shown == []


def test_times() -> None:
    shown = [time_text(seconds) for seconds in (0.0012, 0.0994, 0.44, 12.34, 125.4)]
    assert shown == ["1 ms", "99 ms", "0.4 s", "12.3 s", "2 min 5 s"]


def test_a_dry_run() -> None:
    shipment = Shipment(
        moved=[piece("a", MB, 8 * MB), Moved(("b", "c", "d"), 5, 5, "sharing data")],
        unchanged={"np": 0, "df": 7},
        first={"one": {"x": 0, "y": 5}},
    )
    assert dry_run("two", shipment) == (
        "to gang two:\n"
        "  from gang one first, and then on: x (its size is known there), "
        "y (5 B when it last moved)\n"
        "  → a 1.0 MB of 8.0 MB changed\n"
        "  → b, c, d 5 B (sharing data)\n"
        "  there already: df, np"
    )
    assert dry_run("two", Shipment()) == "to gang two:\n  nothing"


def test_what_is_in_a_parcel() -> None:
    parcel = Parcel(
        [
            Pickled(b"12345", (b"678",), frozenset()),
            Pickled(b"1" * 20, (), frozenset()),
            Patch("w", [(0, 1)], [b""], [memoryview(b"1" * 30)]),
        ],
        names=[("a",), ("b", "c"), ("w",)],
    )
    sizes = {"a": 8, "b": 15, "c": 15, "w": 3000}
    why = {"a": "read by f", "c": "may share data with b"}
    assert moved(parcel, sizes, why) == [
        Moved(("w",), 30, 3000),
        Moved(("b", "c"), 20, 20, "sharing data"),
        Moved(("a",), 8, 8, "read by f"),
    ]
    apart = dict.fromkeys("bc", "may share data with x")
    assert moved(parcel, sizes, apart)[1].why == "may share data with x"
    assert [each.is_patch for each in moved(parcel, sizes)] == [True, False, False]
    parcel.names.pop()
    assert moved(parcel, sizes, asked=["w", "v"])[0] == Moved(("w", "v"), 30, 30)


GRAPH = {"f": ["g", "k"], "g": ["deep"], "s": ["under"]}


def trace(names: Any) -> dict[str, str]:
    """What GRAPH says that is read in turn."""
    found = dict.fromkeys(names, "")
    for name in names:
        for other in GRAPH.get(name, ()):
            found |= {other: name} | dict.fromkeys(GRAPH.get(other, ()), other)
    return found


def test_reasons() -> None:
    reads = Reads(names={"f", "x"}, maybe={"s"})
    certain = {"f", "x", "g", "k", "deep", "far"}
    why = reasons(
        {"f", "x", "g", "deep", "alias", "far", "s", "under"},
        reads,
        certain,
        [{"x", "alias"}],
        trace,
    )
    assert why == {
        "g": "read by f", "deep": "read by g", "alias": "may share data with x",
        "far": "read by a function", "s": "mentioned in a string", "under": "read by s",
    }  # fmt: skip
    reads.everything = True
    assert reasons({"s", "other"}, reads, certain, [], trace) == {
        "s": "mentioned in a string", "other": "all names are read",
    }  # fmt: skip
    assert reasons({"f"}, reads, certain, [], trace) == {}
