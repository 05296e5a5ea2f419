"""Drivers of one session, in real processes: one at a time, whoever dies, hangs or comes late."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from farcell_runtime.config import Config
from farcell_runtime.errors import FarcellError, SessionHeld, SessionLost, SessionTaken
from farcell_runtime.launch import living_session
from farcell_runtime.messages import Shape
from farcell_runtime.ownership import is_driven
from farcell_runtime.session import Session
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.session_file import SessionFile
from farcell_runtime.transport.worker_client import WorkerClient

PATIENCE_S = 30.0
KEY = f"driver-test-{os.getpid()}"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session.start(KEY, Config(lease_s=0.2))
    session.gang(Shape())
    yield session
    Session(session.file, driver=False).stop("the test is over")


class Conversation:
    """With the worker of the default gang, as the driver of a session has it."""

    def __init__(self, session: Session) -> None:
        self.heard: SimpleQueue[pb.FromWorker | FarcellError | None] = SimpleQueue()
        [member] = session.gang(Shape()).members
        self.client = WorkerClient(
            member.address,
            session.file.token,
            tenure=session.tenure,
            receive=self.heard.put,
            ended=self.heard.put,
        )
        self.hello = self.next()

    def next(self) -> pb.FromWorker | FarcellError | None:
        return self.heard.get(timeout=PATIENCE_S)

    def run(self, code: str) -> pb.FromWorker | FarcellError | None:
        self.client.send(pb.ToWorker(execute=pb.Execute(run="r", epoch=1, code=code)))
        return self.next()


def noted() -> SessionFile:
    file = living_session(KEY)
    assert file is not None
    return file


def test_a_second_driver_is_refused_and_the_first_goes_on(session: Session) -> None:
    with pytest.raises(SessionHeld, match=str(os.getpid())):
        Session.attach(session.file)
    assert session.gang(Shape()).epoch == 1
    assert (noted().driver, noted().driver_pid) == (KEY, os.getpid())
    assert is_driven(noted())


def test_one_that_lets_go_leaves_it_free_and_that_is_written_down(session: Session) -> None:
    session.detach()
    assert noted().left
    assert not is_driven(noted())
    again = Session.attach(session.file)
    assert again.tenure == 2
    assert not noted().left
    again.close()


def test_who_has_lost_it_can_do_nothing_to_it_any_more(session: Session) -> None:
    losses: SimpleQueue[SessionLost] = SimpleQueue()
    session.on_lost(losses.put)
    first = Conversation(session)
    taker = Session.attach(session.file, take=True, notebook="/work/other.ipynb")
    assert isinstance(lost := losses.get(timeout=PATIENCE_S), SessionTaken)
    assert f"process {os.getpid()} (/work/other.ipynb)" in lost.message
    for attempt in (
        lambda: session.gang(Shape(ranks=2)),
        lambda: session.restart("default"),
        lambda: session.close_gang("default"),
        session.detach,
        lambda: session.stop("it was mine"),
    ):
        with pytest.raises((SessionTaken, FarcellError)):
            attempt()
    # Its conversation with the worker goes on until the taker has spoken to that.
    second = Conversation(taker)
    while isinstance(first.next(), pb.FromWorker):
        continue
    assert isinstance(done := second.run("1 + 1"), pb.FromWorker)
    assert done.done.status == "ok"
    assert taker.gang(Shape()).epoch == 1
    taker.close()


def test_a_worker_hears_nobody_who_comes_late(session: Session) -> None:
    taker = Session.attach(session.file, take=True)
    Conversation(taker)
    [member] = taker.gang(Shape()).members
    with pytest.raises(SessionTaken):
        WorkerClient(
            member.address, session.file.token, tenure=1, receive=print, ended=lambda _: None
        )
    taker.close()


DYING = """
import os, sys, time
from farcell_runtime.launch import living_session
from farcell_runtime.session import Session
session = Session.attach(living_session(sys.argv[1]), take=True)
child = os.fork()
if not child:
    time.sleep(1000)
print(child, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_child_that_has_its_socket_keeps_no_dead_driver_alive(session: Session) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DYING, KEY], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        process.wait(PATIENCE_S)
        assert not is_driven(noted())
        Session.attach(session.file).close()  # is not refused
    finally:
        waiting = os.pidfd_open(child)
        os.kill(child, 9)
        assert select.select([waiting], [], [], PATIENCE_S)[0]
        os.close(waiting)


def test_a_file_that_can_not_be_written_stops_nobody(session: Session, tmp_path: Path) -> None:
    path = SessionFile.path_of(Path(os.environ["JUPYTER_RUNTIME_DIR"]), KEY)
    # What holds for every user, as a mode does not for root: there is a folder in its place.
    content = path.read_text()
    path.unlink()
    path.mkdir()
    (path / "inside").touch()
    try:
        session.detach()
        again = Session.attach(session.file)
        assert again.gang(Shape()).epoch == 1
        again.close()
    finally:
        (path / "inside").unlink()
        path.rmdir()
        path.write_text(content)
        path.chmod(0o600)
