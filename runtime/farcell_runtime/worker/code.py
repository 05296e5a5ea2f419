"""The project's code in a worker: what is loaded here, and the versions that drivers bring.

Drivers speak of code over a conversation of its own. Once there is code that may change, a thread
answers it, so that a cell that runs takes new code with its next call.
"""

from __future__ import annotations

import importlib
import itertools
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

from farcell_runtime import codec, project, steps
from farcell_runtime.errors import FarcellError, ReloadError
from farcell_runtime.loading import ProjectFinder, has_from_imports, is_made, python_of
from farcell_runtime.reload.code import Code, Prepared
from farcell_runtime.reload.edit import Edit, File
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.link import Link
from farcell_runtime.worker.remote_imports import RemoteFinder

Driver = Link[pb.ToWorker]

_FOREVER_S = 3600.0
_ASK_S = 20.0
_LISTEN_S = 0.05  # another thread may have read the answer


class WorkerCode:
    """Takes versions of the project's code, and tells what was loaded."""

    def __init__(self) -> None:
        self._code = Code()
        self._driver: Driver | None = None
        self._heard: Driver | None = None  # whom a thread reads
        self._serving = 0  # that thread
        self._reading = threading.Lock()
        self._prepared: tuple[int, Prepared, dict[str, bytes]] | None = None
        self._digests: dict[str, pb.ModuleFile] = {}
        # A module that is being imported can't wait for one that is prepared, which may import it.
        self._fresh: deque[tuple[str, bytes]] = deque()
        self._cells: deque[str] = deque()  # those that may import names
        self._untold: deque[pb.ModuleFile] = deque()
        self._steps = steps.Steps(lambda: self._tell("stepping"), self._commit)
        self._backlog: deque[pb.Code] = deque()  # what came while an answer was waited for
        self._pid = os.getpid()
        self._requests = itertools.count(1)
        self._asked: dict[int, SimpleQueue[pb.Found]] = {}
        self._imports = RemoteFinder(self.ask, self._loaded)

    def install(self) -> None:
        """Have imports tell what they load."""
        ProjectFinder(self._loaded).install()
        self._imports.install()
        steps.use(self._steps)

    # ---- runs ---------------------------------------------------------------------------------

    def begin_run(self, code: str) -> None:
        """A cell begins. What it imports by ``from m import x`` is kept up."""
        if has_from_imports(code):
            self._cells.append(python_of(code))
        self._imports.begin_run()
        self._steps.begin()

    def end_run(self) -> list[pb.ModuleFile]:
        """A cell is over; the modules that were loaded since the last one."""
        self._steps.end()
        return [self._untold.popleft() for _ in range(len(self._untold))]

    # ---- what is loaded -----------------------------------------------------------------------

    def _loaded(self, module: str, path: str, source: bytes) -> None:
        self._fresh.append((module, source))
        file = pb.ModuleFile(module=module, path=path, digest=project.digest_of(source))
        self._digests[file.module] = file
        self._untold.append(file)
        self._listen()
        self._tell("loaded", loaded=[file])

    def _track(self) -> None:
        while self._cells:
            self._code.follow(codec.home(), self._cells.popleft())
        for _ in range(len(self._fresh)):
            name, source = self._fresh.popleft()
            made = is_made(name)
            if made:
                self._code.track(sys.modules[name], source)
            elif made is not None:
                self._fresh.append((name, source))

    # ---- the conversation ---------------------------------------------------------------------

    def serve(self, driver: Driver) -> None:
        """Speak with ``driver`` from now on."""
        before, self._driver = self._driver, driver
        if before is not None:  # of a kernel that is gone, or that has opened another one
            before.hang_up()
        self._tell("opened", loaded=list(self._digests.values()))
        if self._digests:
            self._listen()

    def _listen(self) -> None:
        """Read what the driver says on a thread of its own.

        Not before a module of the project is loaded here: until then a driver only answers, and
        users fork in workers, which does well without threads.
        """
        driver = self._driver
        if driver is not None and driver is not self._heard and os.getpid() == self._pid:
            self._heard = driver
            threading.Thread(
                target=self._read_forever, args=(driver,), name="farcell-code", daemon=True
            ).start()

    def _read_forever(self, driver: Driver) -> None:
        self._serving = threading.get_ident()
        while driver.open:
            driver.wait(_FOREVER_S)
            self._read(driver)
            while self._backlog:
                try:
                    self._handle(self._backlog.popleft())
                except Exception:  # a fault: this worker lags then, and speaks on
                    traceback.print_exc(file=sys.__stderr__)
        if self._driver is driver:
            self._driver = None
            self._abort()
        driver.close()

    def _read(self, driver: Driver) -> None:
        with self._reading:
            for message in driver.read() if driver.open else ():
                if message.code.kind == "found":
                    self._answered(message.code.found)
                else:
                    self._backlog.append(message.code)

    def _tell(self, kind: str, **fields: object) -> None:
        driver = self._driver
        if driver is not None and os.getpid() == self._pid:  # a fork of a cell's has no say
            driver.send(pb.FromWorker(code=pb.CodeNews(kind=kind, **fields)))  # type: ignore[arg-type]

    def _handle(self, message: pb.Code) -> None:
        match message.kind:
            case "prepare":
                if not any(
                    each.kind == "abort" and each.round == message.round for each in self._backlog
                ):
                    self._prepare(message)
            case "promise":
                if self._steps.promise(message.step):
                    self._tell("promised", round=message.round, step=message.step)
                else:
                    step = self._steps.count
                    self._tell("passed", round=message.round, step=step)
            case "commit":
                if message.step:
                    self._steps.commit_at(message.step)
                else:
                    self._commit()
            case "abort":
                self._abort()

    # ---- what is not here ---------------------------------------------------------------------

    @property
    def explain(self) -> Callable[[BaseException | None], None]:
        """Has errors of imports say where they looked."""
        return self._imports.explain

    def ask(self, kind: str, module: str, path: str = "") -> pb.Found | None:
        """Ask the notebook for a module, or a file of one; no answer if nobody is there."""
        driver = self._driver
        if driver is None or os.getpid() != self._pid:
            return None
        find = pb.Find(request=next(self._requests), kind=kind, module=module, path=path)
        answer = self._asked[find.request] = SimpleQueue()
        reads = self._heard is not driver or threading.get_ident() == self._serving
        until_s = time.monotonic() + _ASK_S
        try:
            self._tell("find", find=find)
            if not reads:
                return answer.get(timeout=_ASK_S)
            while answer.empty() and driver.open and time.monotonic() < until_s:
                driver.wait(_LISTEN_S)
                self._read(driver)
            return answer.get_nowait()
        except Empty:
            return None
        finally:
            del self._asked[find.request]

    def _answered(self, found: pb.Found) -> None:
        answer = self._asked.get(found.request)
        if answer is not None:
            answer.put(found)

    # ---- versions -----------------------------------------------------------------------------

    def _prepare(self, message: pb.Code) -> None:
        self._abort()
        try:
            self._track()
            made = {name for name, _ in list(self._fresh)}
            if not made.isdisjoint(each.module for each in message.files):
                return  # being imported, of the old text: who is silent gets the new one later
            importlib.invalidate_caches()  # what was changed may import a file that is new
            edit = Edit(
                tuple(
                    File(each.module, each.path, None if each.deleted else each.source)
                    for each in message.files
                    # One whose import has failed has no code here.
                    if self._code.source_of(each.module) is not None
                )
            )
            prepared = self._code.prepare(edit)
        except ReloadError as error:
            self._tell("refused", round=message.round, fault=fault_of(error))
            return
        except (Exception, SystemExit) as error:  # whatever the user's code is up to
            told = ReloadError(f"{type(error).__name__}: {error}")
            self._tell("refused", round=message.round, fault=fault_of(told))
            return
        digests = {each.module: each.digest for each in message.files}
        self._prepared = message.round, prepared, digests
        self._tell(
            "prepared",
            round=message.round,
            changed=prepared.changed,
            notes=prepared.notes,
            step=self._steps.count,
        )

    def _commit(self) -> None:
        """On the thread that answers, or on the run's own at one of its steps."""
        if self._prepared is None:
            return
        round_, prepared, digests = self._prepared
        prepared.commit()
        for module, digest in digests.items():
            if module in self._digests:
                self._digests[module].digest = digest
        self._prepared = None
        self._tell("committed", round=round_, notes=prepared.notes)

    def _abort(self) -> None:
        if self._prepared is not None:
            _, prepared, _ = self._prepared
            self._prepared = None
            prepared.abort()
        self._steps.release()


def fault_of(error: FarcellError) -> pb.CodeFault:
    """What is told of an error."""
    fault = pb.CodeFault(message=error.message, hint=error.hint)
    if isinstance(error, ReloadError):
        fault.file, fault.line, fault.source_line = error.file, error.line, error.source_line
    return fault
