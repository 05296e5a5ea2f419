"""One cell, run in the worker's shell as IPython runs a cell of the notebook's own."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from IPython.core.autocall import IPyAutocall

from farcell_runtime.executor.failure import Failure
from farcell_runtime.executor.shell import WorkerShell

_WORD = re.compile(r"\s*([^\W\d]\w*)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a cell ended: with a failure, or well, or refused: its own code never began."""

    failure: Failure | None = None
    refused: bool = False

    @property
    def status(self) -> str:
        """``ok``, ``error``, ``interrupted`` or ``refused``."""
        if self.refused:
            return "refused"
        if self.failure is None:
            return "ok"
        return "interrupted" if self.failure.type_name == "KeyboardInterrupt" else "error"


class Cell:
    """A cell's code with what stood above it.

    Args:
        header: the line of the magic, kept as a comment so that the numbers of the lines in
            tracebacks are those that the notebook shows; empty for code that starts at line 1.
        number: the notebook's number of the cell.
        filename: what the notebook would call the cell's code.
    """

    def __init__(
        self, shell: WorkerShell, header: str, code: str, number: int, filename: str
    ) -> None:
        self._shell = shell
        self._header = header
        self._code = code
        self._number = number
        self._filename = filename

    async def run(self) -> Outcome:
        shell = self._shell
        shell.execution_count = self._number
        shell.failure = None
        shell.compile.cell_name = self._filename
        trouble = None
        header = f"# {self._header}\n" if self._header else ""
        transformed = header + self._code
        try:
            if not self._is_plain(transformed):
                # IPython drops blank lines at the top; the numbers of those below count them.
                blank = len(self._code) - len(self._code.lstrip("\r\n \t"))
                blank_lines = "\n" * self._code[:blank].count("\n") if header else ""
                python = shell.transform_cell(self._code)  # type: ignore[no-untyped-call]
                transformed = header + blank_lines + python
        except Exception as fault:
            transformed, trouble = self._code, (type(fault), fault, fault.__traceback__)
        try:
            result = await shell.run_cell_async(
                self._code,
                store_history=True,
                transformed_cell=transformed,
                preprocessing_exc_tuple=trouble,
            )
        finally:
            shell.compile.cell_name = ""
            shell.forget_outputs()
        error = result.error_before_exec or result.error_in_exec
        if error is None:
            shell.events.trigger("post_execute")
            shell.events.trigger("post_run_cell", result)
            return Outcome()
        lines: list[str] = shell.failure[2] if shell.failure is not None else []
        failure = Failure.of(error, lines)
        with shell.emissions_held() as held:
            shell.events.trigger("post_execute")
            shell.events.trigger("post_run_cell", result)
        if held and lines:
            # What is shown after a failure, such as the figures that were open, comes after it.
            shell.emit_error(type(error), error, lines)
            failure = replace(failure, lines=())
        for kind, content in held:
            shell.emit(kind, content)
        return Outcome(failure)

    def _is_plain(self, text: str) -> bool:
        """Whether IPython would run the code as it stands: to find that out takes it 0.1 ms.

        If so, the compiler has parsed ``text``, the code under its header.
        """
        shell = self._shell
        if shell.has_own_transformers():
            return False
        lines = self._code.split("\n", 2)
        if len(lines) < 3 and not (len(lines) == 2 and lines[1].strip()):
            # A line by itself may be a magic without its "%", or `exit` without its "()".
            word = _WORD.match(lines[0])
            if word is not None and (
                shell.find_line_magic(word[1]) is not None  # type: ignore[no-untyped-call]
                or isinstance(shell.user_ns.get(word[1]), IPyAutocall)
            ):
                return False
        try:
            shell.compile.parse_ahead(text, self._filename)
        except (SyntaxError, ValueError):
            return False
        return True
