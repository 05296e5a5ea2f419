"""What is said of versions of the code."""

from __future__ import annotations

import pytest

from farcell.code_commands import Text
from farcell.code_lines import diff, line_of, listing, refusal, what
from farcell.code_versions import Version
from farcell_runtime.errors import ReloadError, UsageError


def text(module: str, source: str | None, path: str = "") -> Text:
    data = None if source is None else source.encode()
    return Text(module, path or f"/p/{module.replace('.', '/')}.py", data or b"", data)


def test_the_line() -> None:
    version = Version(
        8,
        (text("model", "a"),),
        changed=["model.loss_fn", "model.Net.forward"],
        workers=4,
        took_s=0.006,
    )
    assert line_of(version) == "code v8: model.py: loss_fn, Net.forward · 4 workers · 6 ms"


def test_one_that_some_get_later() -> None:
    version = Version(2, (text("m", "a"),), changed=["m.f"], workers=1, later=["b", "b"])
    assert line_of(version) == "code v2: m.py: f · 1 worker · later on gang b · 0 ms"


@pytest.mark.parametrize(
    ("texts", "changed", "shown"),
    [
        ([text("m", "a")], [], "m.py"),
        ([text("m", None)], [], "m.py (deleted)"),
        ([text("p", "a", "/x/p/__init__.py")], ["p.f"], "p/__init__.py: f"),
        ([text("p", "a"), text("p.q", "b")], ["p.q.f", "p.g"], "p.py: g; q.py: f"),
        ([text("m", "a")], [f"m.f{i}" for i in range(6)], "m.py: f0, f1, f2, f3 and 2 more"),
        ([text(f"m{i}", "a") for i in range(9)], [], "m0.py; m1.py; m2.py; and 6 more files"),
    ],
)
def test_what_has_changed(texts: list[Text], changed: list[str], shown: str) -> None:
    assert what(Version(2, tuple(texts), changed=changed)) == shown


def test_a_refusal_says_where_and_what_next() -> None:
    error = ReloadError(
        "SyntaxError: invalid syntax",
        file="/p/m.py",
        line=12,
        source_line="  def f(:\n",
        hint="mend it",
    )
    assert refusal(error, 7).splitlines() == [
        "farcell: /p/m.py, line 12: SyntaxError: invalid syntax",
        "    def f(:",
        "  notebook and workers go on with code v7",
        "→ mend it",
    ]


VERSIONS = [
    Version(1),
    Version(2, (text("m", "a\nb\n"),), (text("m", "a\n"),), changed=["m.b"], workers=2),
    Version(3, (text("m", "a\nc"), text("n", "new")), (text("m", "a\nb\n"),)),
]


def test_the_list() -> None:
    VERSIONS[1].runs[:] = ["In[3]", "In[3]", "In[4]"]
    lines = listing(VERSIONS, {"pair": "it gets it when its cell ends"}).splitlines()
    assert [line.split()[0] for line in lines] == ["version", "v1", "v2", "v3", "gang"]
    assert "In[3], In[4]" in lines[2]
    assert lines[-1] == "gang pair lags behind: it gets it when its cell ends"


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (1, 2, ["+b"]),
        (2, 1, ["+b"]),
        (2, 3, ["-b", "+c", "+new"]),
        (1, 3, ["+c", "+new"]),
        (2, 2, []),
    ],
)
def test_the_difference(old: int, new: int, shown: list[str]) -> None:
    lines = diff(VERSIONS, old, new).splitlines()
    assert [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")] == shown


def test_a_version_that_there_is_not() -> None:
    with pytest.raises(UsageError, match="there is no code v9"):
        diff(VERSIONS, 1, 9)
