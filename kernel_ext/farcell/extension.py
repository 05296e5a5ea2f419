"""Loading farcell into a shell, and taking it out again."""

from __future__ import annotations

import atexit
import contextlib
from typing import Any

from IPython import get_ipython

from farcell import completion
from farcell.magics import FarcellMagics
from farcell.notebook import Notebook
from farcell.options import REMOTE, runs_remotely, split
from farcell.sessions import session_names
from farcell_runtime.errors import FarcellError
from farcell_runtime.launch import Launch
from farcell_runtime.ownership import orphans, quoted

_LOADED = "_farcell"


def load(shell: Any, key: str, path: str, launch: Launch | None) -> None:
    """Add the magics to ``shell``, and start its cluster in the background.

    Args:
        key: what the kernel is known by.
        path: the notebook's; empty if nobody knows.
        launch: a head that was started already, if there is one.
    """
    notebook = Notebook(shell, key, path, launch)
    magics = FarcellMagics(shell, notebook)
    magics.take_over_debug()
    shell.register_magics(magics)
    setattr(shell, _LOADED, notebook)
    notebook.install()
    shell.input_transformers_cleanup.append(_local_cell)
    completion.install(shell, notebook.inspection.complete, _words(notebook))
    _stop_when_shut_down(shell, notebook)
    if launch is None:
        notebook.reattach()
        return
    for file in orphans(key):
        print(
            f"farcell: session {file.name!r} is alive, and its notebook {file.notebook} is gone. "
            f"If that is this one: %cluster attach {quoted(file.name)}"
        )


def unload(shell: Any) -> None:
    """Stop the cluster, and take the magics out of ``shell``."""
    notebook = notebook_of(shell)
    if notebook is None:
        return
    notebook.uninstall()
    shell.input_transformers_cleanup.remove(_local_cell)
    completion.uninstall(shell, notebook.inspection.complete)
    for kind in ("line", "cell"):
        for name in ("remote", "cluster", "farcell"):
            shell.magics_manager.magics[kind].pop(name, None)
    delattr(shell, _LOADED)


def notebook_of(shell: Any) -> Notebook | None:
    """What ``load`` made of ``shell``."""
    return getattr(shell, _LOADED, None)


def notebook_here() -> Notebook | None:
    """What ``load`` made of the shell of this process."""
    return notebook_of(get_ipython())


def _words(notebook: Notebook) -> completion.Words:
    """What may stand behind those verbs of ``%cluster`` that take names."""
    return {"attach": session_names, "free": notebook.freeable}


def _local_cell(lines: list[str]) -> list[str]:
    """What a cell magic can't be: a cell that runs here after all, or one with nothing below.

    ``%%remote --local``: the cell without its first line is an ordinary cell. A first line alone,
    which IPython refuses, is a question for help, or nothing to do.
    """
    if not lines or not lines[0].startswith("%%remote"):
        return lines
    if not "".join(lines[1:]).strip():
        return [f"%remote {'--help' if '--help' in lines[0] else '--ranks 1'}\n"]
    if runs_remotely(lines[0]):
        return lines
    REMOTE.parse(split(lines[0].removeprefix("%%remote")))
    # The blank line keeps the numbers of the others; a cell magic must be in the first one.
    return lines[1:] if lines[1].startswith("%%") else ["\n", *lines[1:]]


def _stop_when_shut_down(shell: Any, notebook: Notebook) -> None:
    """Stop the cluster with its kernel, unless that is only restarted or dies."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        atexit.register(_stop_quietly, notebook)
        return
    original = kernel.do_shutdown

    def do_shutdown(restart: bool) -> Any:
        if not restart:
            _stop_quietly(notebook)
        return original(restart)

    kernel.do_shutdown = do_shutdown


def _stop_quietly(notebook: Notebook) -> None:
    with contextlib.suppress(FarcellError):
        notebook.shut_down("its notebook was shut down")
