"""Which session a kernel drives: its notebook's, another on purpose, and never by accident."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farcell_runtime.launch import living_sessions
from farcell_runtime.session import Session
from farcell_runtime.transport.session_file import SessionFile
from tests.conformance.page import Cell, Page, plain

Kernel = Callable[..., Page]

UNTIL = """import os, time
number = 0
while not os.path.exists({go!r}):
    print("@" + str(number), flush=True)
    number += 1
    time.sleep(0.01)
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """Starts a kernel for a notebook, as Jupyter's server does; its sessions end with the test."""
    pages: list[Page] = []

    def start(notebook: str = "analysis.ipynb", *, load: bool = True) -> Page:
        path = tmp_path / notebook
        path.parent.mkdir(exist_ok=True)
        path.touch()
        page = Page(tmp_path, {"JPY_SESSION_NAME": str(path)})
        pages.append(page)
        if load:
            page.load()
        return page

    yield start
    for page in pages:
        page.close()
    for file in sessions_in(tmp_path):
        Session(file, driver=False).stop("the test is over")


def sessions_in(folder: Path) -> list[SessionFile]:
    return [file for file in living_sessions() if file.notebook.startswith(str(folder))]


def crash(page: Page) -> None:
    """The kernel dies and nothing takes its place."""
    page.kill()
    while page.alive():
        time.sleep(0.01)


def said(cell: Cell) -> str:
    return plain(cell.text + cell.message)


# ---- of one notebook --------------------------------------------------------------------------


def test_a_new_kernel_finds_the_session_by_its_notebook(kernel: Kernel) -> None:
    first = kernel()
    first.good_remote("there = [1, 2]")
    crash(first)
    second = kernel(load=False)
    assert "attached to gang default: 1 name (there" in second.good("%load_ext farcell").stdout
    assert second.value("there") == "[1, 2]"


def test_another_notebook_does_not(kernel: Kernel, tmp_path: Path) -> None:
    first = kernel()
    first.good_remote("there = 1")
    crash(first)
    other = kernel("other.ipynb", load=False)
    assert other.good("%load_ext farcell").text == ""
    assert other.run("there").error == "NameError"
    assert len(sessions_in(tmp_path)) == 2


def test_a_second_kernel_gets_a_choice_and_takes_nothing(kernel: Kernel) -> None:
    first, second = kernel(), kernel(load=False)
    first.good_remote("there = 1")
    told = second.good("%load_ext farcell").stderr
    assert f"process {first.pid}" in told
    assert "%cluster attach analysis --take takes it over" in told
    assert "%cluster start gives this kernel a session of its own" in told
    refused = second.remote("there")
    assert refused.error == "SessionHeld"
    assert "%cluster attach analysis --take" in refused.message
    assert first.good_remote("there += 1\nthere").result == "2"
    # Its own kernel ends well: then there is nothing to choose.
    crash(first)
    assert second.good_remote("there").result == "2"


def test_it_takes_the_session_over_and_the_first_is_told(kernel: Kernel, tmp_path: Path) -> None:
    first, second = kernel(), kernel()
    first.good_remote("there = [1]")
    first.good_remote("go_on = True")
    assert "attached to session 'analysis'" in second.good("%cluster attach analysis --take").text
    assert second.value("there") == "[1]"
    assert second.good_remote("there.append(2)\nthere").result == "[1, 2]"
    lost = first.remote("there")
    assert lost.error == "SessionTaken"
    assert f"taken over by process {second.pid}" in lost.message
    assert first.run("there").error == "ObjectLost"
    # It can have one of its own then, and the two know nothing of each other.
    first.good("%cluster start")
    assert first.good_remote("there = 'mine'\nthere").result == "'mine'"
    assert second.good_remote("there").result == "[1, 2]"
    assert len(sessions_in(tmp_path)) == 2


def test_one_of_its_own_is_found_again_and_the_firsts_is_not(kernel: Kernel) -> None:
    first, second = kernel(), kernel()
    first.good_remote("whose = 'first'")
    second.good("%cluster start")
    second.good_remote("whose = 'second'")
    second.restart()
    second.load()
    assert second.value("whose") == "'second'"
    first.restart()
    first.load()
    assert first.value("whose") == "'first'"


def test_a_kernel_that_hangs_can_be_taken_from(kernel: Kernel, tmp_path: Path) -> None:
    first, second = kernel(), kernel()
    first.good_remote("there = 1")
    pid = first.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        assert second.remote("there").error == "SessionHeld"
        second.good("%cluster attach analysis --take")
        assert second.value("there") == "1"
    finally:
        os.kill(pid, signal.SIGCONT)
    assert first.remote("there = 2").error == "SessionTaken"
    assert second.good_remote("there").result == "1"


def test_a_running_cell_is_taken_along(kernel: Kernel, tmp_path: Path) -> None:
    first, second = kernel(), kernel()
    go = tmp_path / "go"
    running = first.begin_remote(UNTIL.format(go=str(go)))
    first.until_text(running, "@20")
    taking = second.good("%cluster attach analysis --take")
    assert "is still running" in taking.text
    assert "taken over by process" in said(first.finish(running))
    second.until(lambda: "@60" in taking.text, taking)
    go.touch()
    second.until(lambda: second.run("number > 60").result == "True")


# ---- on purpose -------------------------------------------------------------------------------


def test_attach_detach_and_back(kernel: Kernel, tmp_path: Path) -> None:
    first, other = kernel(), kernel("other.ipynb")
    first.good_remote("there = [1]")
    other.good_remote("own = 'own'")
    assert other.run("%cluster attach analysis").error == "SessionHeld"
    assert other.value("own") == "'own'"
    assert "let go of session 'analysis', which goes on" in first.good("%cluster detach").text
    lost = first.run("there")
    assert lost.error == "ObjectLost"
    assert "%cluster attach analysis" in lost.message

    told = other.good("%cluster attach analysis").text
    assert "let go of session 'other', which goes on" in told
    assert "1 name (there" in told
    assert other.good_remote("there.append(2)\nthere").result == "[1, 2]"
    assert other.run("%cluster attach analysis").text.count("already") == 1
    other.good("import farcell\nfarcell.detach()")
    assert "attached to session 'other'" in other.value("farcell.attach('other')")
    assert other.value("own") == "'own'"

    first.good_remote("anew = 1")  # another session, since it has let go of its own
    assert len(sessions_in(tmp_path)) == 3
    names = [line.split()[0] for line in first.good("%cluster attach").text.splitlines()]
    mine = next(file for file in sessions_in(tmp_path) if file.left)
    assert f"analysis-{mine.session[:4]}" in names
    assert "can be any of several" in other.run("%cluster attach analysis").message
    first.good("%cluster attach analysis")  # where it is not, of course
    assert first.value("there") == "[1, 2]"


def test_what_was_let_go_of_is_not_found_by_itself(kernel: Kernel) -> None:
    page = kernel()
    page.good_remote("there = 1")
    page.good("%cluster detach")
    page.restart()
    assert page.good("%load_ext farcell").stdout == ""
    assert page.run("there").error == "NameError"
    page.good("%cluster attach analysis")
    assert page.value("there") == "1"


def test_a_run_goes_on_without_its_kernel(kernel: Kernel, tmp_path: Path) -> None:
    page = kernel()
    go = tmp_path / "go"
    running = page.begin_remote(UNTIL.format(go=str(go)), "--background --name count")
    page.until(lambda: "@20" in running.text, running)
    page.good("%cluster detach")
    seen = len(running.text.split())
    back = page.good("%cluster attach analysis")
    assert "run 1 'count' on gang default is still running" in back.text
    page.until(lambda: f"@{seen + 50}" in back.text, back)
    go.touch()
    page.good("import farcell\nfarcell.find_run('count').wait(30)")
    assert page.value("number > 20") == "True"


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("%cluster attach analisys", "did you mean analysis?"),
        ("%cluster attach zzz", "there are: "),
        ("%cluster attach", "analysis"),
        ("%cluster atach analysis", "did you mean attach?"),
        ("%cluster attach --tak analysis", "did you mean --take?"),
        ("%cluster attach --help", "--take"),
        ("%cluster detach --help", "Let go of the cluster"),
    ],
)
def test_what_there_is_is_told(kernel: Kernel, typed: str, hint: str) -> None:
    page = kernel()
    page.good_remote("pass")
    assert hint in said(page.run(typed))


def test_it_completes_the_names_of_sessions(kernel: Kernel) -> None:
    page = kernel("Übung.ipynb")
    page.good_remote("pass")
    matches = "get_ipython().complete({0!r}, {1!r})[1]"
    line = "%cluster attach Ü"
    assert "'Übung'" in page.value(matches.format("Ü", line))
    assert "'--take'" in page.value(matches.format("--t", "%cluster attach --t"))


# ---- broken -----------------------------------------------------------------------------------


def test_of_two_that_attach_at_once_one_has_it(kernel: Kernel, tmp_path: Path) -> None:
    third = kernel()
    third.good_remote("there = 1")
    third.good("%cluster detach")
    pages = [kernel("a.ipynb"), kernel("b.ipynb")]
    cells = [page.begin("%cluster attach analysis") for page in pages]
    for page, cell in zip(pages, cells, strict=True):
        page.finish(cell)
    assert sorted(cell.error for cell in cells) == ["", "SessionHeld"]
    winner = pages[[cell.error for cell in cells].index("")]
    assert winner.value("there") == "1"


def test_of_two_that_take_at_once_the_later_has_it(kernel: Kernel, tmp_path: Path) -> None:
    third = kernel()
    third.good_remote("there = 1")
    [file] = sessions_in(tmp_path)
    found: list[Session] = []
    takers = [
        threading.Thread(target=lambda: found.append(Session.attach(file, take=True)))
        for _ in range(4)
    ]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    [*lost, last] = sorted(found, key=lambda session: session.tenure)
    assert [session.tenure for session in lost] == list(range(2, 5))
    assert last.snapshot().driver.pid == os.getpid()
    for session in found:
        session.close()
    assert third.remote("there").error == "SessionTaken"


def test_the_head_dies_under_an_attached_kernel(kernel: Kernel, tmp_path: Path) -> None:
    first, other = kernel(), kernel("other.ipynb")
    first.good_remote("there = 1")
    first.good("%cluster detach")
    other.good("%cluster attach analysis")
    [file] = [each for each in sessions_in(tmp_path) if each.name == "analysis"]
    os.kill(file.head_pid, signal.SIGKILL)
    other.until(lambda: "lost with gang" in other.run("1").stderr)
    assert other.run("there").error == "ObjectLost"
    assert "there is no session 'analysis'" in said(other.run("%cluster attach analysis"))
    assert other.good_remote("1 + 1").result == "2"


def test_a_notebook_that_was_moved(kernel: Kernel, tmp_path: Path) -> None:
    page = kernel("old name.ipynb")
    page.good_remote("there = 1")
    (tmp_path / "old name.ipynb").rename(tmp_path / "new.ipynb")
    page.restart()  # the same kernel: it is found by that
    page.load()
    assert page.value("there") == "1"
    crash(page)
    moved = kernel("new.ipynb", load=False)
    told = moved.good("%load_ext farcell").text
    assert "%cluster attach 'old name'" in told
    moved.good("%cluster attach 'old name'")
    assert moved.value("there") == "1"


def test_the_end_of_a_kernel_leaves_anothers_session(kernel: Kernel, tmp_path: Path) -> None:
    first, other = kernel(), kernel("other.ipynb")
    first.good_remote("there = 1")
    first.good("%cluster detach")
    other.good("%cluster attach analysis")
    other.close()
    first.good("%cluster attach analysis")
    assert first.value("there") == "1"


def test_a_name_that_the_notebook_has_too_is_kept_on_both_sides(kernel: Kernel) -> None:
    first, other = kernel(), kernel("other.ipynb")
    first.good_remote("import math\nboth, same, there = [1], [5], 3")
    first.good("%cluster detach")
    other.good("import math\nboth, same = ['mine'], [5]")
    told = other.good("%cluster attach analysis").text
    assert (
        "the notebook has 'both' too, and keeps it: the one of gang default is both_default" in told
    )
    assert "same" not in told.partition("has 'both'")[2]
    assert other.value("both, both_default, same, there") == "(['mine'], [1], [5], 3)"
    assert other.good_remote("both, both_default, same, math.pi > 3").result == (
        "(['mine'], [1], [5], True)"
    )
