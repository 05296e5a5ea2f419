"""Exceptions that travel: themselves, or what stands for them, with their chains."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from typing import Any

import pytest

from farcell_runtime.errors import CaptureError, RemoteError, UsageError
from farcell_runtime.executor.failure import Failure, restore


def travelled(error: BaseException) -> Any:
    """``error`` as it arrives."""
    failure = Failure.of(error, ["line"])
    assert failure.pickled, failure.why_not_pickled
    return restore(failure.pickled)


class Formats(Exception):
    """Its ``__init__`` makes the message of its argument: pickle would make it twice."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was not found")
        self.name = name


class TwoArguments(ValueError):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one}/{two}")
        self.one, self.two = one, two


class KeywordOnly(Exception):
    def __init__(self, *, code: int) -> None:
        self.code = code

    def __str__(self) -> str:
        return f"code {self.code}"


class OfSystem(OSError):
    def __init__(self, name: str) -> None:
        super().__init__(2, "not there", name)
        self.extra = name


class WrongReduce(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one}{two}")

    def __reduce__(self) -> Any:
        return WrongReduce, (1,)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class WithSlots(Exception):
    __slots__ = ("x",)


class HoldsAnother(Exception):
    def __init__(self, other: BaseException) -> None:
        super().__init__("holds")
        self.other = other


class Group(ExceptionGroup[Exception]):
    def derive(self, excs: Any) -> Group:
        return Group(self.message, excs)


ERRORS: dict[str, BaseException] = {
    "built in": ValueError("a", 1),
    "no argument": KeyError(),
    "a key": KeyError("k"),
    "of the system": FileNotFoundError(2, "No such file", "/x"),
    "syntax": SyntaxError("bad", ("<cell>", 3, 4, "x = = 1", 3, 5)),
    "unicode": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad byte"),
    "an import": ImportError("no", name="m", path="/p"),
    "an exit": SystemExit(3),
    "an interrupt": KeyboardInterrupt(),
    "the end of an iterator": StopIteration(5),
    "a library's": json.JSONDecodeError("bad", "doc", 1),
    "a process's": subprocess.CalledProcessError(2, ["ls"], b"out"),
    "one that formats": Formats("x"),
    "two arguments": TwoArguments(1, 2),
    "a keyword": KeywordOnly(code=7),
    "of the system, made otherwise": OfSystem("/y"),
    "a wrong __reduce__": WrongReduce(1, 2),
    "slots": WithSlots("s"),
    "one in another": HoldsAnother(TwoArguments(3, 4)),
    "our own": CaptureError("df", "Lock", "it can't"),
    "a group": ExceptionGroup("g", [ValueError(1), TwoArguments(1, 2)]),
    "a group in a group": BaseExceptionGroup(
        "g", [ExceptionGroup("h", [Formats("y")]), KeyboardInterrupt()]
    ),
    "a group of one's own": Group("mine", [ValueError(1)]),
}


def described(error: BaseException) -> Any:
    attributes = {
        name: value for name, value in vars(error).items() if not isinstance(value, BaseException)
    }
    fields = {
        name: getattr(error, name, None)
        for name in ("errno", "strerror", "filename", "lineno", "offset", "text", "name", "path",
                     "value", "code", "msg", "start", "end", "object", "returncode", "output")
    }  # fmt: skip
    inner = [described(part) for part in getattr(error, "exceptions", ())]
    return type(error), str(error), repr(error), error.args[:1], attributes, fields, inner


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_arrives_as_it_was(error: BaseException) -> None:
    copy = travelled(error)
    assert copy is not error
    assert described(copy) == described(error)


def test_a_group_of_ones_own_still_splits() -> None:
    copy = travelled(Group("mine", [ValueError(1), TypeError(2)]))
    assert [type(part) for part in copy.subgroup(TypeError).exceptions] == [TypeError]


def test_notes() -> None:
    error = ValueError("x")
    error.add_note("remember")
    assert travelled(error).__notes__ == ["remember"]


def test_the_parts_of_a_failure() -> None:
    failure = Failure.of(TwoArguments(1, 2), ["a", "b"])
    assert failure.type_name == f"{__name__}.TwoArguments"
    assert failure.message == "1/2"
    assert failure.lines == ("a", "b")
    assert failure.why_not_pickled == ""
    assert Failure.of(ValueError("x"), []).type_name == "ValueError"


# ---- chains --------------------------------------------------------------------------------------


def raised(code: str) -> BaseException:
    """What ``code`` raises."""
    namespace: dict[str, Any] = dict(globals())
    try:
        exec(code, namespace)
    except BaseException as error:
        return error
    raise AssertionError("it raised nothing")


def chain(error: BaseException | None) -> list[Any]:
    """The exception and those behind it: how each came about, its type and message."""
    found: list[Any] = []
    seen: set[int] = set()
    how = "raised"
    while error is not None:
        found.append((how, type(error).__name__, str(error), error.__suppress_context__))
        if id(error) in seen:
            break
        seen.add(id(error))
        how = "cause" if error.__cause__ is not None else "context"
        error = error.__cause__ or error.__context__
    return found


CHAINS = {
    "context": "try: 1 / 0\nexcept ZeroDivisionError: raise ValueError('v')",
    "cause": "try: 1 / 0\nexcept ZeroDivisionError as e: raise ValueError('v') from e",
    "suppressed": "try: 1 / 0\nexcept ZeroDivisionError: raise ValueError('v') from None",
    "a cause of its own": "raise ValueError('v') from TwoArguments(1, 2)",
    "long": (
        "def f(n):\n try:\n  if n: f(n - 1)\n  1 / 0\n except Exception: raise ValueError(n)\nf(20)"
    ),
    "while it was handled": (
        "try:\n try: 1 / 0\n finally: {}['k']\nexcept KeyError as e: raise OfSystem('z') from e"
    ),
}


@pytest.mark.parametrize("code", CHAINS.values(), ids=CHAINS)
def test_chains(code: str) -> None:
    error = raised(code)
    assert chain(travelled(error)) == chain(error)


def test_both_cause_and_context() -> None:
    error = raised("try: 1 / 0\nexcept ZeroDivisionError: raise ValueError from KeyError('k')")
    copy = travelled(error)
    assert isinstance(copy.__cause__, KeyError)
    assert isinstance(copy.__context__, ZeroDivisionError)


def test_a_cycle() -> None:
    one, two = ValueError("one"), TypeError("two")
    one.__context__, two.__context__ = two, one
    copy = travelled(one)
    assert copy.__context__.__context__ is copy


def test_its_own_cause() -> None:
    error = ValueError("one")
    error.__cause__ = error
    copy = travelled(error)
    assert copy.__cause__ is copy


def test_a_very_long_chain_is_cut() -> None:
    error: BaseException = ValueError(0)
    for number in range(5000):
        following = ValueError(number)
        following.__context__ = error
        error = following
    assert 50 < len(chain(travelled(error))) < 200


def test_what_the_members_of_a_group_are_chained_to() -> None:
    code = "try: 1 / 0\nexcept ZeroDivisionError as e: raise ValueError('v') from e"
    group = BaseExceptionGroup("g", [ExceptionGroup("h", [raised(code)]), raised(code)])  # type: ignore[list-item]
    copy = travelled(group)
    inner = copy.exceptions[0].exceptions[0]
    assert chain(inner) == chain(raised(code))
    assert chain(copy.exceptions[1]) == chain(raised(code))


# ---- what can't travel ---------------------------------------------------------------------------


def locked(message: str = "locked") -> ValueError:
    error = ValueError(message, threading.Lock())
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    error.kept = 1  # type: ignore[attr-defined]
    return error


def unsendable(message: str) -> Exception:
    """Of a type of the notebook's that can't leave its process."""
    body = {"lock": threading.Lock(), "__module__": "__main__"}
    kind: type[Exception] = type("Unsendable", (Exception,), body)
    return kind(message)


def test_one_that_holds_what_can_not_be_pickled_is_described() -> None:
    failure = Failure.of(locked(), ["line"])
    assert failure.pickled == b""
    assert "lock" in failure.why_not_pickled


def test_what_can_not_be_pickled_is_described() -> None:
    failure = Failure.of(unsendable("no way"), ["line"])
    assert failure.pickled == b""
    assert "lock" in failure.why_not_pickled
    assert (failure.type_name, failure.message) == ("__main__.Unsendable", "no way")


def test_what_is_behind_it_is_stood_for() -> None:
    error = ValueError("front")
    error.__cause__ = unsendable("behind")
    copy = travelled(error)
    assert type(copy) is ValueError
    assert type(copy.__cause__) is RemoteError
    assert copy.__cause__.type_name == "__main__.Unsendable"
    assert "behind" in str(copy.__cause__)
    assert "lock" in copy.__cause__.why


def test_a_member_of_a_group_is_stood_for() -> None:
    copy = travelled(ExceptionGroup("g", [unsendable("in it"), TypeError("t"), locked()]))
    assert [type(part) for part in copy.exceptions] == [RemoteError, TypeError, RemoteError]


def test_a_group_that_can_not_be_pickled() -> None:
    group = ExceptionGroup("g", [ValueError(1)])
    group.lock = threading.Lock()  # type: ignore[attr-defined]
    assert not Failure.of(group, []).pickled
    copy = travelled(ExceptionGroup("outer", [group, TypeError()]))
    assert [type(part) for part in copy.exceptions] == [RemoteError, TypeError]


def test_one_without_words() -> None:
    failure = Failure.of(Unprintable(1), [])
    assert failure.message == "<its __str__ raised RuntimeError: no words>"
    assert type(restore(failure.pickled)) is Unprintable


def test_one_that_is_too_large() -> None:
    failure = Failure.of(ValueError("x" * (17 << 20)), [])
    assert failure.pickled == b""
    assert "bytes" in failure.why_not_pickled


def test_a_type_that_is_not_there() -> None:
    program = (
        "import pickle, sys, types\n"
        "module = types.ModuleType('only_there')\n"
        "sys.modules['only_there'] = module\n"
        "exec('class Lonely(Exception): pass', vars(module))\n"
        "module.__spec__ = None\n"
        "from farcell_runtime.executor.failure import Failure\n"
        "failure = Failure.of(module.Lonely('x'), ['line'])\n"
        "sys.stdout.buffer.write(pickle.dumps((failure.type_name, failure.pickled)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    type_name, pickled = pickle.loads(ran.stdout)
    assert type_name == "only_there.Lonely"
    with pytest.raises(ImportError):
        restore(pickled)


def test_errors_of_ours_keep_their_hints() -> None:
    copy = travelled(UsageError("wrong", hint="do it right"))
    assert (copy.message, copy.hint, str(copy)) == ("wrong", "do it right", "wrong\n→ do it right")
