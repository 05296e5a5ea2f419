"""What a worker's ``sys.stdout`` writes goes to the log of the run that wrote it."""

from __future__ import annotations

import asyncio
import contextlib
import decimal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farcell_runtime.executor.streams import Router, RunStream, follow_threads
from farcell_runtime.runlog import ERR, OUT, RunLog


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[list[RunLog]]:
    logs = [RunLog(str(tmp_path), name) for name in "01"]
    yield logs
    for log in logs:
        log.close()


@pytest.fixture
def router(logs: list[RunLog]) -> Router:
    return Router(logs[0])


@pytest.fixture
def stream(router: Router) -> RunStream:
    return RunStream(OUT, router)


@pytest.fixture
def wrote(tmp_path: Path) -> Callable[..., str]:
    def wrote(log: int = 0, stream: str = "out") -> str:
        return (tmp_path / f"{log}.{stream}").read_text()

    return wrote


@pytest.fixture
def following(router: Router) -> Iterator[None]:
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    follow_threads(router)
    yield
    threading.Thread.start = start  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]


def test_text(stream: RunStream, wrote: Callable[..., str]) -> None:
    assert stream.write("größe 😀\n") == 8
    print("a", 1, file=stream)
    stream.writelines(["b\n", "c\n"])
    stream.buffer.write(b"bytes\n")
    stream.buffer.write(memoryview(b"view\n"))
    stream.write("\ud800\n")
    stream.flush()
    assert wrote() == "größe 😀\na 1\nb\nc\nbytes\nview\n\\ud800\n"


@pytest.mark.parametrize("wrong", [b"bytes", 1, None])
def test_only_text_is_written(stream: RunStream, wrong: object) -> None:
    with pytest.raises(TypeError, match=f"must be str, not {type(wrong).__name__}"):
        stream.write(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["text", 5])
def test_only_bytes_are_written_below(stream: RunStream, wrong: object) -> None:
    with pytest.raises(TypeError):
        stream.buffer.write(wrong)


def test_it_looks_like_a_stream(router: Router) -> None:
    out, err = RunStream(OUT, router), RunStream(ERR, router)
    assert (out.fileno(), err.fileno()) == (1, 2)
    assert (out.name, err.name) == ("<stdout>", "<stderr>")
    assert (out.encoding, out.errors, out.mode) == ("utf-8", "backslashreplace", "w")
    assert out.writable()
    assert not out.readable()
    assert not out.isatty()
    assert not out.closed
    out.reconfigure(line_buffering=True)
    with pytest.raises(OSError, match="read"):
        out.read()


def test_a_closed_stream_still_writes(stream: RunStream, wrote: Callable[..., str]) -> None:
    stream.close()
    with stream:
        stream.write("a")
    stream.buffer.close()
    stream.write("b")
    stream.flush()
    assert wrote() == "ab"


def test_redirected(stream: RunStream, wrote: Callable[..., str]) -> None:
    with contextlib.redirect_stdout(stream):
        print("redirected")
    stream.flush()
    assert wrote() == "redirected\n"


def test_the_latest_run_is_written_to(
    stream: RunStream, router: Router, logs: list[RunLog], wrote: Callable[..., str]
) -> None:
    async def runs() -> None:
        stream.write("zero\n")
        router.enter(logs[1])
        stream.write("one\n")

    asyncio.run(runs())
    stream.flush_all()
    assert (wrote(0), wrote(1)) == ("zero\n", "one\n")


def test_a_task_stays_with_the_run_that_made_it(
    stream: RunStream, router: Router, logs: list[RunLog], wrote: Callable[..., str]
) -> None:
    async def runs() -> None:
        goes_on = asyncio.Event()

        async def late() -> None:
            await goes_on.wait()
            stream.write("late\n")

        router.enter(logs[0])
        task = asyncio.create_task(late())
        router.enter(logs[1])
        goes_on.set()
        await task
        stream.write("now\n")

    asyncio.run(runs())
    stream.flush_all()
    assert (wrote(0), wrote(1)) == ("late\n", "now\n")


@pytest.mark.usefixtures("following")
@pytest.mark.parametrize("pooled", [False, True])
def test_a_thread_stays_with_the_run_that_gave_it_work(
    stream: RunStream, router: Router, logs: list[RunLog], wrote: Callable[..., str], pooled: bool
) -> None:
    goes_on = threading.Event()

    def late() -> None:
        goes_on.wait()
        stream.write("late\n")
        stream.flush()

    async def runs(pool: ThreadPoolExecutor) -> None:
        router.enter(logs[0])
        thread = threading.Thread(target=late)
        future = pool.submit(late) if pooled else None
        if not pooled:
            thread.start()
        router.enter(logs[1])
        goes_on.set()
        if future is None:
            thread.join()
        else:
            future.result()
            pool.submit(stream.write, "now\n").result()
            pool.submit(stream.flush).result()

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(runs(pool))
    assert (wrote(0), wrote(1)) == ("late\n", "now\n" if pooled else "")


@pytest.mark.usefixtures("following")
def test_a_pool_keeps_its_own_context() -> None:
    with decimal.localcontext() as here, ThreadPoolExecutor(1) as pool:
        here.prec = 5
        assert pool.submit(lambda: decimal.getcontext().prec).result() == 28
        assert list(pool.map(lambda x, y: x + y, [1, 2], [3, 4])) == [4, 6]
        assert pool.submit(dict, a=1).result() == {"a": 1}


@pytest.mark.usefixtures("following")
def test_lines_of_threads_are_not_mixed(stream: RunStream, wrote: Callable[..., str]) -> None:
    def write(letter: str) -> None:
        for _ in range(300):
            print(letter * 20, letter * 20, file=stream)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stream.flush_all()
    lines = wrote().splitlines()
    assert len(lines) == 1200
    assert {len(set(line)) for line in lines} == {2}


def test_one_order_with_subprocesses(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys\n"
        "from farcell_runtime.runlog import RunLog, OUT, ERR\n"
        "from farcell_runtime.executor.streams import Router, RunStream\n"
        "log = RunLog(sys.argv[1], '0')\n"
        "log.install()\n"
        "sys.stdout = RunStream(OUT, Router(log))\n"
        "for number in range(5):\n"
        "    print('python', number)\n"
        "    subprocess.run(['echo', 'child', str(number)])\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    expected = "".join(f"python {number}\nchild {number}\n" for number in range(5))
    assert (tmp_path / "0.out").read_text() == expected
