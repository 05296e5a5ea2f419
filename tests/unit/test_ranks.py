"""One value of each rank."""

from __future__ import annotations

import pickle

import pytest

from farcell.ranks import NoValue, Ranks


def test_a_sequence_of_the_values() -> None:
    ranks = Ranks(iter([1, "b", None]))
    assert list(ranks) == [1, "b", None]
    assert (ranks[0], ranks[-1], ranks[1:]) == (1, None, ("b", None))
    assert len(ranks) == 3
    assert "b" in ranks
    assert ranks.index("b") == 1
    assert list(reversed(ranks)) == [None, "b", 1]
    with pytest.raises(IndexError):
        ranks[3]


def test_it_shows_its_values() -> None:
    assert repr(Ranks([1, "b"])) == "Ranks([1, 'b'])"


def test_equal_to_its_like() -> None:
    assert Ranks([1, 2]) == Ranks((1, 2))
    assert Ranks([1]) != Ranks([2])
    assert Ranks([1]) != [1]
    assert hash(Ranks([1])) == hash(Ranks([1]))
    with pytest.raises(TypeError):
        hash(Ranks([[]]))


def test_it_travels() -> None:
    assert pickle.loads(pickle.dumps(Ranks([1, 2]))) == Ranks([1, 2])


def test_it_can_not_be_changed() -> None:
    with pytest.raises(TypeError):
        Ranks([1])[0] = 2  # type: ignore[index]


def test_what_stands_for_a_rank_without_a_value() -> None:
    assert repr(Ranks([1, NoValue(1)])) == "Ranks([1, <rank 1 has none>])"
    assert pickle.loads(pickle.dumps(NoValue(1))) == NoValue(1) != NoValue(2)
    assert hash(NoValue(1)) == hash(NoValue(1))
