"""The magics: they parse their line and delegate, no more."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class

from farcell import cluster, preferences
from farcell.background import BackgroundRun
from farcell.failures import is_remote
from farcell.notebook import Notebook
from farcell.options import (
    CLUSTER,
    FARCELL,
    REMOTE,
    Command,
    leading_options,
    nearest,
    shape_asked,
    split,
)
from farcell_runtime.errors import UsageError


@magics_class
class FarcellMagics(Magics):
    """``%%remote``, ``%remote``, ``%cluster`` and ``%farcell``."""

    def __init__(self, shell: Any, notebook: Notebook) -> None:
        super().__init__(shell)
        self._shell = shell
        self._notebook = notebook

    @line_cell_magic
    def remote(self, line: str, cell: str | None = None) -> BackgroundRun | None:
        """Run a cell, or the expression on the line, on the cluster. See ``%%remote --help``."""
        if cell is None:
            words, code = leading_options(line, REMOTE)
            header = ""
        else:
            words, code = split(line), cell
            header = f"%%remote {line}".rstrip()
        options = REMOTE.parse(words)
        if options["help"] or not (code or words):
            print(REMOTE.text())
        elif options["local"]:
            self._shell.run_cell(code)  # "%remote --local x": a cell is rewritten before it runs
        elif options["dry_run"]:
            print(self._notebook.cells.dry_run(shape_asked(options), code))
        elif options["background"] or options["name"]:
            return self._notebook.cells.start(
                shape_asked(options),
                code,
                header=header,
                timeout_s=options["timeout"],
                name=options["name"],
            )
        elif code.strip():
            self._notebook.cells.run(
                shape_asked(options), code, header=header, timeout_s=options["timeout"]
            )
        return None

    @line_magic
    def cluster(self, line: str) -> None:
        """Status, start, stop, restart, scale, interrupt, logs. See ``%cluster --help``."""
        self._carry_out("%cluster", CLUSTER, cluster, line or "status")

    @line_magic
    def farcell(self, line: str) -> None:
        """What this notebook shows. See ``%farcell --help``."""
        self._carry_out("%farcell", FARCELL, preferences, line or "--help")

    def _carry_out(
        self, magic: str, commands: dict[str, Command], verbs: ModuleType, line: str
    ) -> None:
        """Call the verb of ``verbs`` that ``line`` names, and print what it returns."""
        words = split(line)
        verb = words[0] if words else "--help"
        if verb in ("--help", "help"):
            usages = ((each.usage()[7:], each.help) for each in commands.values())
            print("\n".join(f"{usage}\n    {told}" for usage, told in usages))
            return
        command = commands.get(verb)
        if command is None:
            raise UsageError(f"{magic} has no command {verb!r}", hint=nearest(verb, [*commands]))
        if "--help" in words:
            print(command.text())
            return
        values = command.parse(words[1:])
        arguments = values.pop("words")
        print(getattr(verbs, verb)(self._notebook, *arguments, **values))

    @line_magic
    def debug(self, line: str) -> None:
        """The debugger at the last error: on the worker, if that is where it was raised."""
        if line.strip() or not is_remote(getattr(sys, "last_value", None)):
            self._original_debug(line)
            return
        cells = self._notebook.cells
        cells.run_on(cells.last_gang, "%debug")

    def take_over_debug(self) -> None:
        """Stand in front of IPython's own ``%debug``."""
        self._original_debug = self._shell.find_line_magic("debug")
