"""farcell: a cluster that feels like the notebook's own kernel.

``%load_ext farcell``, then ``%%remote`` over a cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farcell_runtime import __version__
from farcell_runtime.config import Config
from farcell_runtime.errors import (
    AuthError,
    CaptureError,
    ConnectError,
    FarcellError,
    InternalError,
    LostError,
    ObjectLost,
    PlacementError,
    ReloadError,
    RemoteError,
    RunTimeout,
    SessionHeld,
    SessionLost,
    SessionTaken,
    UsageError,
    VersionMismatch,
    WorkerLost,
)
from farcell_runtime.launch import Launch
from farcell_runtime.ownership import fresh_key, own_sessions
from farcell_runtime.steps import step

if TYPE_CHECKING:
    from farcell.background import BackgroundRun
    from farcell.notebook import Notebook
    from farcell.recovery import Recovery

__all__ = [
    "AuthError",
    "CaptureError",
    "ConnectError",
    "FarcellError",
    "InternalError",
    "LostError",
    "ObjectLost",
    "PlacementError",
    "ReloadError",
    "RemoteError",
    "RunTimeout",
    "SessionHeld",
    "SessionLost",
    "SessionTaken",
    "UsageError",
    "VersionMismatch",
    "WorkerLost",
    "__version__",
    "attach",
    "detach",
    "find_run",
    "load_ipython_extension",
    "plan_recovery",
    "step",
    "unload_ipython_extension",
]


def attach(session: str, *, take: bool = False) -> str:
    """Attach this kernel to a session that is alive, as ``%cluster attach`` does; in words.

    Args:
        session: what it is called: its notebook's name, or its key.
        take: take it over from the kernel that drives it.

    Raises:
        UsageError: if there is none of that name.
        SessionHeld: if another kernel drives it.
    """
    return _notebook().attach(session, take=take)


def detach() -> str:
    """Let go of the session, which goes on, as ``%cluster detach`` does; in words.

    Raises:
        UsageError: if there is none.
    """
    return _notebook().leave()


def find_run(key: int | str) -> BackgroundRun:
    """The background run of this number or name, of this notebook.

    Raises:
        UsageError: if there is none.
    """
    return _notebook().cells.find(str(key))


def plan_recovery(*names: str) -> Recovery:
    """Which cells make ``names`` again that a worker has lost; without any, all that it had.

    Shown, it tells the plan; ``run()`` runs it.
    """
    return _notebook().recovery(names)


def _notebook() -> Notebook:
    from farcell import extension

    notebook = extension.notebook_here()
    if notebook is None:
        raise UsageError("farcell is not loaded here", hint="%load_ext farcell")
    return notebook


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext farcell``: add the magics, and start the cluster in the background."""
    # The head is started first and the rest imported while it starts: each takes 0.2 s.
    from farcell.key import kernel_key, notebook_path

    key, path = kernel_key(), notebook_path()
    launch = None
    if not own_sessions(key, path):
        launch = Launch.begin(fresh_key(key), Config.from_environment(), path)
    try:
        from farcell import extension

        extension.load(shell, key, path, launch)
    except BaseException:
        if launch is not None:
            launch.process.terminate()
        raise


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext farcell``: stop the cluster, and leave the shell as it was."""
    from farcell import extension

    extension.unload(shell)
