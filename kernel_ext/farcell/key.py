"""What a notebook's session is known by: its kernel, which keeps its name when it restarts."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def kernel_key() -> str:
    """``kernel-<uuid>``, as the kernel's connection file is called; elsewhere by the pid."""
    ipykernel = sys.modules.get("ipykernel.kernelapp")
    if ipykernel is not None and ipykernel.IPKernelApp.initialized():
        return Path(ipykernel.IPKernelApp.instance().connection_file).stem
    return f"terminal-{os.getpid()}"
