"""The runs of a worker: each cell it is sent is run in its shell, with a log of its own."""

from __future__ import annotations

import builtins
import contextlib
import importlib
import itertools
import json
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from farcell_runtime import ambient, codec, plain, warning_filters
from farcell_runtime.ambient import Ambient
from farcell_runtime.bindings import Bindings, import_path, is_hidden
from farcell_runtime.errors import FarcellError, InternalError, LostError, UsageError
from farcell_runtime.executor.cell import Cell, Outcome
from farcell_runtime.executor.comms import Comms
from farcell_runtime.executor.company import Company
from farcell_runtime.executor.failure import Failure
from farcell_runtime.executor.interrupt import Interruptible, Interrupts
from farcell_runtime.executor.kernel import WorkerKernel
from farcell_runtime.executor.packaging import serialise_pip
from farcell_runtime.executor.prompt import Prompt
from farcell_runtime.executor.shell import WorkerShell
from farcell_runtime.executor.streams import Router, RunStream, follow_threads
from farcell_runtime.messages import WorkerSpec
from farcell_runtime.pouring import Arrival
from farcell_runtime.reads import closure, mentioned, value_reads
from farcell_runtime.roster import Roster
from farcell_runtime.runlog import ERR, OUT, RunLog
from farcell_runtime.segments import Pool
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.payload import Packed, pack
from farcell_runtime.values import Values
from farcell_runtime.worker.code import WorkerCode
from farcell_runtime.worker.drivers import Driver, Drivers
from farcell_runtime.worker.questions import answer_to
from farcell_runtime.worker.rebuilding import rebuilt

_KEPT_LOGS = 200
_KEPT_ENDS = 16  # of runs, for a driver that comes when they are over
_LISTEN_S = 0.5
_MOST_FREE_BYTES = 256 << 20  # of shared memory, kept for the next values
_NOTHING = pb.LogPosition()
_BUILTINS = frozenset(vars(builtins))
# Names, numbers and assignments: no code but the interpreter's own runs.
_COMPUTES_NOTHING = re.compile(r"[\w\s=]*")


class Runs:
    """Runs cells one after another, on the main thread."""

    def __init__(
        self,
        spec: WorkerSpec,
        shell: WorkerShell,
        interrupts: Interrupts,
        drivers: Drivers,
        code: WorkerCode,
    ) -> None:
        self._spec = spec
        self._shell = shell
        self._interrupts = interrupts
        self._drivers = drivers
        self._code = code
        self._numbers = itertools.count(1)
        self._logs: deque[RunLog] = deque()
        self._company = Company.now()  # at the end of the latest run
        self._ended: deque[pb.Done] = deque(maxlen=_KEPT_ENDS)
        self._began = False
        self._next_log = self._new_log()
        self._roster = Roster(spec.log_folder)
        self._router = Router(self._next_log)
        self._values = Values(codec.home, self._bind)
        self._pool = Pool(spec.folder, _MOST_FREE_BYTES)
        # Ranks draw numbers of their own.
        self._generators = dict(spec.environment).get("WORLD_SIZE", "1") == "1"
        self._ambient = Ambient.here(generators=self._generators)
        self._asking: tuple[str, Driver] | None = None
        self._prompt = Prompt(self._ask, self._listen)
        self._comms = Comms(shell, self._router, spec.rank)
        self._kernel = WorkerKernel(shell, self._router, self._comms)
        self._kernel.install()
        # What widgets were told of since the driver last asked for changes.
        self._handled: set[str] = set()
        # The names as the driver was last told.
        self._bindings = self._snapshot()
        shell.emit = self._emit
        shell.explain = code.explain
        codec.use_cell_numbers(shell.compile._filename_map)
        self._streams = RunStream(OUT, self._router), RunStream(ERR, self._router)
        sys.stdout, sys.stderr = self._streams
        self._prompt.install()
        serialise_pip(shell, f"{spec.folder}/pip.lock")
        warning_filters.keep_own()
        follow_threads(self._router)

    @property
    def running(self) -> bool:
        """Whether a cell runs now."""
        return self._interrupts.current is not None

    @property
    def latest_log(self) -> int:
        """The number of the log of the latest run; each run has the next one."""
        return int(self._next_log.name) - 1

    @property
    def ended(self) -> list[pb.Done]:
        """How the latest runs ended, without what they changed."""
        return [
            pb.Done(
                run=done.run,
                status=done.status,
                failure=done.failure if done.HasField("failure") else None,
                position=done.position,
                log=done.log,
                log_unused=done.log_unused,
            )
            for done in self._ended
        ]

    def names(self) -> list[str]:
        """The names that cells have bound."""
        hidden = self._shell.user_ns_hidden
        return [n for n in codec.home() if n not in hidden and not n.startswith("_")]

    def answer(self, reply: pb.InputReply) -> None:
        asking = self._asking
        if asking is not None and asking[0] == reply.run:
            self._prompt.answer(reply.text, refused=reply.refused, interrupted=reply.interrupted)

    def driver_gone(self, driver: Driver) -> None:
        asking = self._asking
        if asking is not None and asking[1] is driver:
            self._prompt.lost()
        self._pool.gone(driver)

    async def execute(self, request: pb.Execute, driver: Driver) -> None:
        """Run a cell and tell its driver how it ended."""
        log = self._next_log
        log.install()
        self._router.enter(log)
        self._kernel.begin(log, request.parent, request.code)
        self._comms.install()
        self._asking = (request.run, driver) if request.stdin_allowed else None
        cell = Cell(
            self._shell, request.header, request.code, request.execution_count, request.filename
        )
        run = Interruptible(request.run, self._run(cell, request, driver))
        self._began = False
        self._code.begin_run(request.code)
        self._interrupts.current = run
        try:
            outcome = await run
        except Exception as error:  # before the cell's own code began
            outcome = _refusal(error)
        except KeyboardInterrupt as error:  # at the very edge of the cell's own code
            outcome = Outcome(Failure.of(error, ["KeyboardInterrupt\n"]), refused=not self._began)
        finally:
            self._interrupts.current = None
            for stream in self._streams:
                stream.flush_all()
            self._asking = None
        loaded = self._code.end_run()
        try:
            done = self._report(request, log, outcome)
        except Exception as error:  # what the user's own objects raise when they are looked at
            fault = InternalError(f"what the cell has changed can't be told: {error!r}")
            failed = replace(_refusal(fault), refused=outcome.refused)
            done = self._report(request, log, failed, can_look=False)
        done.loaded.extend(loaded)
        # A run that said nothing and left nothing behind that could still say something has no use
        # for its log: the next run takes it. Making another costs as much as the cell.
        before, self._company = self._company, Company.now()
        done.log_unused = (
            done.position == _NOTHING and not log.handed_on and self._company <= before
        )
        self._say(driver, pb.FromWorker(done=done))
        if done.deleted or any(report.bound for report in done.names):
            self._roster.write(self.names())
        self._ended.append(done)
        if not done.log_unused:
            self._rotate_logs(log)

    async def handle(self, message: pb.CommMessage, driver: Driver) -> None:
        """Hand a message to the comm it is for, and tell the driver what came of it.

        Its handlers belong to the run that made the comm. They may change names as a cell does:
        the driver asks for that before it runs the next cell, with a message of kind ``changes``.
        """
        if message.kind == "changes":
            done = pb.Done(run=message.run, status="ok")
            handled, self._handled = self._handled, set()
            try:
                self._add_names(done, self._read_by_handlers(handled))
            except Exception as error:  # what the user's own objects raise when they are looked at
                self._handled |= handled
                done = pb.Done(run=message.run, status="error")
                done.failure.message = repr(error)
            driver.send(pb.FromWorker(done=done))
            return
        self._handled.add(message.comm_id)
        home = self._comms.home(message.comm_id)
        if home is not None:
            self._router.lend(home)
        self._kernel.handle(message.parent)
        log = self._router.current()
        done = pb.Done(run=message.run, log=log.name, status="ok")
        handling = Interruptible(message.run, self._hand_over(message))
        alone = self._interrupts.current is None
        if alone:  # what C code prints can only go to one place
            self._interrupts.current = handling
            log.install()
        try:
            await handling
        except KeyboardInterrupt:
            done.status = "interrupted"
        except SystemExit:
            pass  # a handler's `exit()` ends the handler
        finally:
            if alone:
                self._interrupts.current = None
                self._router.latest.install()
            driver.send(pb.FromWorker(done=done))

    def _read_by_handlers(self, handled: Iterable[str]) -> set[str]:
        namespace = codec.home()
        try:
            read = [value_reads(self._comms.handler(each), namespace) for each in handled]
        except Exception:  # of the values' own code: following them may run some
            return set(namespace)
        return set().union(*read)

    async def _hand_over(self, message: pb.CommMessage) -> None:
        self._comms.received(
            message.kind,
            {
                "content": json.loads(message.content),
                "metadata": json.loads(message.metadata or b"{}"),
                "buffers": [memoryview(each) for each in message.buffers],
                "header": self._kernel.get_parent()["header"],
            },
            message.run,
        )

    def fetch(self, request: pb.Fetch, driver: Driver) -> None:
        """Send the values of names."""
        answer, pieces = self._values.fetch(
            request.names, anew=request.anew, most_bytes=request.most_bytes
        )
        fetched = pb.Fetched(
            request=request.request,
            unchanged=answer.unchanged,
            unknown=answer.unknown,
            missing=answer.missing,
            types=answer.types,
            reprs=answer.reprs,
            too_large=answer.too_large,
            sizes=answer.sizes,
        )
        packed: Packed | None = None
        if answer.parcel is not None:
            try:
                packed = pack(answer.parcel, self._pool)
            except UsageError as error:
                fetched.missing.update(dict.fromkeys(answer.going, str(error)))
            else:
                fetched.values.CopyFrom(packed.payload)
                self._values.sent(pieces, answer.going)
        self._say(driver, pb.FromWorker(fetched=fetched), packed)

    def freed(self, freed: pb.Freed, driver: Driver) -> None:
        """A driver maps segments no more."""
        self._pool.freed(driver, freed.segments)

    def _say(self, driver: Driver, message: pb.FromWorker, packed: Packed | None = None) -> None:
        if (freed := self._drivers.arrivals(driver).take_freed()) is not None:
            driver.send(pb.FromWorker(freed=freed))
        if packed is None or packed.segment is None:
            driver.send(message)
        else:
            self._pool.lend(packed.segment, [driver])
            driver.send(message, [packed.segment.descriptor])
            if not driver.open:  # and it says no more that it is free
                self._pool.gone(driver)

    def forget(self, names: Any) -> None:
        """Delete names that were deleted in the notebook."""
        namespace = codec.home()
        with self._interrupts.held():
            for name in names:
                namespace.pop(name, None)
            self._values.forget(names)
            self._bindings.record(namespace, names)

    def inspect(self, request: pb.Inspect, driver: Driver) -> None:
        """Answer a question about the namespace."""
        match request.kind:
            case "release":
                found: object = self._release(json.loads(request.text))
            case "alias":
                name, other = request.text.split()
                found = self._alias(name, other)
            case _:
                found = answer_to(request, self._shell, self._values, self.names())
        reply = pb.Inspected(request=request.request, json=json.dumps(found).encode())
        driver.send(pb.FromWorker(inspected=reply))

    def _release(self, names: Iterable[str]) -> list[str]:
        """Delete names and give back their memory; the answer are those that there were."""
        known = [name for name in names if name in codec.home()]
        self._values.forget(known)
        self._shell.release(known)
        self._bindings.record(codec.home(), known)
        self._roster.write(self.names())
        return known

    def _alias(self, name: str, other: str) -> bool:
        namespace = codec.home()
        if name not in namespace:
            return False
        namespace[other] = namespace[name]
        self._bindings.record(namespace, [other])
        self._values.rebound([other])
        return True

    async def _run(self, cell: Cell, request: pb.Execute, driver: Driver) -> Outcome:
        try:
            self._check_epoch(request)
        except LostError:
            self._drivers.arrivals(driver).drop(request.names)
            raise
        self.forget(request.forget)
        trouble = ambient.apply(request.ambient)
        if trouble:
            print(trouble, file=sys.stderr)
        if request.ambient:
            self._ambient = Ambient.here(generators=self._generators)
        if request.HasField("names"):
            parcel = self._drivers.arrivals(driver).unpack(request.names)
            values = rebuilt(self._values, parcel)
            self._shell.take_results(values)
            self._roster.write(self.names())
            # The cell must be able to free what has just arrived.
            del parcel, values
        for module in request.modules:
            with contextlib.suppress(Exception):  # the cell's own use of it tells
                importlib.import_module(module)
        self._began = True
        return await cell.run()

    def _check_epoch(self, request: pb.Execute) -> None:
        if request.epoch != self._spec.epoch:
            raise LostError(
                f"the gang {self._spec.gang} was restarted before this cell reached it",
                hint="run the cell again",
            )

    def _report(
        self, request: pb.Execute, log: RunLog, outcome: Outcome, *, can_look: bool = True
    ) -> pb.Done:
        done = pb.Done(run=request.run, log=log.name, status=outcome.status)
        if outcome.refused:
            pass
        elif can_look:
            self._add_names(done, mentioned(request.code))
        else:
            self._add_unseen(done, mentioned(request.code))
        idle = _COMPUTES_NOTHING.fullmatch(request.code) is not None
        now = Ambient.here(self._ambient if idle else None, generators=self._generators)
        done.ambient = now.change_from(self._ambient)
        self._ambient = now
        payload_manager: Any = self._shell.payload_manager
        if payloads := payload_manager.read_payload():
            done.payloads = json.dumps(payloads, default=str).encode()
            payload_manager.clear_payload()
        if failure := outcome.failure:
            done.failure.CopyFrom(
                pb.Failure(
                    type_name=failure.type_name,
                    message=failure.message,
                    traceback=failure.lines,
                    pickled=failure.pickled,
                    why_not_pickled=failure.why_not_pickled,
                )
            )
        position = log.position()
        done.position.CopyFrom(
            pb.LogPosition(out=position.out, err=position.err, events=position.events)
        )
        done.lost_bytes = log.lost_bytes
        return done

    def _add_names(self, done: pb.Done, read: Iterable[str]) -> None:
        """Add what has changed since the driver was last told, by code that read these names."""
        before = self._bindings
        namespace = codec.home()
        try:
            reached = closure(
                read,
                lambda name: value_reads(namespace[name], namespace),
                namespace.__contains__,
            )
        except Exception:  # of the values' own code: following them may run some
            reached = set(namespace)
        changed, deleted = before.changes(namespace, reached)
        if not (changed or deleted):
            return
        names_of = before.by_identity(namespace)
        for binding in changed:
            value = namespace[binding.name]
            report = done.names.add(name=binding.name, type=binding.type_name, bound=binding.bound)
            if type(value) not in plain.ATOMS:  # of which there may be thousands
                report.reads.extend(_to_tell(value_reads(value, namespace)))
                report.module = import_path(value)
                report.alias_of = names_of.get(id(value), "")
        self._values.rebound(binding.name for binding in changed if binding.bound)
        done.deleted.extend(deleted)
        self._bindings = self._snapshot()

    def _add_unseen(self, done: pb.Done, names: Iterable[str]) -> None:
        """Add all ``names`` that there are as changed: their values can't be looked at.

        Others that the cell has changed are told of with the next cell.
        """
        namespace, hidden = codec.home(), self._shell.user_ns_hidden
        names = [n for n in sorted(names) if n in namespace and not is_hidden(n, hidden)]
        done.names.extend(pb.NameReport(name=name, bound=True) for name in names)
        self._values.rebound(names)
        self._bindings.record(namespace, names)

    def _bind(self, arrival: Arrival) -> None:
        """Bind what came from a driver: no change that it has to be told of."""
        with self._interrupts.held():
            arrival.pour(codec.home())
            codec.home().update(arrival.values)
            self._bindings.record(codec.home(), arrival.values)

    def _snapshot(self) -> Bindings:
        return Bindings(codec.home(), self._shell.user_ns_hidden)

    def _ask(self, prompt: str, password: bool) -> bool:
        asking = self._asking
        if asking is None or not asking[1].open:
            return False
        run, driver = asking
        question = pb.InputRequest(run=run, prompt=prompt, password=password)
        with self._interrupts.held():
            driver.send(pb.FromWorker(input_request=question))
        return True

    def _listen(self) -> None:
        """Wait for an answer for a moment, on whichever thread asked."""
        asking = self._asking
        if asking is None:
            self._prompt.lost()
            return
        driver = asking[1]
        if threading.current_thread() is threading.main_thread():
            driver.wait(_LISTEN_S)
        else:
            # The main thread's loop reads it, unless that thread waits for this one.
            time.sleep(_LISTEN_S / 10)
        with self._interrupts.held():
            self._drivers.read(driver)

    def _emit(self, kind: str, content: dict[str, Any]) -> None:
        self._router.current().event(kind, content)

    def _new_log(self) -> RunLog:
        return RunLog(self._spec.log_folder, str(next(self._numbers)))

    def _rotate_logs(self, ended: RunLog) -> None:
        # Between runs rather than at a run's start, where it would be waited for.
        ended.close()
        self._logs.append(ended)
        while len(self._logs) > _KEPT_LOGS:
            self._logs.popleft().remove()
        self._next_log = self._new_log()


def _to_tell(reads: Iterable[str]) -> list[str]:
    """Those names that the notebook has, or may have when the code is called."""
    return [name for name in reads if name not in _BUILTINS or name in codec.home()]


def _refusal(error: Exception) -> Outcome:
    if not isinstance(error, FarcellError):
        error = InternalError(f"the cell could not be started: {type(error).__name__}: {error}")
    return Outcome(Failure.of(error, [f"{type(error).__name__}: {error}"]), refused=True)
