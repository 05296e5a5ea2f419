"""The project's code: a file that was saved is what the notebook and all its workers run next."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from farcell import code_lines
from farcell.code_commands import Text
from farcell.code_links import CodeLinks
from farcell.code_serving import CodeServing
from farcell.code_versions import CodeVersions, Version
from farcell.gang import Gang
from farcell.receipt import Receipts
from farcell.shipping import Shipping
from farcell.stops import raise_stop, stops_held
from farcell.tracked_files import TrackedFiles
from farcell.watcher import Watcher
from farcell_runtime import project
from farcell_runtime.errors import ConnectError, ReloadError
from farcell_runtime.loading import ProjectFinder, has_from_imports, is_made, is_outdated, python_of
from farcell_runtime.reload.code import Code
from farcell_runtime.transport import farcell_pb2 as pb

_AGAIN_S = 0.002  # between two looks at a file that is being written
_STOP_S = 0.1
_SETTLE_S = 5.0  # after so long what there is counts as written
_LATE_S = 10.0  # a worker that is in no cell and has not answered for so long won't
_Fresh = tuple[str, str, bytes | None]


class ProjectCode:
    """Watches over the project's files, and ships what changes in them.

    Args:
        receipts: tells what was shipped.
    """

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts
        self._code = Code()
        self._files = TrackedFiles()
        self._versions = CodeVersions()
        self._links = CodeLinks(self._heard)
        self._shipping = Shipping(self._versions, self._links, self._code)
        self._finder = ProjectFinder(self._loaded)
        self._watcher = Watcher(self._file_changed)
        self._turn = threading.RLock()  # one at a time looks and ships
        self._imported: deque[_Fresh] = deque()
        self._seen: set[str] = set()  # modules of any kind
        self._modules = 0  # how many there were at the last look
        self._elsewhere: deque[pb.ModuleFile] = deque()  # what workers have imported
        self._refusals: deque[str] = deque()
        self._serving = CodeServing(self._source, self._files.roots)

    # ---- beginnings and ends ------------------------------------------------------------------

    def install(self) -> None:
        """Watch over what is imported by now, and what will be."""
        self._finder.install()
        self._absorb()

    def uninstall(self) -> None:
        self._finder.uninstall()
        self._watcher.end()
        self._links.end()

    # ---- gangs --------------------------------------------------------------------------------

    def joined(self, gang: Gang, token: str, tenure: int) -> None:
        """A gang's workers are there."""
        with self._shipping.changed:
            self._versions.joined(gang.name, len(gang.ranks))
        with contextlib.suppress(ConnectError):  # it has died: whoever runs a cell there hears so
            self._links.open(gang, token, tenure)

    def gone(self, gang: str) -> None:
        """A gang's workers are gone."""
        self._links.close(gang)
        self._shipping.gone(gang)

    # ---- cells --------------------------------------------------------------------------------

    @property
    def mode(self) -> str:
        """When edits are taken: ``auto``, ``now``, ``cell`` or ``off``."""
        return self._versions.mode

    @mode.setter
    def mode(self, mode: str) -> None:
        with self._shipping.changed:
            self._versions.mode = mode
        self._files.forgive()

    def before_cell(self, namespace: dict[str, Any], code: str) -> None:
        """A cell is about to run, here or on a gang: it runs the newest code.

        What it imports by ``from m import x`` is kept up in its namespace.
        """
        with stops_held():
            while not self._turn.acquire(timeout=_STOP_S):  # the watcher runs what was edited
                raise_stop()
            try:
                self._look()
                if has_from_imports(code):
                    self._code.follow(namespace, python_of(code))
            finally:
                self._turn.release()
        self._tell_refusals()

    def begin(self, gang: str, run: str) -> None:
        """A cell is about to be sent to a gang, whose workers run the notebook's code then.

        Raises:
            ReloadError: if they can't.
        """
        self._await_heard(gang)
        with self._turn:
            self._absorb()
            if self.mode != "off":
                self._bring(gang)
            with self._shipping.changed:
                self._versions.began(gang, run)
        self._tell_refusals()

    def ended(self, gang: str, loaded: Sequence[Sequence[pb.ModuleFile]]) -> None:
        """A cell on a gang is over, in which its workers have imported modules, told by rank.

        They have said so by themselves too, in another conversation, which may be read later.
        """
        with self._shipping.changed:
            self._versions.ended(gang)
            for rank, files in enumerate(loaded):
                self._elsewhere.extend(files)
                digests = [(each.module, each.digest) for each in files]
                self._versions.loaded(gang, rank, digests)
        if self._lacks(gang) and self.mode != "off":
            with self._turn:
                self._shipping.bring(gang)

    # ---- what is told -------------------------------------------------------------------------

    @property
    def versions(self) -> list[Version]:
        return self._versions.versions

    def lagging(self) -> dict[str, str]:
        """The gangs whose workers don't have the notebook's version, and why."""
        with self._shipping.changed:
            faults = {each: self._versions.fault(each) for each in self._versions.lacking()}
        return {
            gang: "it gets it when its cell ends" if fault is None else fault.message
            for gang, fault in faults.items()
        }

    def _tell_refusals(self) -> None:
        while self._refusals:
            print(self._refusals.popleft(), file=sys.stderr)

    # ---- looking ------------------------------------------------------------------------------

    def _file_changed(self) -> None:
        """On the watcher's thread."""
        if self.mode in ("auto", "now"):
            with self._turn:
                self._look()
                with self._shipping.changed:
                    able = [g for g in self._versions.lacking() if self._versions.may_take(g)]
                for gang in able:
                    self._shipping.bring(gang)

    def _look(self) -> None:
        """Ship what has changed in the files since the last look."""
        self._absorb()
        if self.mode == "off":
            return
        until_s = time.monotonic() + _SETTLE_S
        failed: ReloadError | None = None
        tried: tuple[Text, ...] = ()
        while True:
            changes = self._files.changes()
            in_time = time.monotonic() < until_s
            if changes.unsettled and in_time:
                time.sleep(_AGAIN_S)
                continue
            if not changes.texts:
                return
            if failed is None or changes.texts != tried:
                failed, tried = self._try(changes.texts), changes.texts
                if failed is None:
                    continue  # more may have been saved meanwhile
            if changes.young and in_time:
                time.sleep(_AGAIN_S)  # it may be half of what is being written
                continue
            self._files.refuse(changes.texts)
            self._refusals.append(code_lines.refusal(failed, self._versions.current.number))
            return

    def _try(self, texts: tuple[Text, ...]) -> ReloadError | None:
        """Ship ``texts``; why that can't be done, if it can't."""
        try:
            self._shipping.ship(texts)
        except ReloadError as error:
            return error
        self._files.take(texts)
        self._absorb()
        version = self._versions.current
        if version.changed or version.notes:
            self._receipts.note(code_lines.line_of(version))
        for note in version.notes:
            self._receipts.note(f"  {note}")
        return None

    def _absorb(self) -> None:
        """Watch over what was imported since the last look."""
        if len(sys.modules) != self._modules:
            self._find_imported()
        if not self._imported and not self._elsewhere:
            return
        for _ in range(len(self._imported)):
            name, path, source = fresh = self._imported.popleft()
            made = is_made(name)
            if not made:
                if made is not None:
                    self._imported.append(fresh)
                continue
            text = self._files.track(name, path, source)
            if text is None:
                continue
            if source is None and is_outdated(name):
                self._refusals.append(code_lines.outdated(name, path))
            self._code.track(sys.modules[name], text.source if source is None else source)
            with self._shipping.changed:
                self._versions.track(text)
        while self._elsewhere:
            file = self._elsewhere.popleft()
            if file.module not in self._files and (
                text := self._files.track(file.module, file.path)
            ):
                with self._shipping.changed:
                    self._versions.track(text)
        self._watcher.watch(self._files.folders())

    def _find_imported(self) -> None:
        """Find what was imported before farcell was, or by a finder of somebody's own."""
        self._modules = len(sys.modules)
        new = sys.modules.keys() - self._seen
        self._seen |= new
        fresh = {name for name, _, _ in self._imported}
        for name in new - fresh:
            if (found := project.module_of(name)) is not None and name not in self._files:
                self._imported.append((*found, None))

    def _await_heard(self, gang: str) -> None:
        """Wait for the first word of a gang's workers: what they hold."""
        with self._shipping.changed:
            self._shipping.changed.wait_for(lambda: self._versions.is_heard(gang), _LATE_S)

    def _bring(self, gang: str) -> None:
        """Have a gang, in which nothing runs, at the notebook's version."""
        until_s = time.monotonic() + _LATE_S
        while self._lacks(gang):
            self._shipping.bring(gang, _LATE_S)
            if not self._lacks(gang):
                return
            with self._shipping.changed:
                fault = self._versions.fault(gang)
                self._shipping.changed.wait(_AGAIN_S)
            if fault is not None:
                raise ReloadError(code_lines.lag(gang, fault), hint=fault.hint)
            if time.monotonic() > until_s:
                raise ReloadError(
                    f"gang {gang} does not take code v{self._versions.current.number}: "
                    "a worker does not answer",
                    hint=f"%cluster restart --on {gang}",
                )

    def _lacks(self, gang: str) -> bool:
        with self._shipping.changed:
            return self._versions.lacks(gang)

    # ---- what happens elsewhere ---------------------------------------------------------------

    def _source(self, module: str) -> bytes | None:
        """What a module holds in the version that runs."""
        with self._shipping.changed:
            text = self._versions.texts.get(module)
        return None if text is None else text.source

    def _loaded(self, module: str, path: str, source: bytes) -> None:
        self._imported.append((module, path, source))

    def _heard(self, gang: str, rank: int, news: pb.CodeNews) -> None:
        """On the thread that reads what workers say."""
        if news.kind == "find":
            found = self._serving.answer(news.find)
            self._links.send(gang, rank, pb.Code(kind="found", found=found))
            return
        self._elsewhere.extend(news.loaded)
        self._shipping.heard(gang, rank, news)
        if news.loaded or news.kind == "stepping":
            self._watcher.poke()
