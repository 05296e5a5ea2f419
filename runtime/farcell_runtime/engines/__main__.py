"""The head's program: ``python -m farcell_runtime.engines --key KEY --config JSON ...``.

Started by `farcell_runtime.launch`, detached from the process that wants a session.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import platform
import secrets
import signal
import sys
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, cast

import farcell_runtime
from farcell_runtime.config import Config
from farcell_runtime.errors import FarcellError, UsageError
from farcell_runtime.events import Event
from farcell_runtime.leftovers import hold, note_process
from farcell_runtime.process import ProcessId, set_name
from farcell_runtime.reaper import watch_over
from farcell_runtime.security import new_folder, new_token
from farcell_runtime.transport.session_file import SessionFile

if TYPE_CHECKING:
    from farcell_runtime.head.engine import Engine

log = logging.getLogger(__name__)


def main() -> None:
    options = _options()
    config = Config.from_json(options.config)
    if options.engine:
        config = replace(config, engine=options.engine)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        folder = new_folder()
    except (FarcellError, OSError) as error:
        _tell(options.ready_fd, error=str(error))
        sys.exit(1)
    _log_to(folder / "head.log")
    runtime_folder = Path(options.runtime_folder)
    watch_over(folder, runtime_folder, config, lambda tail: _tell(options.ready_fd, log=tail))
    set_name("farcell:head")
    note_process(folder, "head")
    try:
        _serve(config, options, folder)
    except Exception as error:
        # The last frame of this process: the starter tells the user, and the log has the rest.
        log.exception("the head failed")
        message = str(error) if isinstance(error, FarcellError) else repr(error)
        _tell(options.ready_fd, error=message)
        sys.exit(1)


def _serve(config: Config, options: argparse.Namespace, folder: Path) -> None:
    """Be the head of a session in ``folder`` until it stops."""
    hold(folder)
    engine = _engine(config)
    inbox: SimpleQueue[Event] = SimpleQueue()
    engine.start(inbox.put)
    # Imported only now: the engine's processes warm up while this one imports gRPC (0.1 s).
    from farcell_runtime.head.program import record, run

    own = ProcessId.own()
    file = SessionFile(
        session=secrets.token_hex(4),
        key=options.key,
        engine=config.engine,
        folder=str(folder),
        address=f"unix:{folder}/head.sock",
        token=new_token(),
        head_pid=own.pid,
        head_started=own.started,
        farcell=farcell_runtime.__version__,
        python=platform.python_version(),
        notebook=options.notebook,
    )
    record(file)
    runtime_folder = Path(options.runtime_folder)
    run(engine, inbox, config, file, runtime_folder, lambda path: _ready(options.ready_fd, path))


def _engine(config: Config) -> Engine:
    """The engine of that name.

    Raises:
        UsageError: if there is none.
    """
    name = f"{__package__}.{config.engine}"
    try:
        # By its name, so that an engine's own dependencies are imported only where it is used.
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            raise UsageError(
                f"there is no engine '{config.engine}'", hint="engines are: local, ray"
            ) from None
        raise UsageError(
            f"the engine '{config.engine}' needs {error.name}, which is not installed",
            hint=f"pip install 'farcell[{config.engine}]'",
        ) from error
    return cast("Engine", module.create(config))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="farcell's head (started by a session)")
    parser.add_argument("--key", required=True, help="what the session belongs to")
    parser.add_argument("--config", default="{}", help="the settings, as Config.as_json writes")
    parser.add_argument("--engine", default="", help="overrides the engine of the settings")
    parser.add_argument("--notebook", default="", help="the notebook's path")
    parser.add_argument("--runtime-folder", required=True, help="where the session file goes")
    parser.add_argument("--ready-fd", type=int, default=-1, help="told when calls are answered")
    return parser.parse_args()


def _ready(descriptor: int, path: Path) -> None:
    _tell(descriptor, ready=str(path))
    if descriptor >= 0:
        os.close(descriptor)


def _tell(descriptor: int, **message: str) -> bool:
    """Tell the starter one line. One that has gone away doesn't matter to a detached process."""
    try:
        os.write(descriptor, json.dumps(message).encode() + b"\n")
    except OSError:
        log.warning("the starter did not hear %s", message)
        return False
    return True


def _log_to(path: Path) -> None:
    """From here on, what this process and its warm parent write lands in the head's log."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s head %(levelname)s %(message)s", force=True
    )


if __name__ == "__main__":
    main()
