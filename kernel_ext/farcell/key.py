"""What a session is known by: its kernel, whose name stays when it restarts, or its notebook."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from farcell_runtime.process import ProcessId

_TOLD = "JPY_SESSION_NAME"


def kernel_key() -> str:
    """``kernel-<uuid>``, as the kernel's connection file is called; elsewhere by the process."""
    ipykernel = sys.modules.get("ipykernel.kernelapp")
    name = ""
    if ipykernel is not None and ipykernel.IPKernelApp.initialized():
        name = Path(ipykernel.IPKernelApp.instance().connection_file).stem
        if name != f"kernel-{os.getpid()}":
            return name
    # The system gives out process ids again: the start time tells this one from later ones.
    own = ProcessId.own()
    return f"{name or f'terminal-{own.pid}'}-{own.started}"


def notebook_path() -> str:
    """The path of this kernel's notebook, links resolved; empty where nobody tells it for certain.

    Jupyter's server says it in the kernel's environment. That is another notebook's where whoever
    started this process has just passed on its own environment; a console's is no file.
    """
    told = os.environ.get(_TOLD, "")
    if not os.path.isabs(told) or not os.path.isfile(told) or _is_inherited(told):
        return ""
    return os.path.realpath(told)


def _is_inherited(told: str) -> bool:
    ipykernel = sys.modules.get("ipykernel.kernelapp")
    if ipykernel is None or not ipykernel.IPKernelApp.initialized():
        return True
    try:
        starter = Path(f"/proc/{os.environ.get('JPY_PARENT_PID', os.getppid())}/environ")
        return f"{_TOLD}={told}".encode() in starter.read_bytes().split(b"\0")
    except OSError:
        return False  # the system does not tell, or the starter is gone
