"""What a run writes is read back whole and in order, whoever wrote it and whenever it is read."""

from __future__ import annotations

import codecs
import errno
import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farcell_runtime.runlog import ERR, OUT, Event, LogReader, Position, RunLog, Text

NAMES = {OUT: "stdout", ERR: "stderr"}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RunLog]:
    log = RunLog(str(tmp_path), "1")
    yield log
    if not log.closed:
        log.close()


@pytest.fixture
def reader(log: RunLog, tmp_path: Path) -> Iterator[LogReader]:
    reader = LogReader(str(tmp_path), "1")
    yield reader
    reader.close()


def raw(folder: Path, stream: int, data: bytes) -> None:
    """Write as C code or a subprocess does: to the file, past the log."""
    with open(folder / ("1.out" if stream == OUT else "1.err"), "ab", buffering=0) as file:
        file.write(data)


def joined(items: Iterable[Text | Event]) -> list[Text | Event]:
    """Neighbouring texts of one stream made one."""
    found: list[Text | Event] = []
    for item in items:
        last = found[-1] if found else None
        if isinstance(item, Text) and isinstance(last, Text) and item.stream == last.stream:
            found[-1] = Text(item.stream, last.text + item.text)
        elif not isinstance(item, Text) or item.text:
            found.append(item)
    return found


def out(text: str) -> Text:
    return Text("stdout", text)


def err(text: str) -> Text:
    return Text("stderr", text)


def test_streams_and_events_keep_their_order(log: RunLog, reader: LogReader) -> None:
    log.write(OUT, b"a")
    log.write(OUT, b"b")
    log.write(ERR, b"c")
    log.event("display_data", {"data": {"text/plain": "d"}})
    log.write(ERR, b"e")
    log.write(OUT, b"f")
    assert joined(reader.read()) == [
        out("ab"),
        err("c"),
        Event("display_data", {"data": {"text/plain": "d"}}),
        err("e"),
        out("f"),
    ]
    assert not list(reader.read())
    assert not reader.has_more()


def test_a_reader_that_comes_late_reads_the_same(log: RunLog, tmp_path: Path) -> None:
    log.write(ERR, b"a")
    log.write(OUT, b"b")
    log.close()
    assert joined(LogReader(str(tmp_path), "1").read()) == [err("a"), out("b")]


def test_text_that_goes_past_the_log_keeps_its_place(
    log: RunLog, reader: LogReader, tmp_path: Path
) -> None:
    log.write(ERR, b"warning ")
    raw(tmp_path, OUT, b"subprocess ")
    log.write(ERR, b"another ")
    raw(tmp_path, OUT, b"again ")
    log.event("x", {})
    raw(tmp_path, ERR, b"late")
    assert joined(reader.read()) == [
        err("warning "), out("subprocess "), err("another "), out("again "), Event("x", {}),
        err("late"),
    ]  # fmt: skip


# Operations: Python writes, an event, or writes past the log: first to the stream that Python
# wrote last, then to the other. (Several such writes in a row have no order across streams.)
data = st.one_of(
    st.text(alphabet="aé€😀\n\r", max_size=4).map(str.encode),
    st.binary(min_size=1, max_size=3),
)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from([OUT, ERR]), data),
        st.tuples(st.just("event"), st.integers(0, 9)),
        st.tuples(st.just("raw"), data, data),
        st.tuples(st.just("read")),
    ),
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(operations)
def test_any_interleaving_is_read_in_order(script: list[Any]) -> None:
    decoders = {
        stream: codecs.getincrementaldecoder("utf-8")(errors="replace") for stream in (OUT, ERR)
    }
    expected: list[Text | Event] = []
    found: list[Text | Event] = []
    last = OUT
    raw_before = False

    def expect(stream: int, data: bytes) -> None:
        expected.append(Text(NAMES[stream], decoders[stream].decode(data)))

    with tempfile.TemporaryDirectory() as folder:
        log, reader = RunLog(folder, "1"), LogReader(folder, "1")
        for kind, *arguments in script:
            match kind:
                case "write":
                    last, written = arguments
                    log.write(last, written)
                    expect(last, written)
                case "event":
                    log.event("n", {"n": arguments[0]})
                    expected.append(Event("n", {"n": arguments[0]}))
                case "raw" if not raw_before:
                    other = OUT if last == ERR else ERR
                    for stream, written in zip((last, other), arguments, strict=True):
                        raw(Path(folder), stream, written)
                        expect(stream, written)
                case "read":
                    found += reader.read()
            raw_before = kind == "raw" or (kind == "read" and raw_before)
        found += reader.read()
        assert joined(found) == joined(expected)
        assert not reader.has_more()
        assert reader.reach == log.position()
        log.close()
        reader.close()


def test_writing_threads_and_a_reading_one(log: RunLog, reader: LogReader) -> None:
    lines = 2000
    found: list[Text | Event] = []
    done = threading.Event()

    def write(stream: int) -> None:
        for number in range(lines):
            log.write(stream, f"{stream}:{number}\n".encode())
            if number % 100 == 0:
                log.event("n", {"stream": stream, "n": number})

    def read() -> None:
        while not done.is_set():
            found.extend(reader.read())
        found.extend(reader.read())

    writers = [threading.Thread(target=write, args=(stream,)) for stream in (OUT, ERR)]
    reading = threading.Thread(target=read)
    for thread in (*writers, reading):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reading.join()
    for stream in (OUT, ERR):
        text = "".join(
            item.text for item in found if isinstance(item, Text) and item.stream == NAMES[stream]
        )
        assert text == "".join(f"{stream}:{number}\n" for number in range(lines))
        # An event stands behind the line after which it was written.
        seen = ""
        for item in found:
            if isinstance(item, Text) and item.stream == NAMES[stream]:
                seen += item.text
            elif isinstance(item, Event) and item.content["stream"] == stream:
                assert seen.endswith(f"{stream}:{item.content['n']}\n")


# ---- floods --------------------------------------------------------------------------------------


def test_the_middle_of_a_flood_is_left_out(log: RunLog, reader: LogReader) -> None:
    text = "".join(f"line {number}\n" for number in range(10_000))
    log.write(OUT, text.encode())
    [start, said, end] = reader.read(skip_over_bytes=10_000)
    assert isinstance(start, Text)
    assert isinstance(said, Text)
    assert isinstance(end, Text)
    assert text.startswith(start.text)
    assert text.endswith(end.text)
    assert start.text.endswith("\n")
    assert end.text.startswith("line ")
    skipped = len(text) - len(start.text) - len(end.text)
    assert f"{skipped:,} bytes left out" in said.text
    assert len(start.text + end.text) < 10_100
    assert not reader.has_more()


def test_what_is_hardly_too_long_is_shown_whole(log: RunLog, reader: LogReader) -> None:
    log.write(OUT, b"x\n" * 1000)
    assert joined(reader.read(skip_over_bytes=1999)) == [out("x\n" * 1000)]


@pytest.mark.parametrize("offset", range(4))
def test_a_flood_in_one_line_is_not_cut_within_a_character(
    log: RunLog, reader: LogReader, offset: int
) -> None:
    log.write(ERR, b"." * offset + "😀".encode() * 20_000)
    texts = [item.text for item in reader.read(skip_over_bytes=8000) if isinstance(item, Text)]
    assert "�" not in "".join(texts)
    assert all(text.strip(".😀") == "" for text in (texts[0], texts[-1]))


@given(st.lists(st.integers(0, 30_000), max_size=6), st.sampled_from([1, 1000, 20_000]))
@settings(max_examples=50, deadline=None)
def test_events_are_never_left_out(lengths: list[int], skip_over_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log, reader = RunLog(folder, "1"), LogReader(folder, "1")
        for number, length in enumerate(lengths):
            log.write(OUT, b"x" * length)
            log.event("n", {"n": number})
        items = list(reader.read(skip_over_bytes=skip_over_bytes))
        events = [item.content["n"] for item in items if isinstance(item, Event)]
        assert events == list(range(len(lengths)))
        assert reader.reach == log.position()
        log.close()
        reader.close()


# ---- files ---------------------------------------------------------------------------------------


def test_descriptors_of_a_process_write_here(tmp_path: Path) -> None:
    program = (
        "import os, subprocess, sys\n"
        "from farcell_runtime.runlog import RunLog, OUT\n"
        "log = RunLog(sys.argv[1], '1')\n"
        "log.install()\n"
        "log.write(OUT, b'python ')\n"
        "os.write(1, b'descriptor ')\n"
        "subprocess.run(['sh', '-c', 'printf subprocess; printf failed >&2'])\n"
        "log.event('end', {})\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert joined(LogReader(str(tmp_path), "1").read()) == [
        out("python descriptor subprocess"), err("failed"), Event("end", {}),
    ]  # fmt: skip


def test_a_log_that_is_not_there_yet_reads_as_empty(tmp_path: Path) -> None:
    reader = LogReader(str(tmp_path), "1")
    assert list(reader.read()) == []
    assert not reader.has_more()
    assert reader.tail(3) == []
    assert reader.backlog_bytes() == 0
    log = RunLog(str(tmp_path), "1")
    log.write(OUT, b"now")
    assert reader.has_more()
    assert joined(reader.read()) == [out("now")]
    log.close()
    reader.close()


def test_a_program_that_truncates_its_output_is_still_read(
    log: RunLog, reader: LogReader, tmp_path: Path
) -> None:
    log.write(ERR, b"a long first line\n")
    assert joined(reader.read()) == [err("a long first line\n")]
    subprocess.run(["sh", "-c", f"echo short > {tmp_path}/1.err"], check=True)
    assert reader.has_more()
    assert joined(reader.read()) == [err("short\n")]
    log.write(ERR, b"after\n")
    assert joined(reader.read()) == [err("after\n")]


def test_an_event_that_is_half_written_waits(
    log: RunLog, reader: LogReader, tmp_path: Path
) -> None:
    log.event("whole", {"text": "x" * 100})
    events = tmp_path / "1.events"
    whole = events.read_bytes()
    events.write_bytes(whole[:40])
    assert list(reader.read()) == []
    events.write_bytes(whole)
    assert list(reader.read()) == [Event("whole", {"text": "x" * 100})]


@pytest.mark.parametrize(
    ("content", "read"),
    [
        ({"text": "größe \ud800"}, {"text": "größe \ud800"}),
        ({"nested": [1, None, {"a": 1.5}]}, {"nested": [1, None, {"a": 1.5}]}),
        ({"odd": Path("/tmp")}, {"odd": "/tmp"}),
    ],
)
def test_events_are_json(
    log: RunLog, reader: LogReader, content: dict[str, Any], read: dict[str, Any]
) -> None:
    log.event("x", content)
    assert list(reader.read()) == [Event("x", read)]


def test_a_silent_log_has_no_events_file(log: RunLog, tmp_path: Path) -> None:
    log.write(OUT, b"x")
    assert log.position() == Position(out=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.err", "1.out"]
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600, 0o600]


def test_removed(log: RunLog, tmp_path: Path) -> None:
    log.event("x", {})
    log.close()
    log.remove()
    log.remove()
    assert list(tmp_path.iterdir()) == []
    assert log.closed


def test_the_last_lines(log: RunLog, reader: LogReader) -> None:
    log.write(OUT, b"1\n2\n3\n")
    log.write(ERR, b"4\n5")
    assert reader.tail(2) == ["4", "5"]
    assert reader.tail(4) == ["1", "2", "3", "4", "5"][-4:]
    log.write(ERR, b"\xff\n" * 100_000)
    assert reader.tail(1) == ["�"]


def test_text_that_the_disk_has_no_room_for_is_counted(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys\n"
        "from farcell_runtime.runlog import RunLog, OUT\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "log = RunLog(sys.argv[1], '1')\n"
        "for _ in range(30): log.write(OUT, b'x' * 100)\n"
        "sys.exit(log.lost_bytes // 100)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ended.returncode == 20
    assert (tmp_path / "1.out").stat().st_size == 1000


def test_another_fault_of_the_disk_is_raised(log: RunLog) -> None:
    os.close(log._files[OUT])
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        log.write(OUT, b"x")
    log._files[OUT] = os.open(os.devnull, os.O_WRONLY)  # for the fixture to close


def test_reading_keeps_no_more_descriptors_than_files(log: RunLog, tmp_path: Path) -> None:
    log.event("x", {})
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        reader = LogReader(str(tmp_path), "1")
        list(reader.read())
        reader.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 50
