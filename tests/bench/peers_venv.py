"""The virtual environment that holds the peers, made on first use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: The packages of each peer. Monarch's wheel is built against one version of torch.
PEERS = {
    "Ray": ("ray==2.60.*",),
    "ipyparallel": ("ipyparallel==9.2.*", "ipykernel>=7.4", "numpy"),
    "Dask": ("distributed==2026.8.*",),
    "Monarch": ("torchmonarch==0.7.*", "torch==2.13.0"),
}
_STAMP = "peers-installed.txt"


def peers_python(root: Path) -> Path:
    """The interpreter of the peers' environment, which is made below ``root`` if need be.

    ``FARCELL_BENCH_PEERS_PYTHON`` names another one, which is used as it is. A peer that cannot be
    installed is left out: the report says that it is missing.
    """
    given = os.environ.get("FARCELL_BENCH_PEERS_PYTHON")
    if given:
        return Path(given)
    folder = root / ".venv-peers"
    python = folder / "bin" / "python"
    stamp = folder / _STAMP
    wanted = "\n".join(spec for specs in PEERS.values() for spec in specs)
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"installing the peers into {folder} (once, some minutes) …", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    (folder / ".gitignore").write_text("*\n")
    for name, specs in PEERS.items():
        install = [str(python), "-m", "pip", "install", "--quiet", *specs]
        if subprocess.run(install, check=False).returncode:
            print(f"{name} could not be installed and is left out", file=sys.stderr, flush=True)
    stamp.write_text(wanted)
    return python
