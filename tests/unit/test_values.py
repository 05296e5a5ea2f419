"""Two sides of one namespace: what is sent, what is known to be there already, what can't go."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from farcell_runtime import codec
from farcell_runtime.values import Answer, Values, digest


class Side:
    """A namespace and its values."""

    def __init__(self, **names: Any) -> None:
        self.namespace: dict[str, Any] = names
        self.values = Values(lambda: self.namespace)

    def send(self, other: Side, *names: str) -> list[str]:
        """Send names; the answer is those that the other side is known to have."""
        pickled, same = self.values.join(self.values.pieces(names), names)
        if pickled is not None:
            other.values.bind(codec.load(pickled.data, [bytearray(b) for b in pickled.buffers]))
        return same

    def fetch(self, other: Side, *names: str, anew: bool = False) -> Answer:
        answer = other.values.fetch(names, anew=anew)
        if answer.pickled is not None:
            buffers = [bytearray(buffer) for buffer in answer.pickled.buffers]
            self.values.bind(codec.load(answer.pickled.data, buffers))
        return answer


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are bound in the notebook's namespace while they arrive: a namespace of the test's."""
    home: dict[str, Any] = {}
    monkeypatch.setattr(codec, "home", lambda: home)


def test_what_is_unchanged_is_not_sent_again() -> None:
    here, there = Side(x=[1], y="a"), Side()
    assert here.send(there, "x", "y") == []
    assert there.namespace == {"x": [1], "y": "a"}
    assert here.send(there, "x", "y") == ["x", "y"]
    here.namespace["x"].append(2)
    assert here.send(there, "x", "y") == ["y"]
    assert there.namespace["x"] == [1, 2]


def test_what_came_is_known_to_be_there() -> None:
    here, there = Side(x=[1]), Side()
    here.send(there, "x")
    assert here.fetch(there, "x").unchanged == ["x"]
    there.namespace["x"].append(2)
    assert here.fetch(there, "x").unchanged == []
    assert here.namespace["x"] == [1, 2]
    assert here.send(there, "x") == ["x"]


def test_what_is_wanted_anew_is_sent_anyway() -> None:
    here, there = Side(x=1), Side()
    here.send(there, "x")
    answer = here.fetch(there, "x", anew=True)
    assert answer.pickled is not None
    assert answer.unchanged == []


def test_what_the_other_side_lost_is_sent_again() -> None:
    here, there = Side(x=1, y=2), Side()
    here.send(there, "x", "y")
    here.values.forget(["x", "unknown"])
    assert here.send(there, "x", "y") == ["y"]
    here.values.forget()
    assert here.send(there, "x", "y") == []


def test_what_the_other_side_may_have_changed_is_sent_again() -> None:
    here, there = Side(x=1, y=2), Side()
    here.send(there, "x", "y")
    here.values.doubt(["x", "y", "unknown"])
    there.namespace["x"] = 5
    here.values.confirm(["y", "unknown"])
    assert here.send(there, "x", "y") == ["y"]
    assert there.namespace["x"] == 1
    here.values.confirm(["x"])
    assert here.send(there, "x", "y") == ["x", "y"]


def test_what_shares_a_part_goes_in_one_pickle() -> None:
    part = [1]
    here, there = Side(part=part, holder={"part": part}), Side()
    here.send(there, "part", "holder")
    assert there.namespace["holder"]["part"] is there.namespace["part"]


def test_names_of_one_object_go_together() -> None:
    one: list[int] = []
    here, there = Side(a=one, b=one, c=1), Side()
    here.send(there, "a", "c")
    pieces = here.values.pieces(["a", "b", "c"])
    pickled, same = here.values.join(pieces, ["a", "b", "c"], together=[{"a", "b", "gone"}])
    assert same == ["c"]
    assert pickled is not None
    values = codec.load(pickled.data)
    assert set(values) == {"a", "b"}
    assert values["a"] is values["b"]


def test_what_can_not_travel_holds_nothing_up() -> None:
    here, there = Side(), Side(x=1, lock=threading.Lock(), deep={"a": [threading.Lock()]})
    answer = here.fetch(there, "x", "lock", "deep", "unknown")
    assert here.namespace == {"x": 1}
    assert answer.unknown == ["unknown"]
    assert set(answer.missing) == {"lock", "deep"}
    assert "_thread.lock" in answer.missing["lock"]
    assert answer.missing["deep"].startswith("deep['a'][0]")
    assert answer.types == {"lock": "_thread.lock", "deep": "dict"}
    assert answer.reprs["lock"].startswith("<unlocked _thread.lock")


class Verbose:
    def __init__(self, text: str) -> None:
        self.text, self.lock = text, threading.Lock()

    def __repr__(self) -> str:
        if not self.text:
            raise ValueError
        return self.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("x" * 10_000, "x" * 499 + "…"), ("", "<its __repr__ raised ValueError>")],
)
def test_what_stays_is_shown_shortly(text: str, shown: str) -> None:
    answer = Side(v=Verbose(text)).values.fetch(["v"])
    assert answer.reprs == {"v": shown}


def test_the_pieces() -> None:
    namespace: dict[str, Any] = codec.home()
    exec("def f(): return g\ndef h(): return f, k", namespace)
    side = Side(f=namespace["f"], h=namespace["h"], n=b"x" * 1000, lock=threading.Lock())
    pieces = side.values.pieces(["f", "h", "n", "lock", "unknown"])
    assert pieces.sizes.keys() == pieces.digests.keys() == {"f", "h", "n"}
    assert 1000 < pieces.sizes["n"] < 1200
    assert pieces.missing.keys() == {"lock"}
    assert pieces.reads == {"g", "f", "k"}
    assert pieces.reads_by_name == {
        "f": frozenset({"g"}), "h": frozenset({"f", "k"}), "n": frozenset(),
    }  # fmt: skip


def test_digests_tell_values_apart() -> None:
    np = pytest.importorskip("numpy")
    values = [1, True, "1", b"1", [1], (1,), {1: 1}, np.zeros(3), np.zeros((3, 1)), np.ones(3)]
    digests = {digest(codec.dump(value)) for value in values}
    assert len(digests) == len(values)
    assert digest(codec.dump(np.ones(3))) == digest(codec.dump(np.ones(3)))


def test_a_changed_array_is_sent_again() -> None:
    np = pytest.importorskip("numpy")
    here, there = Side(a=np.zeros(1000)), Side()
    here.send(there, "a")
    there.namespace["a"][7] = 1
    here.fetch(there, "a")
    assert here.namespace["a"][7] == 1
    assert here.send(there, "a") == ["a"]
    here.namespace["a"][8] = 1
    assert here.send(there, "a") == []
    assert there.namespace["a"][8] == 1
