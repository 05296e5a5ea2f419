"""Running notebooks through a real kernel, as nbclient (and so nbconvert and papermill) does."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import nbformat
import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_async
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from .corpus import Notebook
from .dialect import Dialect
from .fetching import CACHE
from .patient_client import PatientClient

# A cell that asks for the network gets a refusal at once, here as everywhere.
_NOWHERE = "http://127.0.0.1:9"
_FOLDER_BYTES = 20_000_000
_MARK = "FARCELL_CORPUS_RUN"


@dataclass(slots=True)
class CellOutcome:
    """What a cell showed.

    Attributes:
        outputs: nbformat's outputs.
        ended: ``done`` (with or without an error), ``timeout``, ``dead``,
            ``lost`` (by nbclient) or ``not run``.
        took_s: how long it ran.
    """

    outputs: list[dict[str, Any]] = field(default_factory=list)
    ended: str = "not run"
    took_s: float = 0.0


@dataclass(slots=True)
class Run:
    """One run of a notebook: an outcome for each of its cells.

    Attributes:
        cells: in the notebook's order.
        load: the outcome of the dialect's first cell.
        left_behind: command lines of processes that outlived the kernel.
    """

    cells: list[CellOutcome]
    load: CellOutcome
    left_behind: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds."""

    cell_s: int = 60
    notebook_s: int = 180


class Runner:
    """Runs notebooks, several at a time, and remembers the runs made at home.

    Args:
        python: the interpreter the kernels run on.
        limits: what a cell and a notebook may take.
        at_once: how many kernels at a time.
        remember: keep local runs on disk, and use them while cells and packages stay the same.
    """

    def __init__(
        self,
        python: str = sys.executable,
        limits: Limits | None = None,
        at_once: int = 2,
        remember: bool = True,
    ) -> None:
        self._python = python
        self._limits = limits or Limits()
        self._places = asyncio.Semaphore(at_once)
        self._remember = remember
        self._environment = _environment_digest(python)

    async def run(self, notebook: Notebook, dialect: Dialect, repeat: int = 0) -> Run:
        """Run the notebook once; ``repeat`` tells several runs in one dialect apart."""
        kept = self._kept(notebook, dialect, repeat)
        if self._remember and not dialect.prefix and kept.is_file():
            return _read_run(kept)
        async with self._places:
            try:
                run = await self._run(notebook, dialect)
            except RuntimeError:
                # Two kernels that start at once may pick the same port; one of them dies of it.
                run = await self._run(notebook, dialect)
        if not dialect.prefix:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(asdict(run)), encoding="utf-8")
        return run

    def _kept(self, notebook: Notebook, dialect: Dialect, repeat: int) -> Path:
        limits = f"{self._limits.cell_s}-{self._limits.notebook_s}"
        name = f"{notebook.digest}-{dialect.name}-{repeat}-{limits}.json"
        return CACHE / "runs" / self._environment / name

    async def _run(self, notebook: Notebook, dialect: Dialect) -> Run:
        with tempfile.TemporaryDirectory(prefix="corpus-") as name:
            scratch = Path(name)
            folder = _copied(notebook.path.parent, scratch / "work")
            mark = f"{scratch.name}-{dialect.name}"
            try:
                async with _kernel(self._python, folder, scratch, mark, self._limits) as client:
                    run = await self._cells(client, notebook, dialect)
            finally:
                left = await _sweep(mark)
        run.left_behind = left
        return run

    async def _cells(self, client: NotebookClient, notebook: Notebook, dialect: Dialect) -> Run:
        load = await _execute(client, dialect.load)
        cells = [CellOutcome() for _ in notebook.cells]
        deadline = time.monotonic() + self._limits.notebook_s
        for index, source in enumerate(notebook.cells):
            if load.ended != "done" or time.monotonic() > deadline:
                break
            cells[index] = await _execute(client, dialect.spoken(source, index))
            if cells[index].ended != "done":
                break
        else:
            await _execute(client, dialect.unload)
        return Run(cells=cells, load=load)


@contextlib.asynccontextmanager
async def _kernel(
    python: str, folder: Path, scratch: Path, mark: str, limits: Limits
) -> AsyncIterator[NotebookClient]:
    specs = scratch / "kernels" / "corpus"
    specs.mkdir(parents=True)
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "corpus", "language": "python"}
    (specs / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    manager = AsyncKernelManager(
        kernel_name="corpus",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(specs.parent)]),
    )
    client = PatientClient(
        nbformat.v4.new_notebook(),
        km=manager,
        allow_errors=True,
        timeout=limits.cell_s,
        iopub_timeout=10,
        store_widget_state=True,
        resources={"metadata": {"path": str(folder)}},
    )
    environment = {
        **os.environ,
        "http_proxy": _NOWHERE,
        "https_proxy": _NOWHERE,
        "HTTP_PROXY": _NOWHERE,
        "HTTPS_PROXY": _NOWHERE,
        "FARCELL_RECEIPTS": "off",  # the same cell at home moves nothing
        "IPYTHONDIR": str(scratch / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        _MARK: mark,
    }
    # What the kernel itself says is not part of a notebook.
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        await client.async_start_new_kernel(env=environment, **quiet)
        await client.async_start_new_kernel_client()
        yield client
    finally:
        # nbclient's own way out takes the kernel for living, and signals for its own.
        if client.kc is not None:
            client.kc.stop_channels()
        if manager.has_kernel:
            await manager.shutdown_kernel()
        await ensure_async(manager.cleanup_resources())


async def _execute(client: NotebookClient, source: str) -> CellOutcome:
    cell = nbformat.v4.new_code_cell(source)
    client.nb.cells.append(cell)
    begin = time.monotonic()
    ended = "done"
    try:
        await client.async_execute_cell(cell, len(client.nb.cells) - 1)
    except CellTimeoutError:
        ended = "timeout"
    except DeadKernelError:
        ended = "dead"
    except KeyError:
        # nbclient trips over an Output widget that was closed while it captured.
        ended = "lost"
    outputs = json.loads(json.dumps(cell["outputs"], default=str))
    return CellOutcome(outputs=outputs, ended=ended, took_s=time.monotonic() - begin)


async def _sweep(mark: str) -> list[str]:
    """End what a run left behind, and tell what it was."""
    # What was told to stop gets a moment to do so.
    marked = _marked(mark)
    _, left = await asyncio.to_thread(psutil.wait_procs, marked, timeout=5)
    told = []
    for process in left:
        with contextlib.suppress(psutil.Error):
            told.append(" ".join(process.cmdline())[:200])
            process.kill()
    return told


def _marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(_MARK) == mark:
                found.append(process)
    return found


def _copied(folder: Path, to: Path) -> Path:
    """A copy of a notebook's folder with the files it may read, for the run to write into."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    if sum(path.stat().st_size for path in files) > _FOLDER_BYTES:
        files = [path for path in files if path.parent == folder and path.suffix != ".ipynb"]
    to.mkdir()
    for path in files:
        place = to / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    return to


def _environment_digest(python: str) -> str:
    # Of another interpreter only the path is known here: its runs are told apart by that.
    installed: Iterable[str] = sorted(f"{d.name}=={d.version}" for d in distributions())
    told = json.dumps([python, sys.version, *installed])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _read_run(path: Path) -> Run:
    kept = json.loads(path.read_text(encoding="utf-8"))
    return Run(
        cells=[CellOutcome(**cell) for cell in kept["cells"]],
        load=CellOutcome(**kept["load"]),
        left_behind=kept["left_behind"],
    )
