"""Real processes, really killed: whatever dies, the rest goes on, and nothing is left behind."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from queue import SimpleQueue

import psutil
import pytest

from farcell_runtime.config import Config
from farcell_runtime.errors import (
    AuthError,
    FarcellError,
    PlacementError,
    SessionLost,
    UsageError,
)
from farcell_runtime.launch import Launch, living_sessions, runtime_folder
from farcell_runtime.leftovers import is_held, leftovers
from farcell_runtime.messages import Shape, WorkerSpec
from farcell_runtime.security import new_folder
from farcell_runtime.session import Session
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.client import HeadClient
from farcell_runtime.transport.session_file import SessionFile
from farcell_runtime.transport.worker_client import WorkerClient
from farcell_runtime.worker.control import ControlChannel, Message

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

PATIENCE_S = 30.0  # no measurement: how long a test waits before it calls a hang a hang
QUICK = Config(workers=8, lease_s=0.2, preload=("numpy",))
keys = (f"test-{os.getpid()}-{number}" for number in count())


@dataclass
class Running:
    """A session, its processes, and what was told of it."""

    session: Session
    exits: SimpleQueue[pb.WorkerExit] = field(default_factory=SimpleQueue)
    losses: SimpleQueue[SessionLost] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        self.session.on_exit(self.exits.put)
        self.session.on_lost(self.losses.put)
        self.gang = self.session.gang(Shape())
        self.file = self.session.file
        self.folder = Path(self.file.folder)
        self.head = psutil.Process(self.file.head_pid)
        self.reaper = self.head.parent()
        (self.parent,) = self.head.children()

    def everybody(self) -> list[psutil.Process]:
        return [self.reaper, self.head, *self.head.children(recursive=True)]

    def wait_ready(self) -> pb.Gang:
        self.gang = self.session.gang(Shape())
        return self.gang

    def run(self, code: str, *, until: str = "done") -> pb.FromWorker:
        """Run ``code`` on rank 0; the answer is its end, or the first message of another kind."""
        return run_code(self.session, self.wait_ready(), code, until)


def run_code(session: Session, gang: pb.Gang, code: str, until: str = "done") -> pb.FromWorker:
    heard: SimpleQueue[pb.FromWorker | FarcellError | None] = SimpleQueue()
    address = gang.members[0].address
    worker = WorkerClient(
        address,
        session.file.token,
        tenure=session.tenure,
        receive=heard.put,
        ended=heard.put,
    )
    execute = pb.Execute(run="r1", epoch=gang.epoch, code=code)
    worker.send(pb.ToWorker(execute=execute))
    try:
        while True:
            message = heard.get(timeout=PATIENCE_S)
            assert isinstance(message, pb.FromWorker), message
            if message.WhichOneof("kind") == until:
                return message
    finally:
        worker.close()


@contextmanager
def running(config: Config = QUICK, session: Session | None = None) -> Iterator[Running]:
    """A session of its own, of which nothing is left in the end."""
    cluster = Running(session or Session.start(next(keys), config))
    everybody = cluster.everybody()
    try:
        yield cluster
    finally:
        everybody += cluster.everybody() if cluster.head.is_running() else []
        cluster.session.stop("the test is over")
        for process in everybody:
            wait_gone(process)


@pytest.fixture
def cluster() -> Iterator[Running]:
    with running() as cluster:
        yield cluster
    assert not cluster.folder.exists()
    assert cluster.file.key not in [file.key for file in SessionFile.all_in(runtime_folder())]


def wait_gone(process: psutil.Process) -> None:
    """Wait for the end of any process; a zombie has ended."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if process.is_running():  # and not a later one of the same number
            assert select.select([descriptor], [], [], PATIENCE_S)[0], f"{process} goes on"
    finally:
        os.close(descriptor)


# ---- something dies ---------------------------------------------------------------------------


def test_a_killed_worker_is_told_and_replaced(cluster: Running) -> None:
    (before,) = cluster.gang.members
    os.kill(before.pid, signal.SIGKILL)
    told = cluster.exits.get(timeout=PATIENCE_S)
    assert (told.worker, told.signal, told.rank) == (before.worker, signal.SIGKILL, 0)
    assert not told.expected
    assert not told.out_of_memory
    assert told.peak_memory_bytes > 1 << 20
    (after,) = cluster.wait_ready().members
    assert after.worker != before.worker
    assert after.pid != before.pid
    assert cluster.gang.epoch == 2


def test_a_worker_that_crashes_tells_its_signal(cluster: Running) -> None:
    with pytest.raises(AssertionError):
        cluster.run("import ctypes; ctypes.string_at(0)")
    assert cluster.exits.get(timeout=PATIENCE_S).signal == signal.SIGSEGV


def test_a_worker_that_exits_tells_its_code(cluster: Running) -> None:
    with pytest.raises(AssertionError):
        cluster.run("import os; os._exit(7)")
    told = cluster.exits.get(timeout=PATIENCE_S)
    assert (told.exit_code, told.signal) == (7, 0)


def test_one_rank_that_dies_restarts_all_ranks(cluster: Running) -> None:
    gang = cluster.session.gang(Shape(ranks=3))
    os.kill(gang.members[1].pid, signal.SIGKILL)
    told = [cluster.exits.get(timeout=PATIENCE_S) for _ in range(3)]
    assert [each.expected for each in told] == [False, True, True]
    fresh = cluster.session.gang(Shape(ranks=3))
    assert fresh.epoch > gang.epoch
    assert not {each.pid for each in gang.members} & {each.pid for each in fresh.members}


def test_what_a_worker_left_running_ends_with_it(cluster: Running) -> None:
    cluster.run("import subprocess; child = subprocess.Popen(['sleep', '1000'])")
    (member,) = cluster.gang.members
    (left,) = psutil.Process(member.pid).children()
    os.kill(member.pid, signal.SIGKILL)
    wait_gone(left)


def test_a_killed_parent_takes_its_workers_along_and_is_replaced(cluster: Running) -> None:
    cluster.run("import subprocess; child = subprocess.Popen(['sleep', '1000'])")
    workers = cluster.parent.children(recursive=True)
    assert len(workers) == 2
    cluster.parent.kill()
    for worker in workers:
        wait_gone(worker)
    told = cluster.exits.get(timeout=PATIENCE_S)
    assert not told.expected
    (member,) = cluster.wait_ready().members
    (parent,) = cluster.head.children()
    assert psutil.Process(member.pid).ppid() == parent.pid


def test_a_killed_head_is_told_and_nothing_goes_on() -> None:
    with running() as cluster:
        cluster.run("print('the last words')")
        everybody = cluster.everybody()
        cluster.head.kill()
        lost = cluster.losses.get(timeout=PATIENCE_S)
        assert "head" in lost.message
        assert "%cluster start" in lost.hint
        for process in everybody:
            wait_gone(process)
        with pytest.raises(SessionLost):
            cluster.session.gang(Shape())
        assert not cluster.folder.exists()
        assert not SessionFile.path_of(runtime_folder(), cluster.file.key).exists()
        # The log of its last run is kept, until it is cleaned up.
        (found,) = [each for each in leftovers(runtime_folder()) if each.key == cluster.file.key]
        assert found.kept
        (log,) = found.path.glob("logs/w1/*.out")
        assert log.read_text() == "the last words\n"
        found.remove()
        assert not found.path.exists()


def test_a_killed_reaper_is_not_missed_until_there_is_an_accident(cluster: Running) -> None:
    cluster.reaper.kill()
    wait_gone(cluster.reaper)
    assert cluster.run("1 + 1").done.status == "ok"
    cluster.session.stop("the head cleans up itself")
    assert not cluster.folder.exists()


def test_daemons_of_cells_end_with_the_cluster(cluster: Running) -> None:
    start = "subprocess.Popen(['sleep', '1000'], start_new_session=True)"
    cluster.run(f"import subprocess; child = {start}")
    (member,) = cluster.gang.members
    (daemon,) = psutil.Process(member.pid).children()
    os.kill(member.pid, signal.SIGKILL)
    cluster.exits.get(timeout=PATIENCE_S)
    assert daemon.parent() == cluster.reaper
    cluster.session.stop("the test is over")
    wait_gone(daemon)


def test_workers_go_on_for_the_lease_of_a_dead_head() -> None:
    with running(Config(lease_s=1000.0)) as cluster:
        (member,) = cluster.gang.members
        cluster.head.kill()
        cluster.losses.get(timeout=PATIENCE_S)
        done = run_code(cluster.session, cluster.gang, "1 + 1").done
        assert done.status == "ok"
        key = cluster.file.key
        assert key not in [each.key for each in leftovers(runtime_folder())], "not over yet"
        # What the lease's end does is what SIGTERM does.
        cluster.parent.terminate()
        wait_gone(psutil.Process(member.pid))
        wait_gone(cluster.parent)


def test_a_head_that_is_asked_by_signal_cleans_up() -> None:
    with running() as cluster:
        cluster.head.terminate()
        assert "SIGTERM" in cluster.losses.get(timeout=PATIENCE_S).message
        wait_gone(cluster.head)
        assert not cluster.folder.exists()


def test_a_head_that_hangs_is_killed_with_all_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farcell_runtime.session._STOP_S", 0.2)
    with running() as cluster:
        everybody = cluster.everybody()
        cluster.head.suspend()
        cluster.session.stop("it hangs")
        for process in everybody:
            wait_gone(process)
        assert not cluster.folder.exists()


# ---- interrupts -------------------------------------------------------------------------------


CATCHES = """
import time
try:
    open({fifo!r}, "w").close()
    time.sleep(1000)
except KeyboardInterrupt:
    caught = True
    raise
"""


def test_an_interrupt_hits_the_run_it_names_and_no_other(cluster: Running, tmp_path: Path) -> None:
    fifo = tmp_path / "begun"
    os.mkfifo(fifo)
    heard: SimpleQueue[pb.FromWorker | FarcellError | None] = SimpleQueue()
    address = cluster.gang.members[0].address
    worker = WorkerClient(
        address,
        cluster.file.token,
        tenure=cluster.session.tenure,
        receive=heard.put,
        ended=heard.put,
    )

    def start(run: str, code: str) -> None:
        execute = pb.Execute(run=run, epoch=cluster.gang.epoch, code=code)
        worker.send(pb.ToWorker(execute=execute))

    def end() -> str:
        while True:
            message = heard.get(timeout=PATIENCE_S)
            assert isinstance(message, pb.FromWorker), message
            if message.WhichOneof("kind") == "done":
                return message.done.status

    start("r1", "pass")
    assert end() == "ok"
    start("r2", CATCHES.format(fifo=str(fifo)))
    fifo.read_bytes()  # returns when the cell has opened its end
    cluster.session.interrupt("default", "r1")  # late: it is over
    cluster.session.interrupt("default", "r3")  # and this one never was
    cluster.session.interrupt("default", "r2")
    assert end() == "interrupted"
    start("r3", "assert caught")
    assert end() == "ok"
    worker.close()


# ---- the driver -------------------------------------------------------------------------------

DRIVER = """
import sys, time
from farcell_runtime.config import Config
from farcell_runtime.session import Session
from farcell_runtime.messages import Shape
session = Session.start(sys.argv[1], Config(lease_s=0.2, idle_stop_s=float(sys.argv[2])))
print(session.gang(Shape()).members[0].pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def driver(key: str, idle_stop_s: float = 1000.0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A driver in a process group of its own, and the process id of its worker."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, key, str(idle_stop_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def test_an_interrupt_of_the_drivers_group_does_not_reach_the_cluster() -> None:
    key = next(keys)
    with driver(key) as (process, pid):
        worker = psutil.Process(pid)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE_S) == -signal.SIGINT
        file = Session.find(key)
        assert file is not None
        session = Session.attach(file)
        assert [each.pid for each in session.gang(Shape()).members] == [pid]
        assert worker.is_running()
        session.stop("the test is over")
        wait_gone(worker)


def test_a_killed_driver_leaves_a_session_to_come_back_to() -> None:
    key = next(keys)
    with driver(key) as (process, pid):
        process.kill()
        process.wait(PATIENCE_S)
        file = Session.find(key)
        assert file is not None
        session = Session.attach(file)
        assert session.gang(Shape()).members[0].pid == pid
        session.stop("the test is over")


def test_a_session_that_nobody_comes_back_to_stops_itself() -> None:
    key = next(keys)
    with driver(key, idle_stop_s=0.5) as (process, pid):
        file = Session.find(key)
        assert file is not None
        everybody = [psutil.Process(file.head_pid), psutil.Process(pid)]
        process.kill()
        for each in everybody:
            wait_gone(each)
        assert not Path(file.folder).exists()
        assert Session.find(key) is None


def test_a_run_or_a_driver_keeps_a_session_from_stopping_itself(tmp_path: Path) -> None:
    fifo = tmp_path / "end"
    os.mkfifo(fifo)
    pause = threading.Event()
    with running(replace(QUICK, idle_stop_s=2.0)) as cluster:
        pause.wait(4)  # a driver that does nothing is there nonetheless
        assert cluster.head.is_running()
        worker = WorkerClient(
            cluster.gang.members[0].address,
            cluster.file.token,
            tenure=cluster.session.tenure,
            receive=lambda _: None,
            ended=lambda _: None,
        )
        code = f"import subprocess; subprocess.Popen(['sleep', '9']); open({str(fifo)!r}).read()"
        execute = pb.Execute(run="r1", epoch=cluster.gang.epoch, code=code)
        worker.send(pb.ToWorker(execute=execute))
        with fifo.open("w"):  # which waits until the cell is there
            cluster.session.close()
            worker.close()
            pause.wait(4)
            assert cluster.head.is_running()
        wait_gone(cluster.head)
        assert not cluster.folder.exists()


# ---- side by side -----------------------------------------------------------------------------


def test_two_sessions_know_nothing_of_each_other(cluster: Running) -> None:
    with running() as other:
        assert other.folder != cluster.folder
        assert {cluster.file.key, other.file.key} <= {file.key for file in living_sessions()}
        stranger = HeadClient(other.file.address, cluster.file.token)
        with pytest.raises(AuthError):
            stranger.snapshot()
        stranger.close()
        cluster.run("here = 1")
        assert other.run("here").done.status == "error"
    assert cluster.run("here").done.status == "ok"


def test_a_key_has_one_session(cluster: Running) -> None:
    with pytest.raises(UsageError, match="already"):
        Session.start(cluster.file.key)


# ---- many, and over and over ------------------------------------------------------------------


@pytest.mark.slow
def test_64_workers_start_and_stop() -> None:
    with running(Config(workers=64, lease_s=0.2)) as cluster:
        cluster.session.close_gang("default")
        gang = cluster.session.gang(Shape(ranks=64))
        assert len({each.pid for each in gang.members}) == 64
        assert cluster.parent.num_threads() == 1
        with pytest.raises(PlacementError, match="'ranks=64'"):
            cluster.session.gang(Shape())


def test_restarts_leave_nothing_behind(cluster: Running) -> None:
    def size() -> list[tuple[int, int]]:
        return [(each.num_fds(), each.num_threads()) for each in (cluster.head, cluster.parent)]

    for _ in range(3):
        cluster.session.restart("default")
    before = size()
    for _ in range(15):
        cluster.session.restart("default")
    after = size()
    # gRPC's own threads and descriptors come and go; what grew by one a restart would stand out.
    assert after[1] == before[1]
    assert after[0][0] < before[0][0] + 10
    assert after[0][1] < before[0][1] + 10


def test_gangs_come_and_go(cluster: Running) -> None:
    for _ in range(5):
        gang = cluster.session.gang(Shape(ranks=2, name="x"))
        cluster.session.close_gang("x")
        for member in gang.members:
            assert not psutil.pid_exists(member.pid)
    assert [gang.name for gang in cluster.session.snapshot().gangs] == ["default"]


# ---- the warm parent --------------------------------------------------------------------------


def test_the_parent_has_one_thread_and_its_workers_nothing_of_each_others(
    cluster: Running,
) -> None:
    gang = cluster.session.gang(Shape(ranks=3))
    assert cluster.parent.num_threads() == 1
    pids = [each.pid for each in gang.members]
    assert len({os.getpgid(pid) for pid in pids}) == 3
    assert {os.getsid(pid) for pid in pids} == {cluster.parent.pid}
    anonymous = [
        [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
        for pid in pids
    ]
    for names in anonymous:
        assert not [name for name in names if "pidfd" in name]


def test_ranks_know_their_places_and_see_no_device_they_did_not_ask_for(cluster: Running) -> None:
    gang = cluster.session.gang(Shape(ranks=2))
    seen = []
    for member in gang.members:
        environment = Path(f"/proc/{member.pid}/environ").read_text()
        assert "MASTER_PORT" not in environment  # set after the fork, in the process itself
        one = pb.Gang(epoch=gang.epoch, members=[member])
        names = "'RANK WORLD_SIZE LOCAL_RANK MASTER_ADDR MASTER_PORT CUDA_VISIBLE_DEVICES'"
        code = f"import os, json; print(json.dumps([os.environ[n] for n in {names}.split()]))"
        done = run_code(cluster.session, one, code).done
        seen.append(json.loads(Path(member.log_folder, f"{done.log}.out").read_text()))
    port = seen[0][4]
    assert seen == [[str(rank), "2", str(rank), "127.0.0.1", port, ""] for rank in (0, 1)]


def test_workers_draw_different_numbers_and_use_their_share_of_the_cores(
    cluster: Running,
) -> None:
    gang = cluster.session.gang(Shape(ranks=2))
    code = "import random, numpy; print(random.random(), numpy.random.rand())"
    drawn = []
    for member in gang.members:
        done = run_code(cluster.session, pb.Gang(epoch=gang.epoch, members=[member]), code).done
        drawn += Path(member.log_folder, f"{done.log}.out").read_text().split()
    assert len(set(drawn)) == 4


def test_a_worker_that_cannot_start_loses_its_gang_with_the_reason(cluster: Running) -> None:
    for number in range(2, 5):
        (cluster.folder / f"w{number}.sock").mkdir()
        (cluster.folder / f"w{number}.sock" / "full").touch()
    with pytest.raises(FarcellError, match="could not be started"):
        cluster.session.restart("default")
    assert cluster.session.snapshot().gangs[0].state == "lost"
    assert cluster.wait_ready().members[0].worker == "w5"


@pytest.mark.parametrize("options", [[], ["--no-pidfd"]])
def test_a_parent_watches_its_workers_with_and_without_pidfds(options: list[str]) -> None:
    folder = new_folder()
    ours, theirs = socket.socketpair()
    with theirs:
        parent = subprocess.Popen(
            [
                *(sys.executable, "-m", "farcell_runtime.worker.parent", *options),
                *(f"--control-fd={theirs.fileno()}", "--lease-s=0.1"),
            ],
            pass_fds=[theirs.fileno()],
        )
    control = ControlChannel(ours)
    told: list[Message] = []

    def hear(event: str) -> Message:
        while not told:
            messages = control.receive()
            assert messages is not None, "the parent ended"
            told.extend(messages)
        message = told.pop(0)
        assert message["event"] == event
        return message

    for worker in ("w1", "w2"):
        spec = WorkerSpec(worker, "default", 0, 1, 1, str(folder), "secret")
        control.send(command="start", spec=asdict(spec))
        assert hear("ready")["worker"] == worker
    control.send(command="kill", worker="w1")
    exited = hear("exited")
    assert (exited["worker"], exited["signal"]) == ("w1", signal.SIGKILL)
    control.send(command="kill", worker="w1")  # late, and of no effect
    control.shutdown()
    control.close()
    assert parent.wait(PATIENCE_S) == 0
    assert not is_held(folder)
    shutil.rmtree(folder)


# ---- a head that cannot start -----------------------------------------------------------------


def test_an_engine_that_does_not_exist_is_told() -> None:
    with pytest.raises(SessionLost, match="no engine 'locl'"):
        Session.start(next(keys), Config(engine="locl"))


def test_a_temporary_folder_that_does_not_fit_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 80)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    with pytest.raises(SessionLost, match="too long for a unix socket"):
        Session.start(next(keys))


def test_a_head_that_dies_at_once_shows_the_end_of_its_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launch = Launch.begin(next(keys), QUICK)
    reaper = psutil.Process(launch.process.pid)
    begun = threading.Event()
    while not (heads := reaper.children()):
        begun.wait(0.001)
    heads[0].kill()
    with pytest.raises(SessionLost, match="it ended"):
        launch.wait()
    assert launch.process.poll() is not None


# ---- out of memory ----------------------------------------------------------------------------


def _memory_cgroup() -> Path | None:
    """A fresh memory cgroup, where this process may make one."""
    name = f"farcell-test-{os.getpid()}"
    for root, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        folder = root / name
        try:
            folder.mkdir()
            (folder / limit).write_text(str(400 << 20))
        except OSError:
            if folder.exists():
                folder.rmdir()
            continue
        return folder
    return None


@pytest.fixture
def cgroup() -> Iterator[Path]:
    folder = _memory_cgroup()
    if folder is None:
        pytest.skip("no memory cgroup can be made here")
    yield folder
    while folder.exists():
        try:
            folder.rmdir()
        except OSError:  # the system still counts the last process out
            threading.Event().wait(0.02)


def test_a_worker_that_ran_out_of_memory_is_told_as_such(cgroup: Path) -> None:
    # Children stay in the group that their starter was in.
    (cgroup / "cgroup.procs").write_text(str(os.getpid()))
    try:
        session = Session.start(next(keys), QUICK)
    finally:
        (cgroup.parent / "cgroup.procs").write_text(str(os.getpid()))
    with running(session=session) as cluster:
        with pytest.raises(AssertionError):
            cluster.run("hog = bytearray(1 << 30); hog[:] = b'x' * len(hog)")
        told = cluster.exits.get(timeout=PATIENCE_S)
        assert told.signal == signal.SIGKILL
        assert told.out_of_memory, told
        os.kill(cluster.wait_ready().members[0].pid, signal.SIGKILL)
        told = cluster.exits.get(timeout=PATIENCE_S)
        assert not told.out_of_memory, told
