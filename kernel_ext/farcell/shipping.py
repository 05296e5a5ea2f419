"""Has the notebook and its workers take versions of the code, as ``CodeVersions`` decides.

Whoever ships (the notebook's thread before a cell, the watcher's when a file was saved) sends what
there is to ask and waits. Answers come on the thread that reads the workers' conversations, which
does what follows from them.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Collection, Sequence

from farcell.code_commands import (
    Abort,
    Command,
    Commit,
    Drop,
    Fault,
    Prepare,
    Promise,
    Take,
    Text,
)
from farcell.code_links import CodeLinks
from farcell.code_versions import CodeVersions
from farcell.stops import stops_allowed
from farcell_runtime.errors import ReloadError
from farcell_runtime.reload.code import Code, Prepared
from farcell_runtime.reload.edit import Edit, File
from farcell_runtime.transport import farcell_pb2 as pb

_ANSWER_S = 1.0  # who is silent for longer gets the version later


class Shipping:
    """Sends versions, and takes the answers.

    Args:
        code: the notebook's own.
    """

    def __init__(self, versions: CodeVersions, links: CodeLinks, code: Code) -> None:
        self.versions = versions
        self.changed = threading.Condition(threading.RLock())  # held where ``versions`` is used
        self._links = links
        self._code = code
        self._prepared: Prepared | None = None
        self._fault: Fault | None = None

    def ship(self, texts: Sequence[Text]) -> None:
        """Have everybody who can take ``texts`` take them, or nobody.

        Raises:
            ReloadError: if somebody can't; then all is as it was.
        """
        began_s = time.monotonic()
        prepared = self._prepare(texts)
        with self.changed:
            self._prepared, self._fault = prepared, None
            before = self.versions.current
            commands = self.versions.propose(texts)
        self._carry_out(commands)
        self._wait()
        if self._fault is not None:
            raise error_of(self._fault)
        version = self.versions.current
        assert version is not before
        if prepared is not None:
            own = list(prepared.changed)
            version.changed = own + [each for each in version.changed if each not in own]
            notes = list(prepared.notes)
            version.notes = notes + [each for each in version.notes if each not in notes]
        version.at_s = time.time()
        version.took_s = time.monotonic() - began_s

    def bring(self, gang: str, patience_s: float = _ANSWER_S) -> None:
        """Have a gang take what it lacks, if it can; its workers may be silent for so long."""
        with self.changed:
            commands = self.versions.bring(gang)
        if commands:
            self._carry_out(commands)
            self._wait(patience_s)

    def heard(self, gang: str, rank: int, news: pb.CodeNews) -> None:
        """A worker has answered; on the thread that reads."""
        versions = self.versions
        commands: list[Command] = []
        with self.changed:
            match news.kind:
                case "prepared":
                    commands = versions.prepared(
                        gang,
                        rank,
                        news.round,
                        changed=news.changed,
                        notes=news.notes,
                        step=news.step,
                    )
                case "refused":
                    fault = fault_of(news.fault, f"gang {gang}, rank {rank}")
                    commands = versions.refused(gang, rank, news.round, fault)
                case "promised":
                    commands = versions.promised(gang, rank, news.round, news.step)
                case "passed":
                    commands = versions.passed(gang, rank, news.round, news.step)
                case "committed":
                    commands = versions.committed(gang, rank, news.round, news.notes)
                case "stepping":
                    versions.stepping(gang, rank)
                case "opened":
                    versions.opened(gang, rank, _digests(news.loaded))
                case "loaded":
                    versions.loaded(gang, rank, _digests(news.loaded))
            self._carry_out(commands)
            self.changed.notify_all()

    def gone(self, gang: str) -> None:
        """A gang's workers are gone."""
        with self.changed:
            self._carry_out(self.versions.gone(gang))
            self.changed.notify_all()

    def _prepare(self, texts: Sequence[Text]) -> Prepared | None:
        """What the notebook itself takes of ``texts``."""
        files = tuple(
            File(each.module, each.path, each.source)
            for each in texts
            if self._code.source_of(each.module) is not None
        )
        if not files:
            return None
        importlib.invalidate_caches()  # what was changed may import a file that is new
        try:
            with stops_allowed():  # what was edited runs, and may run for ever
                return self._code.prepare(Edit(files))
        except ReloadError:
            raise
        except (Exception, SystemExit) as error:  # whatever the code that is prepared is up to
            raise ReloadError(f"{type(error).__name__}: {error}") from error

    def _wait(self, patience_s: float = _ANSWER_S) -> None:
        """Wait for the end of the round: for so long without any answer."""
        with self.changed:
            while self.versions.deciding:
                if not self.changed.wait(patience_s):
                    self._carry_out(self.versions.silent())

    def _carry_out(self, commands: Collection[Command]) -> None:
        for command in commands:
            match command:
                case Prepare(gang, rank, number, texts):
                    files = [_file(text) for text in texts]
                    self._links.send(gang, rank, pb.Code(kind="prepare", round=number, files=files))
                case Promise(gang, rank, number, step):
                    self._links.send(gang, rank, pb.Code(kind="promise", round=number, step=step))
                case Commit(gang, rank, number, step):
                    self._links.send(gang, rank, pb.Code(kind="commit", round=number, step=step))
                case Abort(gang, rank, number):
                    self._links.send(gang, rank, pb.Code(kind="abort", round=number))
                case Take():
                    prepared, self._prepared = self._prepared, None
                    if prepared is not None:
                        prepared.commit()
                case Drop(fault):
                    prepared, self._prepared = self._prepared, None
                    self._fault = fault
                    if prepared is not None:
                        prepared.abort()


def fault_of(told: pb.CodeFault, where: str) -> Fault:
    """What a worker has said of why it can't."""
    message = f"{told.message} (on {where})"
    return Fault(message, told.hint, told.file, told.line, told.source_line)


def error_of(fault: Fault) -> ReloadError:
    """The same as an error."""
    return ReloadError(
        fault.message,
        file=fault.file,
        line=fault.line,
        source_line=fault.source_line,
        hint=fault.hint,
    )


def _digests(files: Collection[pb.ModuleFile]) -> list[tuple[str, bytes]]:
    return [(each.module, each.digest) for each in files]


def _file(text: Text) -> pb.ModuleFile:
    deleted = text.source is None
    return pb.ModuleFile(
        module=text.module,
        path=text.path,
        source=text.source or b"",
        deleted=deleted,
        digest=text.digest,
    )
