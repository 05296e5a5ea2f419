"""What a remote cell prints arrives live, in order, whoever writes it, and in the right cell."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.conformance.page import Page, plain, rendered

_MEGABYTE = 1 << 20


@pytest.mark.every_engine
def test_text_is_shown_while_the_cell_runs(page: Page, tmp_path: Path) -> None:
    go = tmp_path / "go"
    cell = page.begin_remote(
        f"import os, time\nprint('before')\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
        "\nprint('after')"
    )
    page.until_text(cell, "before")
    assert not cell.ended
    go.touch()
    assert page.finish(cell).stdout == "before\nafter\n"


def test_a_line_without_its_end_is_shown_while_the_cell_runs(page: Page, tmp_path: Path) -> None:
    go = tmp_path / "go"
    cell = page.begin_remote(
        "import os, sys, time\nprint('50%', end='')\nsys.stderr.write('half')\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)"
    )
    page.until(lambda: cell.stdout == "50%" and cell.stderr == "half", cell)
    go.touch()
    page.finish(cell)


def test_a_display_is_shown_while_the_cell_runs(page: Page, tmp_path: Path) -> None:
    go = tmp_path / "go"
    cell = page.begin_remote(
        "import os, time\nhandle = display('first', display_id=True)\nhandle.update('second')\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)"
    )
    page.until(lambda: cell.bundles and cell.bundles[0]["text/plain"] == "'second'", cell)
    assert not cell.ended
    go.touch()
    page.finish(cell)


def test_a_subprocess_is_heard_while_it_runs(page: Page, tmp_path: Path) -> None:
    go = tmp_path / "go"
    cell = page.begin_remote(
        "import subprocess\nsubprocess.run(['sh', '-c', "
        f"'echo early; while [ ! -e {go} ]; do sleep 0.02; done; echo late'])"
    )
    page.until_text(cell, "early")
    assert not cell.ended
    go.touch()
    assert page.finish(cell).stdout == "early\nlate\n"


@pytest.mark.every_engine
def test_streams_and_displays_keep_their_order(page: Page) -> None:
    cell = page.good_remote(
        "import os, subprocess, sys\nprint('1')\nprint('2', file=sys.stderr)\nprint('3')\n"
        "display('4')\nos.write(1, b'5\\n')\nprint('6', file=sys.stderr)\n"
        "subprocess.run(['echo', '7'])\nprint('8', file=sys.stderr)\nprint('9')\n'10'"
    )
    seen = [each.text or each.data["text/plain"] for each in cell.shown]
    assert "".join(seen).replace("\n", "").replace("'", "") == "12345678910"
    streams = [stream for stream, _ in cell.streams]
    assert streams == [
        "stdout",
        "stderr",
        "stdout",
        "stdout",
        "stderr",
        "stdout",
        "stderr",
        "stdout",
    ]


def test_python_and_c_keep_their_order(page: Page) -> None:
    cell = page.good_remote(
        "import ctypes, os\nlibc = ctypes.CDLL(None)\nfor i in range(50):\n    print('py', i)\n"
        "    os.write(1, b'fd %d\\n' % i)\n    libc.printf(b'c %d\\n', i); libc.fflush(None)"
    )
    wanted = "".join(f"py {i}\nfd {i}\nc {i}\n" for i in range(50))
    assert cell.stdout == wanted


def test_what_c_has_buffered_is_in_its_cell(page: Page) -> None:
    cell = page.good_remote("import ctypes\nctypes.CDLL(None).puts(b'left in the buffer');")
    following = page.good_remote("print('next')")
    assert (cell.stdout, following.stdout) == ("left in the buffer\n", "next\n")


def test_descriptor_and_stream_keep_their_order_across_streams(page: Page) -> None:
    cell = page.good_remote(
        "import os, sys\nprint('a')\nprint('b', file=sys.stderr)\nos.write(1, b'c\\n')\n"
        "print('d', file=sys.stderr)\nos.write(1, b'e\\n')\nprint('f')"
    )
    assert cell.text == "a\nb\nc\nd\ne\nf\n"


def test_lines_of_threads_are_whole(page: Page) -> None:
    cell = page.good_remote(
        "import threading\ndef talk(n):\n    for i in range(300): print(f'{n}:{i}' + 'x' * 50)\n"
        "threads = [threading.Thread(target=talk, args=(n,)) for n in range(8)]\n"
        "for t in threads: t.start()\nfor t in threads: t.join()"
    )
    lines = cell.stdout.splitlines()
    assert sorted(lines) == sorted(f"{n}:{i}" + "x" * 50 for n in range(8) for i in range(300))


def test_a_progress_bar_is_one_line(page: Page) -> None:
    cell = page.good_remote(
        "import sys\nfor i in range(1001): sys.stderr.write(f'\\r{i}/1000'); sys.stderr.flush()"
    )
    assert rendered(cell.stderr) == "1000/1000"


def test_a_character_cut_in_two_is_whole(page: Page) -> None:
    cell = page.good_remote(
        "import os, time\nos.write(1, 'é'.encode()[:1])\ntime.sleep(0.15)\n"
        "os.write(1, 'é'.encode()[1:] + b'\\n');"
    )
    assert cell.stdout == "é\n"


def test_bytes_that_are_no_text_do_not_stop_the_rest(page: Page) -> None:
    cell = page.good_remote("import os\nos.write(1, b'\\xff\\xfe\\x00 then\\n')\nprint('after')")
    assert cell.stdout.endswith("then\nafter\n")


def test_a_task_goes_on_between_cells_and_prints_into_its_own(page: Page, tmp_path: Path) -> None:
    go = tmp_path / "go"
    first = page.good_remote(
        "import asyncio, os\nasync def later():\n"
        f"    while not os.path.exists({str(go)!r}): await asyncio.sleep(0.01)\n"
        "    print('late output')\ntask = asyncio.create_task(later())\nprint('made')"
    )
    second = page.good_remote("print('second')")
    go.touch()
    third = page.good_remote("await task")
    page.until(lambda: "late output" in first.text + second.text + third.text, first)
    assert first.stdout == "made\nlate output\n"
    assert (second.stdout, third.stdout) == ("second\n", "")


def test_a_thread_that_outlives_its_cell_prints_into_it(page: Page, tmp_path: Path) -> None:
    go = tmp_path / "go"
    first = page.good_remote(
        "import os, threading, time\ndef wait():\n"
        f"    while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        "    print('from the thread')\nthread = threading.Thread(target=wait)\nthread.start()"
    )
    go.touch()
    page.until(lambda: "from the thread" in first.text, first)
    assert page.good_remote("thread.join()\nprint('alone')").stdout == "alone\n"


def test_nothing_of_a_cell_spills_into_the_next(page: Page) -> None:
    for i in range(20):
        assert page.good_remote(f"import os\nos.write(1, b'{i} end\\n');").stdout == f"{i} end\n"


def test_two_megabytes_in_one_print_arrive_whole_or_say_what_is_left_out(page: Page) -> None:
    cell = page.good_remote("print('a' * 2_000_000)\nprint('the end')")
    assert cell.stdout.endswith("the end\n")
    assert cell.stdout.count("a") >= 2_000_000 or "left out" in cell.stdout


def test_c_code_that_holds_the_gil_writes_a_megabyte(page: Page) -> None:
    cell = page.good_remote(
        "import ctypes\nlibc = ctypes.PyDLL(None)  # a PyDLL keeps the GIL during the call\n"
        f"data = b'y' * {_MEGABYTE}\nsent = 0\n"
        "while sent < len(data): sent += libc.write(1, data[sent:], len(data) - sent)\n"
        "print()\nprint(sent)"
    )
    assert cell.stdout.endswith(f"\n{_MEGABYTE}\n")
    assert cell.stdout.count("y") == _MEGABYTE or "left out" in cell.stdout


@pytest.mark.slow
def test_a_flood_is_bounded_on_the_page_and_whole_in_the_log(page: Page) -> None:
    lines = 200_000
    page.good_remote("print('warm')")
    before_kb = _resident_kb(page.pid)
    cell = page.good_remote(f"for i in range({lines}): print('line number', i)")
    assert cell.stdout.startswith("line number 0\n")
    assert cell.stdout.endswith(f"line number {lines - 1}\n")
    assert "left out" in cell.stdout
    assert cell.messages < 500
    assert len(cell.stdout) < 3_000_000
    found = re.search(r"/\S+\.out", cell.stdout)
    assert found, "the log is not named"
    assert Path(found[0]).read_text() == "".join(f"line number {i}\n" for i in range(lines))
    assert _resident_kb(page.pid) - before_kb < 60_000


def test_the_colours_of_a_cell_stay(page: Page) -> None:
    cell = page.good_remote("print('\\x1b[32mgreen\\x1b[0m')")
    assert cell.stdout == "\x1b[32mgreen\x1b[0m\n"
    assert plain(cell.stdout) == "green\n"


def test_a_run_goes_on_when_showing_raises(page: Page) -> None:
    page.good(
        "publisher = get_ipython().display_pub; publish = publisher.publish\n"
        "def broken(data, *args, **kwargs):\n    if 'boom' in str(data): raise ValueError('hook')\n"
        "    return publish(data, *args, **kwargs)\npublisher.publish = broken"
    )
    cell = page.remote(
        "display('boom')\nimport time\ntime.sleep(0.3)\nmade_after = 3\nprint('went on')"
    )
    page.good("del publisher.publish")
    assert cell.error == "ValueError", cell.describe()
    assert cell.stdout == "went on\n"
    assert page.value("made_after") == "3"


def _resident_kb(pid: int) -> int:
    page_kb = os.sysconf("SC_PAGE_SIZE") // 1024
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page_kb
