"""The worker's program: what a process forked from the warm parent does until it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import mmap
import os
import platform
import random
import sys
import threading
import traceback

from farcell_runtime import __version__
from farcell_runtime.executor.interrupt import InterruptPage, Interrupts
from farcell_runtime.executor.shell import WorkerShell
from farcell_runtime.messages import WorkerSpec
from farcell_runtime.occupancy import Occupancy
from farcell_runtime.packages import environment
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.door import Door
from farcell_runtime.worker.code import WorkerCode
from farcell_runtime.worker.drivers import Driver, Drivers
from farcell_runtime.worker.runs import Runs
from farcell_runtime.worker.transfers import Transfers

_IDLE_S = 0.05


def prepare() -> WorkerShell:
    """Make, in the warm parent, what every worker needs and no fork disturbs."""
    return WorkerShell.instance()


def rehearse() -> None:
    """Have the warm parent, once it has nothing else to do, do what first errors wait for."""
    for _ in WorkerShell.instance().rehearse():
        pass


def main(spec: WorkerSpec, ready_fd: int, interrupt_page: mmap.mmap) -> None:
    """Serve until the process is killed.

    Args:
        ready_fd: one line of JSON is written here once drivers can connect.
        interrupt_page: names the run that the next SIGINT is meant for.
    """
    worker: Worker | None = None
    try:
        worker = Worker(spec, interrupt_page)
        line: dict[str, object] = {"ready": True, "pid": os.getpid()}
    except Exception as error:
        traceback.print_exc()
        line = {"ready": False, "error": f"{type(error).__name__}: {error}"}
    with os.fdopen(ready_fd, "w") as ready:
        ready.write(json.dumps(line) + "\n")
    if worker is not None:
        worker.run_forever()


class Worker:
    """Does everything on the main thread, in its event loop."""

    def __init__(self, spec: WorkerSpec, page: mmap.mmap) -> None:
        self._spec = spec
        os.makedirs(spec.log_folder, mode=0o700, exist_ok=True)
        os.environ.update(spec.environment)
        _reseed()
        _forget_logging()
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._interrupts = Interrupts(InterruptPage(page))
        self._shell = prepare()
        self._inbox: asyncio.Queue[tuple[pb.ToWorker, Driver]] = asyncio.Queue()
        self._handling: set[asyncio.Task[None]] = set()
        self._drivers = Drivers(
            Door(spec.socket, spec.token),
            self._loop,
            hello=self.hello,
            receive=self.received,
            gone=self._gone,
        )
        self._transfers = Transfers()
        self._occupancy = Occupancy(spec.log_folder)
        self._code = WorkerCode()
        self._runs = Runs(spec, self._shell, self._interrupts, self._drivers, self._code)
        self._code.install()

    def hello(self) -> pb.Hello:
        return pb.Hello(
            worker=self._spec.worker,
            epoch=self._spec.epoch,
            python=platform.python_version(),
            farcell=__version__,
            names=self._runs.names(),
            environment=environment(),
            latest_log=self._runs.latest_log,
            ended=self._runs.ended,
        )

    def received(self, message: pb.ToWorker, driver: Driver) -> None:
        if message.HasField("input_reply"):
            self._runs.answer(message.input_reply)
        elif message.HasField("comm"):
            # Beside the inbox: a cell that awaits may be waiting for just this.
            self._loop.call_soon_threadsafe(self._start_handling, message.comm, driver)
        elif message.HasField("code"):
            self._drivers.hand_over(driver)
            self._code.serve(driver)
        elif message.HasField("freed"):
            self._runs.freed(message.freed, driver)
        elif threading.current_thread() is threading.main_thread():
            self._inbox.put_nowait((message, driver))
        else:
            self._loop.call_soon_threadsafe(self._inbox.put_nowait, (message, driver))

    def _gone(self, driver: Driver) -> None:
        self._runs.driver_gone(driver)
        self._transfers.driver_gone(driver)

    def run_forever(self) -> None:
        self._interrupts.install()
        serving = self._loop.create_task(self._serve())
        rehearsing = self._loop.create_task(self._rehearse())
        while not serving.done():
            try:
                self._loop.run_forever()
            except KeyboardInterrupt:
                continue  # an interrupt at the very edge of a run; the run has it already
            except SystemExit:
                continue  # a cell's; told to its driver already
            break
        rehearsing.cancel()

    async def _rehearse(self) -> None:
        """Do in idle moments what the first error would wait for."""
        for _ in self._shell.rehearse():
            await asyncio.sleep(_IDLE_S)
            while self._runs.running:
                await asyncio.sleep(_IDLE_S)

    async def _serve(self) -> None:
        while True:
            message, driver = await self._inbox.get()
            try:
                await self._handle(message, driver)
            except Exception as error:
                # What the user's code raises is handled inside; this is a fault of farcell's.
                traceback.print_exc(file=sys.__stderr__)
                with contextlib.suppress(OSError):  # which ended the conversation
                    self._fail(message, driver, error)

    def _fail(self, message: pb.ToWorker, driver: Driver, error: Exception) -> None:
        """Have nobody wait for an answer to ``message``."""
        why = f"{type(error).__name__}: {error}"
        match message.WhichOneof("kind"):
            case "fetch":
                request = message.fetch
                missing = dict.fromkeys(request.names, why)
                fetched = pb.Fetched(request=request.request, missing=missing)
                driver.send(pb.FromWorker(fetched=fetched))
            case "inspect":
                inspected = pb.Inspected(request=message.inspect.request, error=why)
                driver.send(pb.FromWorker(inspected=inspected))
            case "execute" if message.execute.run in {done.run for done in self._runs.ended}:
                pass  # it was answered
            case _:
                driver.hang_up()

    def _start_handling(self, message: pb.CommMessage, driver: Driver) -> None:
        task = self._loop.create_task(self._runs.handle(message, driver))
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    async def _handle(self, message: pb.ToWorker, driver: Driver) -> None:
        if self._drivers.is_outlived(driver):
            return  # the driver in its place was greeted before this, and would not know of it
        match message.WhichOneof("kind"):
            case "execute":
                with self._occupancy:
                    await self._runs.execute(message.execute, driver)
            case "fetch":
                self._runs.fetch(message.fetch, driver)
            case "inspect":
                self._runs.inspect(message.inspect, driver)
            case "transfer":
                self._transfers.handle(message.transfer, driver)


def _forget_logging() -> None:
    """Undo the warm parent's own set-up: a cell's logging starts from Python's defaults."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.setLevel(logging.WARNING)


def _reseed() -> None:
    """Give this fork its own random numbers: every fork would draw the parent's next ones."""
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.seed()
