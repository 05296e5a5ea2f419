"""The life of a head: it opens the session, serves it, and leaves nothing behind."""

from __future__ import annotations

import logging
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

from farcell_runtime.config import Config
from farcell_runtime.events import Driver, Event, GangRequested, StopRequested
from farcell_runtime.head.engine import Engine
from farcell_runtime.head.head import Head
from farcell_runtime.head.service import serve
from farcell_runtime.leftovers import leftovers, remove_session_file
from farcell_runtime.messages import Shape
from farcell_runtime.transport.session_file import SessionFile

log = logging.getLogger(__name__)


def run(
    engine: Engine,
    inbox: SimpleQueue[Event],
    config: Config,
    file: SessionFile,
    runtime_folder: Path,
    ready: Callable[[Path], None],
) -> None:
    """Be the head of the session that ``file`` describes, until it is asked to stop.

    ``engine`` is started already, and emits into ``inbox``. ``ready`` is called with the session
    file's path, in ``runtime_folder``, when calls are answered.
    """
    head = Head(
        engine,
        inbox,
        config,
        session=file.session,
        folder=file.folder,
        token=file.token,
        notebook=file.notebook,
        note_driver=lambda driver, left: _note_driver(file, runtime_folder, driver, left),
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: head.post(StopRequested(signal.Signals(got).name)))
    head.post(GangRequested(Shape()))  # the default gang, before anybody asks
    head.start()
    try:
        server = serve(head, file.address.removeprefix("unix:"), file.token)
        ready(file.write(runtime_folder))
        # A chance to clean up after sessions that ended long ago.
        for each in leftovers(runtime_folder, older_than_s=config.keep_logs_s):
            if not each.processes:
                each.remove()
        head.stopped.wait()
        remove_session_file(file, runtime_folder)
        server.stop()
    finally:
        engine.stop()
        shutil.rmtree(file.folder, ignore_errors=True)
    log.info("stopped: %s", head.reason)


def record(file: SessionFile) -> None:
    """Write into the session's folder whose it is, so that it can be cleaned up after a crash."""
    replace(file, token="").write(Path(file.folder))


def _note_driver(file: SessionFile, runtime_folder: Path, driver: Driver, left: bool) -> None:
    """Write into the session file who drives the session, so that others need not ask."""
    noted = replace(
        file,
        driver=driver.name,
        driver_pid=driver.pid,
        driver_started=driver.started,
        driven_since_s=driver.since_s,
        left=left,
    )
    try:
        noted.write(runtime_folder)
    except OSError as error:
        log.warning("who drives the session could not be written down: %s", error)
