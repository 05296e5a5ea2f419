"""How a notebook's cells are turned into cells that run somewhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to run a notebook.

    Attributes:
        name: under which its outcomes are kept.
        prefix: the line put over a cell; empty leaves cells as they are.
        load: a cell that runs first.
        unload: a cell that runs last.
        every: only each n-th cell gets the prefix, starting with the first.
    """

    name: str
    prefix: str = ""
    load: str = "pass"
    unload: str = "pass"
    every: int = 1

    def spoken(self, source: str, index: int) -> str:
        """The cell as it is run; ``index`` counts the notebook's code cells from 0."""
        if not self.prefix or index % self.every:
            return source
        return f"{self.prefix}\n{source.lstrip(chr(10))}"

    def with_every(self, every: int) -> Dialect:
        """The same, for each ``every``-th cell."""
        return replace(self, every=every, name=f"{self.name}-every-{every}")


LOCAL = Dialect("local")
REMOTE = Dialect("remote", "%%remote", "%load_ext farcell", "%cluster stop")
# A magic that runs the cell at home: shows which differences are the harness's own.
IDENTITY = Dialect(
    "identity",
    "%%identity",
    "def identity(line, cell):\n"
    "    get_ipython().run_cell(cell)\n"
    "get_ipython().register_magic_function(identity, 'cell')\n"
    "del identity",
)
PX = Dialect(
    "px",
    "%%px",
    "import ipyparallel as _ipp\n"
    "_corpus_view = _ipp.Cluster(n=1, log_level=40).start_and_connect_sync()[:]\n"
    "_corpus_view.block = True\n"
    "_corpus_view.activate()",
    "_corpus_view.client.shutdown(hub=True)",
)
DIALECTS = {dialect.name: dialect for dialect in (LOCAL, REMOTE, IDENTITY, PX)}
