"""The worker's IPython shell: what it displays goes to the run's log, its failures are kept."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import linecache
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import UsageError
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from farcell_runtime.executor.mime import clean

_PACKAGE = str(Path(__file__).parents[1])
_STDLIB = sysconfig.get_path("stdlib")
_SITE = "site-packages"

# What IPython imports when it renders its first traceback.
_RENDERING = ("asttokens", "executing", "stack_data", "pygments.formatters.terminal256",
              "pygments.lexers.python", "pygments.styles.default")  # fmt: skip

# Event loops of windows, which a worker has no screen for.
_SCREENS = ("qt", "gtk", "tk", "wx", "osx", "pyglet", "glut")

Emit = Callable[[str, dict[str, Any]], None]


# Where these classes have plain attributes in place of IPython's traits, that is for speed: every
# cell sets ten of them, which takes longer than to run a short one.


class WorkerDisplayHook(DisplayHook):
    """Sends the value of a cell's last expression as ``execute_result``."""

    exec_result: Any = None
    _data: dict[str, Any] | None = None
    _metadata: dict[str, Any] | None = None

    def start_displayhook(self) -> None:
        self._data = None

    def write_output_prompt(self) -> None:
        """The prompt is the front end's to write."""

    def write_format_data(
        self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None
    ) -> None:
        self._data, self._metadata = format_dict, md_dict

    def finish_displayhook(self) -> None:
        if self._data:
            content = {"data": clean(self._data), "metadata": clean(self._metadata or {})}
            _emit(self.shell, "execute_result", content)
        self._data = None


class WorkerDisplayPublisher(DisplayPublisher):
    """Sends what is displayed, with its ``display_id``, and ``clear_output``."""

    def publish(  # type: ignore[override]
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **kwargs: Any,
    ) -> None:
        content = {
            "data": clean(data),
            "metadata": clean(metadata or {}),
            "transient": transient or {},
        }
        _emit(self.shell, "update_display_data" if update else "display_data", content)

    def clear_output(self, wait: bool = False) -> None:
        _emit(self.shell, "clear_output", {"wait": wait})


class WorkerHistory(HistoryManager):
    """Keeps ``In`` and ``Out``, writes no database and starts no thread."""

    _i: Any = ""
    _ii: Any = ""
    _iii: Any = ""
    _i00: Any = ""

    def __init__(self, shell: InteractiveShell, **kwargs: Any) -> None:
        kwargs.setdefault("enabled", False)
        super().__init__(shell=shell, **kwargs)

    def store_inputs(self, line_num: int, source: str, source_raw: str | None = None) -> None:
        """Keep what ran under the notebook's number, without IPython's names `_i1`, `_i2`, ..."""
        raw = source if source_raw is None else source_raw
        for kept, text in ((self.input_hist_parsed, source), (self.input_hist_raw, raw)):
            kept.extend([""] * (line_num - len(kept)))
            kept.append(text)
        self._iii, self._ii, self._i, self._i00 = self._ii, self._i, self._i00, raw
        assert self.shell is not None
        latest = {"_i": self._i, "_ii": self._ii, "_iii": self._iii}
        self.shell.user_ns.update(latest)
        self.shell.user_ns_hidden.update(latest)


class WorkerCompiler(CachingCompiler):
    """Calls a cell's code what the notebook would call it, and other code what IPython does."""

    cell_name = ""
    _parsed: tuple[str, Any] | None = None

    def parse_ahead(self, source: str, filename: str) -> None:
        """Parse what is run next.

        Raises:
            SyntaxError, ValueError: if it is no Python.
        """
        self._parsed = (source, super().ast_parse(source, filename or "<unknown>"))

    def ast_parse(self, source: str, filename: str = "<unknown>", symbol: str = "exec") -> Any:
        parsed, self._parsed = self._parsed, None
        if parsed is not None and parsed[0] == source and symbol == "exec":
            return parsed[1]
        return super().ast_parse(source, filename, symbol)

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        name: str = self.cell_name or super().get_code_name(raw_code, transformed_code, number)
        return name


class WorkerShell(InteractiveShell):
    """An ``InteractiveShell`` without a terminal, a kernel, or a history on disk."""

    displayhook_class = Type(WorkerDisplayHook)
    display_pub_class = Type(WorkerDisplayPublisher)
    compiler_class = Type(WorkerCompiler)
    compile: WorkerCompiler
    emit: Emit
    explain: Callable[[BaseException | None], None]  # adds to an error what is known of it
    kernel: Any = None
    execution_count: Any = 1
    last_execution_succeeded: Any = True
    last_execution_result: Any = None
    failure: tuple[type[BaseException], BaseException, list[str]] | None

    def __init__(self, **kwargs: Any) -> None:
        self.failure = None
        self.explain = lambda error: None
        self._in_passing = False
        self._rehearsed = False
        config = Config()
        config.HistoryManager.enabled = False
        config.HistoryManager.hist_file = ":memory:"
        kwargs.setdefault("config", config)
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.set_hook("show_in_pager", _page_to_front_end, 99)  # type: ignore[no-untyped-call]
        self._cleanups = len(self.input_transformers_cleanup)
        # The notebook's own shell says so when the exit is raised there.
        warnings.filterwarnings("ignore", "To exit: use", UserWarning)

    def rehearse(self) -> Iterator[None]:
        """Render a traceback once, in steps: that imports a lot, 0.2 s of the first error."""
        if self._rehearsed:
            return  # the parent did it before this process was forked
        for module in _RENDERING:
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
            yield
        name = self.compile.cache("1 / 0", 0)
        try:
            exec(compile("1 / 0", name, "exec"), {})
        except ZeroDivisionError as error:
            self.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
        linecache.cache.pop(name, None)
        self.compile._filename_map.pop(name, None)
        self._rehearsed = True

    def init_history(self) -> None:
        self.history_manager = WorkerHistory(shell=self, parent=self)
        self.configurables.append(self.history_manager)  # type: ignore[arg-type]

    def init_virtualenv(self) -> None:
        """The worker's interpreter is the environment."""

    def get_parent(self) -> dict[str, Any]:
        """Jupyter's message that the running code was asked for by."""
        parent: dict[str, Any] = self.kernel.get_parent()
        return parent

    @property
    def parent_header(self) -> dict[str, Any]:
        """The same, as the notebook's own shell calls it."""
        return self.get_parent()

    def has_own_transformers(self) -> bool:
        """Whether somebody has added transformations of cells to IPython's."""
        cleanup: list[Any] = self.input_transformers_cleanup
        return len(cleanup) != self._cleanups or bool(self.input_transformers_post)

    def take_results(self, values: dict[str, Any]) -> None:
        """Have IPython know results that came from elsewhere: it keeps up only what it knows."""
        for name in ("_", "__", "___"):
            if name in values:
                setattr(self.displayhook, name, values[name])
                self.user_ns_hidden[name] = values[name]
        for name, value in values.items():
            if (number := name[1:]).isdecimal() and name[0] == "_":
                self.user_ns["_oh"][int(number)] = value

    def forget_outputs(self) -> None:
        """Drop the copies that IPython keeps of what was displayed; `Out` keeps the values."""
        for kept in ("outputs", "exceptions", "output_hist_reprs"):
            getattr(self.history_manager, kept, {}).clear()  # the first two came with IPython 9

    def tooltip(
        self, name: str, detail_level: int, omit_sections: Iterable[str]
    ) -> dict[str, Any] | None:
        """What ``name``, perhaps with attributes, is, as a MIME bundle; None if it is nothing."""
        try:
            found = self.object_inspect_mime(  # type: ignore[no-untyped-call]
                name, detail_level, omit_sections
            )
        except KeyError:
            return None
        cleaned: dict[str, Any] = clean(found)
        return cleaned

    def inspection(self, method: str, name: str, options: dict[str, Any]) -> dict[str, Any]:
        """What ``%pinfo`` and its like, by the inspector's ``method``, print and page."""
        pager: Any = self.payload_manager
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            self._inspect(method, name, **options)
        pages = [payload["data"] for payload in pager.read_payload() if payload["source"] == "page"]
        pager.clear_payload()
        return {"printed": printed.getvalue(), "pages": pages}

    def enable_gui(self, gui: str | None = None) -> None:
        if gui is not None and gui.startswith(_SCREENS):
            raise UsageError(
                f"a worker has no screen for the {gui} event loop; use %matplotlib inline"
            )

    def ask_exit(self) -> None:
        """``exit`` in a cell: end the cell, as it would end the kernel."""
        raise SystemExit

    def showtraceback(self, exc_tuple: Any = None, **kwargs: Any) -> None:  # type: ignore[override]
        try:
            found: Any = self._get_exc_info(exc_tuple)  # type: ignore[no-untyped-call]
        except ValueError:
            super().showtraceback(exc_tuple, **kwargs)
            return
        kind, value, trace = found
        self.explain(value)
        trace = without_own_frames(trace, stop=issubclass(kind, KeyboardInterrupt))
        value.__traceback__ = trace
        # What ends the cell is raised in the notebook and shown there; what IPython reports on the
        # way, such as a __repr__ that raised, is shown where it happened.
        self._in_passing = not (kwargs.get("running_compiled_code") or kwargs.get("exception_only"))
        try:
            if _holds_group(value) and not issubclass(kind, (SyntaxError, UsageError)):
                self._showtraceback(kind, value, _group_lines(value))
            else:
                super().showtraceback((kind, value, trace), **kwargs)
        finally:
            self._in_passing = False

    def show_usage_error(self, exc: BaseException) -> None:
        super().show_usage_error(exc)  # type: ignore[no-untyped-call]
        self.failure = (type(exc), exc, [])

    def emit_error(self, kind: type[BaseException], error: object, lines: list[str]) -> None:
        """Show a traceback where the cell stands now."""
        content = {"ename": kind.__name__, "evalue": str(error), "traceback": list(lines)}
        self.emit("error", content)

    @contextlib.contextmanager
    def emissions_held(self) -> Iterator[list[tuple[str, dict[str, Any]]]]:
        """Hold back what is emitted meanwhile, and hand it over instead."""
        held: list[tuple[str, dict[str, Any]]] = []
        emit = self.emit
        self.emit = lambda kind, content: held.append((kind, content))
        try:
            yield held
        finally:
            self.emit = emit

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        if self._in_passing:
            self.emit_error(etype, evalue, stb)
        elif isinstance(evalue, BaseException):
            self.failure = (etype, evalue, list(stb))
        else:  # a syntax error's text, from IPython's own call
            self.failure = (etype, etype(evalue), list(stb))

    def release(self, names: Iterable[str]) -> None:
        """Delete names, with the results that are kept of their values, and give back the memory.

        A value that another name has stays.
        """
        for name in names:
            value = self.user_ns.pop(name)
            hidden = self.user_ns_hidden
            if any(
                each is value and other not in hidden and not other.startswith("_")
                for other, each in self.user_ns.items()
            ):
                continue
            results = self.user_ns["Out"]
            for number in [number for number, each in results.items() if each is value]:
                del results[number]
                self.user_ns.pop(f"_{number}", None)
                hidden[f"_{number}"] = None  # whose values are those that were shown
            for latest in ("_", "__", "___"):
                if self.user_ns.get(latest) is value:
                    self.user_ns[latest] = hidden[latest] = ""
                if getattr(self.displayhook, latest, None) is value:
                    setattr(self.displayhook, latest, "")
            for last in (self.last_execution_result, self.displayhook.exec_result):
                if last is not None and last.result is value:
                    last.result = None
            del value
        gc.collect()
        _give_back()


# Libraries ask the shell's type whether they run in a notebook: rich, pandas, tqdm, plotly.
WorkerShell.__name__ = WorkerShell.__qualname__ = "ZMQInteractiveShell"
WorkerShell.__module__ = "ipykernel.zmqshell"


def _give_back() -> None:
    """Have the C library return free memory to the system, where it can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _emit(shell: Any, kind: str, content: dict[str, Any]) -> None:
    shell.emit(kind, content)


def without_own_frames(trace: TracebackType | None, *, stop: bool) -> TracebackType | None:
    """The traceback without farcell's frames at its inner end: the user's line comes last.

    Args:
        stop: whether it is of a stop. Then frames of the standard library below the user's line
            go too: where in ``subprocess`` a stop hit says nothing, and rendering it takes longer
            than all else about a stop.
    """
    left_out = (_PACKAGE, _STDLIB) if stop else (_PACKAGE,)
    last: TracebackType | None = None
    frame = trace
    while frame is not None:
        filename = frame.tb_frame.f_code.co_filename
        if not filename.startswith(left_out) or _SITE in filename:
            last = frame
        frame = frame.tb_next
    if last is not None:
        last.tb_next = None
    return trace


def _holds_group(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, BaseExceptionGroup):
            return True
        error = error.__context__
    return False


def _group_lines(error: BaseException) -> list[str]:
    """Rendered by Python, since IPython's own rendering does not know groups."""
    trace = error.__traceback__
    shell_file = sys.modules[InteractiveShell.__module__].__file__
    while trace is not None and trace.tb_frame.f_code.co_filename in (shell_file,):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace))
    return text.splitlines()


def _page_to_front_end(self: Any, strng: Any, start: int = 0, screen_lines: int = 0) -> None:
    data = strng if isinstance(strng, dict) else {"data": {"text/plain": strng}}
    payload = {"source": "page", "data": data.get("data", data), "start": start}
    self.payload_manager.write_payload(payload)
