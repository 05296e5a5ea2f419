"""Two sides of one namespace: what is sent, what is known to be there already, what can't go."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from farcell_runtime import codec
from farcell_runtime.errors import InternalError
from farcell_runtime.fingerprints import Fingerprints
from farcell_runtime.pouring import Arrival
from farcell_runtime.sharing import leaders, sharing
from farcell_runtime.values import Answer, Parcel, Patch, Values
from tests.unit.wire import through_the_wire

_home: list[dict[str, Any]] = [{}]


class Side:
    """A namespace and its values."""

    def __init__(self, **names: Any) -> None:
        self.namespace: dict[str, Any] = names
        self.values = Values(lambda: self.namespace, self._bind)

    def _bind(self, arrival: Arrival) -> None:
        arrival.pour(self.namespace)
        self.namespace.update(arrival.values)

    def receive(self, parcel: Parcel) -> None:
        _home[0] = self.namespace
        self.values.receive(through_the_wire(parcel))

    def send(self, other: Side, *names: str) -> list[str]:
        """Send names; the answer is those that the other side is known to have."""
        pieces = self.values.pieces(names)
        parcel, same = self.values.join(pieces, names)
        if parcel is not None:
            other.receive(parcel)
            self.values.sent(pieces, set(names) - set(same))
        return same

    def fetch(self, other: Side, *names: str, anew: bool = False) -> Answer:
        answer, pieces = other.values.fetch(names, anew=anew)
        if answer.parcel is not None:
            self.receive(answer.parcel)
            other.values.sent(pieces, answer.going)
        return answer


@pytest.fixture(autouse=True)
def _homes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are bound in the notebook's namespace while they arrive: that of the side in turn."""
    monkeypatch.setattr(codec, "home", lambda: _home[0])


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
    assert answer.parcel is not None
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


def test_plain_values_go_in_one_pickle() -> None:
    names: dict[str, Any] = {f"n{number}": number for number in range(100)}
    names |= {"text": "a", "list": [1], "dict": {"a": [2]}, "none": None, "function": lambda: 1}
    here, there = Side(**names), Side()
    pieces = here.values.pieces(names)
    parcel, _ = here.values.join(pieces, names)
    assert parcel is not None
    assert len(parcel.items) == 2
    assert pieces.sizes.keys() == names.keys()
    here.send(there, *names)
    del names["function"], there.namespace["function"]
    assert there.namespace == names
    assert here.send(there, *names) == sorted(names)
    assert here.fetch(there, *names).going == []
    there.namespace["dict"]["a"].append(3)
    there.namespace["n7"] = True
    assert here.fetch(there, *names).going == ["dict", "n7"]
    assert here.namespace["dict"] == {"a": [2, 3]}
    assert here.namespace["n7"] is True


def test_a_plain_value_goes_with_what_shares_a_part_with_it() -> None:
    part = [1]
    here, there = Side(part=part, holder={"part": part}, other=[part, lambda: 1], one=1), Side()
    here.send(there, "part", "holder", "other", "one")
    assert there.namespace["other"][0] is there.namespace["part"]
    assert there.namespace["holder"]["part"] is there.namespace["part"]


def test_a_value_that_becomes_plain_or_large_is_sent() -> None:
    here, there = Side(x=[1]), Side()
    for value in ([1], list(range(5000)), [1], "a" * 9000, lambda: 1, [1]):
        here.namespace["x"] = value
        assert here.send(there, "x") == []
        assert callable(value) or there.namespace["x"] == value
        assert here.send(there, "x") == ["x"] or callable(value)


def test_names_of_one_object_go_together() -> None:
    one: list[int] = []
    here, there = Side(a=one, b=one, c=1), Side()
    here.send(there, "a", "c")
    pieces = here.values.pieces(["a", "b", "c"])
    parcel, same = here.values.join(pieces, ["a", "b", "c"], together=[{"a", "b", "gone"}])
    assert same == ["c"]
    assert parcel is not None
    values = parcel.load()
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
    answer, _ = Side(v=Verbose(text)).values.fetch(["v"])
    assert answer.reprs == {"v": shown}


def test_the_pieces() -> None:
    namespace: dict[str, Any] = codec.home()
    exec("def f(): return g\ndef h(): return f, k", namespace)
    side = Side(f=namespace["f"], h=namespace["h"], n=b"x" * 1000, lock=threading.Lock())
    pieces = side.values.pieces(["f", "h", "n", "lock", "unknown"])
    assert pieces.sizes.keys() == {"f", "h", "n"}
    assert 1000 < pieces.sizes["n"] < 1200
    assert pieces.missing.keys() == {"lock"}
    assert pieces.reads == {"g", "f", "k"}
    assert pieces.pickles["h"].reads == {"f", "k"}


def test_digests_tell_values_apart() -> None:
    np = pytest.importorskip("numpy")
    values = [1, True, "1", b"1", [1], (1,), {1: 1}, np.zeros(3), np.zeros((3, 1)), np.ones(3)]
    digests = {Fingerprints().digest(codec.dump(value)) for value in values}
    assert len(digests) == len(values)
    assert Fingerprints().digest(codec.dump(np.ones(3))) in digests


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


MB = 1 << 20


def patched(here: Side, there: Side, name: str) -> int:
    """Send a name; how many bytes of its buffers went."""
    pieces = here.values.pieces([name])
    parcel, _ = here.values.join(pieces, [name])
    assert parcel is not None
    there.values.receive(through_the_wire(parcel))
    here.values.sent(pieces, [name])
    return sum(
        len(part) for item in parcel.items if isinstance(item, Patch) for part in item.chunks
    )


def test_of_a_large_array_what_changed_is_sent() -> None:
    np = pytest.importorskip("numpy")
    here, there = Side(a=np.arange(5 * MB // 4, dtype="f8")), Side()
    here.send(there, "a")
    living = there.namespace["a"]
    for index, size in [(0, MB), (-1, MB), (MB // 8 - 1, MB)]:
        here.namespace["a"][index] = -index - 7
        assert patched(here, there, "a") == size
        assert there.namespace["a"] is living
        np.testing.assert_array_equal(living, here.namespace["a"])
        assert here.send(there, "a") == ["a"]
    assert here.fetch(there, "a").unchanged == ["a"]
    living[3] = 5.0
    assert here.fetch(there, "a").unchanged == []
    np.testing.assert_array_equal(living, here.namespace["a"])
    here.namespace["a"][:] = 0
    assert patched(here, there, "a") == 0, "all of it has changed"
    np.testing.assert_array_equal(there.namespace["a"], here.namespace["a"])
    here.namespace["a"] = np.zeros(3 * MB, "u1")
    here.send(there, "a")
    assert there.namespace["a"].shape == (3 * MB,)


def test_what_came_together_is_not_one() -> None:
    np = pytest.importorskip("numpy")
    here, there = Side(a=np.zeros(2 * MB, "u1"), b=np.zeros(2 * MB, "u1")), Side()
    here.namespace["view"] = here.namespace["a"][5:]
    here.send(there, "a", "b", "view")
    names = there.namespace
    assert sharing(names, ["b"]) == {"b"}
    assert sharing(names, ["a"]) == {"a", "view"}
    assert leaders(names, names) == {"a": "a", "view": "a"}
    text = memoryview(bytearray(10))
    assert sharing({"text": text, "rest": text[2:]}, ["rest"]) == {"text", "rest"}


def test_large_arrays_in_containers_are_patched() -> None:
    np = pytest.importorskip("numpy")
    state = {"w": np.zeros(4 * MB, "u1"), "b": [np.ones(2 * MB, "u1")], "n": 1}
    here, there = Side(state=state), Side()
    here.send(there, "state")
    state["b"][0][5] = 9
    assert patched(here, there, "state") == MB
    assert there.namespace["state"]["b"][0][5] == 9
    assert not there.namespace["state"]["w"].any()


def test_what_changed_there_unseen_is_not_patched() -> None:
    np = pytest.importorskip("numpy")
    here, there = Side(a=np.zeros(4 * MB, "u1")), Side()
    here.send(there, "a")
    there.namespace["a"][3 * MB] = 1
    here.namespace["a"][3 * MB + 1] = 2
    with pytest.raises(InternalError, match="'a' is not what was sent before"):
        patched(here, there, "a")
    assert there.namespace["a"][3 * MB] == 1


def test_tensors_go_as_storages() -> None:
    torch = pytest.importorskip("torch")
    base = torch.arange(1_000_000, dtype=torch.float32)
    here, there = Side(base=base, view=base[10:20], bf=torch.ones(3, dtype=torch.bfloat16)), Side()
    pickled = codec.dump({"base": base, "view": base[10:20]})
    assert len(pickled.data) < 2000
    assert [memoryview(each).nbytes for each in pickled.buffers] == [4_000_000]
    here.send(there, "base", "view", "bf")
    base, view = there.namespace["base"], there.namespace["view"]
    view[0] = -1.0
    assert base[10] == -1.0
    assert there.namespace["bf"].dtype is torch.bfloat16
    parameter = torch.nn.Parameter(torch.ones(2))
    here.namespace["net"] = torch.nn.Linear(300, 300)
    here.namespace["p"] = parameter
    here.send(there, "net", "p")
    assert there.namespace["p"].requires_grad
    assert torch.equal(there.namespace["net"].weight, here.namespace["net"].weight)
