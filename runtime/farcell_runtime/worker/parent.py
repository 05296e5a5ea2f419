"""The warm parent: the process that every local worker is forked from, and that watches over it.

It has imported what a worker needs, so that a worker starts in milliseconds and shares that
memory. It has one thread and never initialises gRPC or a GPU, since neither outlives a fork. It
reads commands from a socket that the head holds the other end of, and reports when a worker is
ready and when it ended; a pidfd of each worker is the only sign of life it goes by.

When the head dies the socket ends: workers may go on for the lease's time, then all are killed.
When this process dies, the system kills its workers.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import importlib
import json
import logging
import mmap
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from farcell_runtime.config import usable_cpus
from farcell_runtime.leftovers import hold, note_process
from farcell_runtime.messages import WorkerSpec
from farcell_runtime.process import end_session, set_name
from farcell_runtime.worker import program
from farcell_runtime.worker.control import ControlChannel, Message
from farcell_runtime.worker.memory_limit import OomCounter
from farcell_runtime.worker.threads import (
    ThreadSetter,
    limit_later_libraries,
    single_threaded_imports,
    thread_setters,
)

log = logging.getLogger(__name__)

_PAGE_BYTES = 4096
_LONGEST_RUN_BYTES = 200
_IDLE_S = 0.5
_PR_SET_PDEATHSIG = 1
_HAS_PIDFD = hasattr(os, "pidfd_open")


@dataclass(slots=True)
class _Child:
    """A worker process, and what this process keeps of it.

    Attributes:
        pidfd: readable once it ended; -1 where the system has none.
        ready_fd: its one line that says it is ready; -1 once that was read.
        page: memory shared with it that names the run to interrupt.
        oom_mark: the kills for want of memory before it was forked.
        killed: whether it was killed from here.
        error: why it could not start, in its own words.
    """

    worker: str
    pid: int
    pidfd: int
    ready_fd: int
    page: mmap.mmap
    oom_mark: int
    killed: bool = False
    error: str = ""
    said: bytearray = field(default_factory=bytearray)


class WarmParent:
    """Forks workers on command, and reports what becomes of them."""

    def __init__(
        self,
        control: ControlChannel,
        lease_s: float,
        thread_setters: list[ThreadSetter],
        *,
        pidfds: bool = True,
    ) -> None:
        self._control = control
        self._thread_setters = thread_setters
        self._lease_s = lease_s
        self._pidfds = pidfds and _HAS_PIDFD
        self._children: dict[str, _Child] = {}
        self._oom_kills = OomCounter()
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._obey)
        # Wakes the selector on SIGTERM, and on SIGCHLD where there are no pidfds.
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, self._wake_up)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self._end())
        if not self._pidfds:
            signal.signal(signal.SIGCHLD, lambda *_: None)
        self._held: dict[str, int] = {}
        self._head_gone = False
        self._deadline: float | None = None
        self._ending = False

    def run(self) -> None:
        """Serve until told to stop, or until the lease of a dead head is over."""
        rehearsed = False
        while not self._over():
            timeout_s = None
            if self._deadline is not None and not self._ending:
                timeout_s = max(0.0, self._deadline - time.monotonic())
            elif not rehearsed and self._children:
                timeout_s = _IDLE_S
            events = self._selector.select(timeout_s)
            if not events and timeout_s == _IDLE_S:
                # Nobody waits for the next worker now; it will have a little more than this one.
                with single_threaded_imports():
                    program.rehearse()
                settle()
                rehearsed = True
            for key, _ in events:
                key.data()

    def _over(self) -> bool:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._end()
        if self._ending:
            for worker in list(self._children):
                self._kill(worker)
        return not self._children and (self._ending or self._head_gone)

    # ---- commands ---------------------------------------------------------------------------

    def _obey(self) -> None:
        messages = self._control.receive()
        if messages is None:
            log.warning("the head is gone: workers end in %g s", self._lease_s)
            self._selector.unregister(self._control)
            self._head_gone = True
            self._deadline = time.monotonic() + self._lease_s
            return
        for message in messages:
            match message.pop("command"):
                case "start":
                    self._start(_spec_of(message))
                case "interrupt":
                    self._interrupt(message["worker"], message["run"])
                case "kill":
                    self._kill(message["worker"])
                case "stop":
                    self._end()

    def _end(self) -> None:
        self._ending = True

    def _tell(self, **message: Any) -> None:
        if self._head_gone:
            return
        try:
            self._control.send(**message)
        except OSError:
            log.warning("nobody heard %s", message)  # the end of the socket is read next

    def _start(self, spec: WorkerSpec) -> None:
        if self._ending:
            return
        try:
            child = self._fork(spec)
        except OSError as error:
            log.exception("%s could not be started", spec.worker)
            self._tell(event="exited", worker=spec.worker, reason=f"it can't be forked: {error}")
            return
        self._children[spec.worker] = child
        self._selector.register(
            child.ready_fd, selectors.EVENT_READ, lambda: self._read_ready(child)
        )
        if child.pidfd >= 0:
            self._selector.register(child.pidfd, selectors.EVENT_READ, lambda: self._reap(child))

    def _interrupt(self, worker: str, run: str) -> None:
        child = self._children.get(worker)
        name = run.encode()
        if child is None or len(name) > _LONGEST_RUN_BYTES:
            log.warning("no interrupt of %s in %s", run, worker)
            return
        # The length is written last: a worker that looks meanwhile sees no run at all.
        child.page[0] = 0
        child.page[1 : 1 + len(name)] = name
        child.page[0] = len(name)
        _send_signal(child, signal.SIGINT)

    def _kill(self, worker: str) -> None:
        child = self._children.get(worker)
        if child is not None and not child.killed:
            child.killed = True
            _send_signal(child, signal.SIGKILL)

    # ---- children ---------------------------------------------------------------------------

    def _fork(self, spec: WorkerSpec) -> _Child:
        if spec.folder not in self._held:
            self._held[spec.folder] = hold(spec.folder)  # shared by all children, for life
            note_process(spec.folder, "warm parent")
        os.makedirs(spec.log_folder, mode=0o700, exist_ok=True)
        ready_fd, write_fd = os.pipe()
        page = mmap.mmap(-1, _PAGE_BYTES)  # shared and anonymous
        oom_mark = self._oom_kills.mark()
        own_pid = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            os.close(ready_fd)
            os.close(write_fd)
            raise
        if pid == 0:
            _be_worker(spec, own_pid, write_fd, page, lambda: self._become(spec, ready_fd))
        os.close(write_fd)
        os.set_blocking(ready_fd, False)
        with contextlib.suppress(OSError):  # the child does the same: whoever is first
            os.setpgid(pid, pid)
        pidfd = os.pidfd_open(pid) if self._pidfds else -1
        return _Child(spec.worker, pid, pidfd, ready_fd, page, oom_mark)

    def _become(self, spec: WorkerSpec, ready_fd: int) -> None:
        """In a child: close what belongs to this process or to other workers, share the cores."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._control.close()
        self._woken.close()
        self._wake.close()
        os.close(ready_fd)
        for child in self._children.values():
            child.page.close()
            for descriptor in (child.pidfd, child.ready_fd):
                if descriptor >= 0:
                    os.close(descriptor)
        self._children.clear()
        ranks_here = int(dict(spec.environment).get("LOCAL_WORLD_SIZE", "1"))
        share = max(1, usable_cpus() // ranks_here)
        for setter in self._thread_setters:
            setter.set(share)
        if ranks_here > 1:  # alone, a worker's environment looks like the notebook's own
            limit_later_libraries(share)

    def _read_ready(self, child: _Child) -> None:
        if child.ready_fd < 0:
            return  # closed by an event of the same moment
        try:
            data = os.read(child.ready_fd, 1 << 16)
        except BlockingIOError:
            return
        child.said += data
        if data and b"\n" not in child.said:
            return
        self._close_ready(child)
        if not data:
            return  # it ended before it said anything: its exit tells why
        said = json.loads(child.said.split(b"\n", 1)[0])
        if said.get("ready"):
            self._tell(event="ready", worker=child.worker, pid=child.pid)
        else:
            child.error = str(said.get("error", "it did not say why"))

    def _close_ready(self, child: _Child) -> None:
        if child.ready_fd >= 0:
            self._selector.unregister(child.ready_fd)
            os.close(child.ready_fd)
            child.ready_fd = -1

    def _wake_up(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
        if not self._pidfds:
            for child in list(self._children.values()):
                self._reap(child)

    def _reap(self, child: _Child) -> None:
        """Report a child that ended, and end what it left running."""
        if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return
        # Until it is reaped nobody else can have its process group's number.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        self._read_ready(child)
        self._close_ready(child)
        _, status, usage = os.wait4(child.pid, 0)
        ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        out_of_memory = (
            ended_by == signal.SIGKILL
            and not child.killed
            and self._oom_kills.rose_since(child.oom_mark)
        )
        if child.pidfd >= 0:
            self._selector.unregister(child.pidfd)
            os.close(child.pidfd)
        child.page.close()
        del self._children[child.worker]
        self._tell(
            event="exited",
            worker=child.worker,
            exit_code=0 if ended_by else os.WEXITSTATUS(status),
            signal=ended_by,
            out_of_memory=out_of_memory,
            # Linux counts in KiB, macOS in bytes.
            peak_memory_bytes=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            reason=child.error,
        )


def _send_signal(child: _Child, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        if child.pidfd >= 0:
            signal.pidfd_send_signal(child.pidfd, number)
        else:
            os.kill(child.pid, number)  # not reaped yet, so it is still the same process


def _spec_of(message: Message) -> WorkerSpec:
    fields = dict(message["spec"])
    fields["gpu_uuids"] = tuple(fields["gpu_uuids"])
    fields["environment"] = tuple((name, value) for name, value in fields["environment"])
    return WorkerSpec(**fields)


# ---- in the child -----------------------------------------------------------------------------


def _be_worker(
    spec: WorkerSpec, parent: int, ready_fd: int, page: mmap.mmap, become: Callable[[], None]
) -> NoReturn:
    """Be a worker, and never come back."""
    exit_code = 1
    try:
        _bind_life_to(parent, spec.worker)
        become()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        # SIGINT stays ignored until the program has a handler that knows its runs.
        _redirect_output(spec.log_folder)
        note_process(spec.folder, f"worker {spec.worker}")
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(spec.gpu_uuids)
        os.environ.update(spec.environment)
        gc.enable()
        program.main(spec, ready_fd, page)
        exit_code = 0
    except SystemExit as end:
        exit_code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        # The last frame of this process: whatever it was is told to the log and to the parent.
        traceback.print_exc()
        with contextlib.suppress(OSError):
            said = {"error": f"{type(error).__name__}: {error}"}
            os.write(ready_fd, json.dumps(said).encode() + b"\n")
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(exit_code)


def _bind_life_to(parent: int, worker: str) -> None:
    """A process group of its own, and death with the parent where the system can do that."""
    os.setpgid(0, 0)
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    set_name(f"farcell:{worker}")
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


def _redirect_output(folder: str) -> None:
    """Stdin is empty, and output goes to the worker's own log until its first run."""
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    log_fd = os.open(f"{folder}/worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log_fd, 1)
    os.dup2(log_fd, 2)
    os.close(log_fd)


# ---- the program ------------------------------------------------------------------------------


# What these import only when they are used: every worker uses it.
_LATE_PARTS = {"grpc": ("grpc._interceptor", "grpc._server"), "numpy": ("numpy.random",)}


def _warm_up(modules: list[str]) -> None:
    """Import, with one thread, what workers need."""
    with single_threaded_imports():
        program.prepare()
        for name in modules:
            try:
                importlib.import_module(name)
            except Exception:
                # A worker works without it; the user's own import will say what is wrong.
                log.exception("%s can't be imported ahead", name)
        for whole, parts in _LATE_PARTS.items():
            for part in parts if whole in sys.modules else ():
                with contextlib.suppress(ImportError):  # another version has it elsewhere
                    importlib.import_module(part)


def settle() -> None:
    """Have no collection touch what there is now: that would unshare the pages of the workers."""
    gc.collect()
    gc.disable()  # in this process only
    gc.freeze()


def main() -> None:
    arguments = argparse.ArgumentParser(description="farcell's warm parent (started by the head)")
    arguments.add_argument("--control-fd", type=int, required=True)
    arguments.add_argument("--lease-s", type=float, required=True)
    arguments.add_argument("--preload", default="")
    arguments.add_argument("--no-pidfd", action="store_true")
    options = arguments.parse_args()
    logging.basicConfig(format="%(asctime)s parent %(levelname)s %(message)s", force=True)
    set_name("farcell:parent")
    os.set_inheritable(options.control_fd, False)
    control = ControlChannel(socket.socket(fileno=options.control_fd))
    _warm_up([name for name in options.preload.split(",") if name])
    parent = WarmParent(control, options.lease_s, thread_setters(), pidfds=not options.no_pidfd)
    settle()
    parent.run()
    # What workers left running outside their own process groups.
    end_session(os.getpid())


if __name__ == "__main__":
    main()
