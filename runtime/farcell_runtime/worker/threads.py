"""How many threads numerical libraries use, set through their own functions.

The warm parent imports them with one thread, since a process with threads can't be forked
safely; each worker then gives them what its share of the machine is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# The variables that keep a library from starting threads when it is imported.
_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# A word in a library's file name, the functions that set its threads, and the variables that
# it obeys, the strongest first.
_LIBRARIES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "openblas",
        (
            "scipy_openblas_set_num_threads64_",
            "scipy_openblas_set_num_threads",
            "openblas_set_num_threads64_",
            "openblas_set_num_threads",
        ),
        ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
    ),
    ("mkl_rt", ("MKL_Set_Num_Threads",), ("MKL_NUM_THREADS", "OMP_NUM_THREADS")),
    ("libgomp", ("omp_set_num_threads",), ("OMP_NUM_THREADS",)),
    ("libiomp", ("omp_set_num_threads",), ("OMP_NUM_THREADS",)),
    ("libomp", ("omp_set_num_threads",), ("OMP_NUM_THREADS",)),
)


@contextlib.contextmanager
def single_threaded_imports() -> Iterator[None]:
    """Within it, libraries that are imported start no threads; the environment is put back."""
    before = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ.update(dict.fromkeys(_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def limit_later_libraries(share: int) -> None:
    """Have libraries that are imported later use ``share`` threads, but for what the user set."""
    for name in _VARIABLES:
        os.environ.setdefault(name, str(share))


@dataclass(frozen=True, slots=True)
class ThreadSetter:
    """A loaded library's function that sets its threads, and the variables that it obeys."""

    function: Callable[[int], object]
    variables: tuple[str, ...]

    def set(self, share: int) -> None:
        """Give the library ``share`` threads, or what the user's environment says."""
        chosen = next((os.environ[name] for name in self.variables if os.environ.get(name)), "")
        count = int(chosen) if chosen.isdecimal() else share
        if count != 1:  # as it was imported
            self.function(count)


def thread_setters() -> list[ThreadSetter]:
    """Those of the libraries that are loaded now: found once, before the workers are forked."""
    setters = []
    for path in _loaded_libraries():
        for word, functions, variables in _LIBRARIES:
            if word not in os.path.basename(path):
                continue
            library = ctypes.CDLL(path)
            found = (getattr(library, name, None) for name in functions)
            if function := next((each for each in found if each is not None), None):
                setters.append(ThreadSetter(function, variables))
    return setters


def _loaded_libraries() -> set[str]:
    """The shared libraries that are mapped into this process; none where that isn't told."""
    try:
        with open("/proc/self/maps") as file:
            lines = file.read().splitlines()
    except OSError:
        return set()
    found = {line.split(maxsplit=5)[5] for line in lines if line.count("/")}
    return {path for path in found if ".so" in path}
