"""What the ranks of a gang say of one cell, as one."""

from __future__ import annotations

from farcell.merged_done import merged
from farcell_runtime.transport import farcell_pb2 as pb


def done(status: str = "ok", *, deleted: str = "", **names: bool) -> pb.Done:
    """A rank's word: ``names`` say whether they were bound, or only mentioned."""
    reports = [pb.NameReport(name=name, bound=bound) for name, bound in names.items()]
    return pb.Done(status=status, names=reports, deleted=deleted.split())


def told(*dones: pb.Done) -> tuple[dict[str, bool], list[str]]:
    whole = merged(dones)
    assert whole is not None
    return {report.name: report.bound for report in whole.names}, list(whole.deleted)


def test_ranks_that_agree_are_the_first() -> None:
    first = done(a=True, deleted="b")
    assert merged([first, done(a=True, deleted="b")]) is first


def test_what_any_rank_has_bound_was_bound() -> None:
    assert told(done(a=False), done(a=True, b=False)) == ({"a": True, "b": False}, [])


def test_what_only_some_have_deleted_has_changed() -> None:
    assert told(done(deleted="a b"), done(deleted="b")) == ({"a": True}, ["b"])
    assert told(done(a=False), done(deleted="a")) == ({"a": True}, [])


def test_ranks_that_refused_have_not_run_it() -> None:
    assert told(done("refused"), done(a=True)) == ({"a": True}, [])
    assert told(done("refused"), done(deleted="a")) == ({"a": True}, [])
    assert merged([done("refused"), done("refused")]) is None
    assert merged([]) is None


def test_the_first_that_ran_has_the_word() -> None:
    second = done("error", a=True)
    second.ambient = b"second"
    whole = merged([done("refused"), second, done(b=True)])
    assert whole is not None
    assert (whole.status, whole.ambient) == ("error", b"second")
