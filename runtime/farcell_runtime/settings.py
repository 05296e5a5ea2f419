"""What libraries keep for a whole process, and a notebook takes for its own.

The states of random generators, matplotlib's style, pandas' and NumPy's options, the filters of
warnings: a cell that sets one of them expects it to hold in the next cell, wherever that runs. Only
libraries that are imported already are looked at.
"""

from __future__ import annotations

import contextlib
import pickle
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from farcell_runtime import warning_filters
from farcell_runtime.import_hooks import around_import


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a library.

    Attributes:
        module: which must be imported for it to be there.
        read: its value now, which can be compared and pickled.
        write: sets it to such a value.
        is_generator: whether it is the state of a random generator: ranks have their own.
    """

    module: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], object]
    is_generator: bool = False


def _numpy_random(numpy: Any) -> Any:
    state = numpy.random.get_state(legacy=False)
    if state.get("bit_generator") != "MT19937":
        return None  # somebody has put another generator there
    inner = state["state"]
    return inner["key"].tobytes(), inner["pos"], state["has_gauss"], state["gauss"]


def _set_numpy_random(numpy: Any, value: Any) -> None:
    if value is not None:
        key, *rest = value
        numpy.random.set_state(("MT19937", numpy.frombuffer(key, dtype="u4"), *rest))


def _torch_random(torch: Any) -> Any:
    return torch.get_rng_state().numpy().tobytes()


def _set_torch_random(torch: Any, value: Any) -> None:
    torch.set_rng_state(torch.frombuffer(bytearray(value), dtype=torch.uint8))


# Which window system draws is a process's own.
_OWN_STYLE = frozenset({"backend", "backend_fallback", "interactive", "toolbar"})


def _style(matplotlib: Any) -> dict[str, Any]:
    now, default = dict.items(matplotlib.rcParams), matplotlib.rcParamsDefault
    return {
        key: value
        for key, value in now
        if key not in _OWN_STYLE and value != dict.get(default, key, value)
    }


def _set_style(matplotlib: Any, value: dict[str, Any]) -> None:
    style, default = matplotlib.rcParams, matplotlib.rcParamsDefault
    now = {key: dict.__getitem__(default, key) for key in _style(matplotlib)} | value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        style.update(now)


def _options(pandas: Any) -> dict[str, Any]:
    config = sys.modules["pandas._config.config"]
    found: dict[str, Any] = {}
    for key, option in config._registered_options.items():
        if key not in config._deprecated_options:
            root, last = config._get_root(key)
            if root[last] != option.defval:
                found[key] = root[last]
    return found


def _set_options(pandas: Any, value: dict[str, Any]) -> None:
    for key in _options(pandas).keys() - value.keys():
        pandas.reset_option(key)
    for key, setting in value.items():
        with contextlib.suppress(Exception):  # of another version
            pandas.set_option(key, setting)


def _print_options(numpy: Any) -> dict[str, Any]:
    options: dict[str, Any] = numpy.get_printoptions()
    return options


def _set_print_options(numpy: Any, value: dict[str, Any]) -> None:
    numpy.set_printoptions(**value)


SETTINGS: dict[str, Setting] = {
    "warnings": Setting(
        "warnings", lambda _: warning_filters.read(), lambda _, value: warning_filters.write(value)
    ),
    "random": Setting(
        "random", lambda _: random.getstate(), lambda _, value: random.setstate(value), True
    ),
    "numpy.random": Setting("numpy", _numpy_random, _set_numpy_random, True),
    "torch.random": Setting("torch", _torch_random, _set_torch_random, True),
    "numpy.printoptions": Setting("numpy", _print_options, _set_print_options),
    "matplotlib.rcParams": Setting("matplotlib", _style, _set_style),
    "pandas.options": Setting("pandas", _options, _set_options),
}

# What came for libraries that are not imported yet.
_waiting: dict[str, bytes] = {}


def read(*, generators: bool) -> dict[str, Any]:
    """The settings of the libraries that are imported here."""
    _write_waiting()
    found: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        module = _imported(setting.module)
        if module is None or (setting.is_generator and not generators):
            continue
        with contextlib.suppress(Exception):  # a library of a version that keeps it elsewhere
            found[name] = setting.read(module)
    return found


def write(pickled: dict[str, bytes]) -> None:
    """Set what ``read`` found elsewhere; what is for a library not imported here, once it is.

    Until then it isn't unpickled: that could import what nobody uses here.
    """
    _waiting.update(pickled)
    _write_waiting()
    for name in _waiting:
        if (setting := SETTINGS.get(name)) is not None:
            around_import(setting.module, _written_behind)


@contextlib.contextmanager
def _written_behind(module: ModuleType) -> Iterator[None]:
    """Within the import of a library, whose user expects it as it was left elsewhere."""
    yield
    _write_to(module, module.__name__)


def _write_waiting() -> None:
    for name in list(_waiting):
        setting = SETTINGS.get(name)
        module = None if setting is None else _imported(setting.module)
        if setting is not None and module is not None:
            _write_to(module, setting.module)


def _write_to(module: Any, name: str) -> None:
    """Set what waits for the module of that name."""
    for each, setting in SETTINGS.items():
        if setting.module == name and (pickled := _waiting.pop(each, None)) is not None:
            with contextlib.suppress(Exception):
                setting.write(module, pickle.loads(pickled))


def _imported(name: str) -> Any:
    module = sys.modules.get(name)
    # One that is being imported in another thread is not ready.
    if module is None or getattr(getattr(module, "__spec__", None), "_initializing", False):
        return None
    return module
