"""The rules of the house that import-linter can't see."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "farcell": ROOT / "kernel_ext/farcell",
    "farcell_lab": ROOT / "labextension/farcell_lab",
    "farcell_runtime": ROOT / "runtime/farcell_runtime",
    "farcell_widgets": ROOT / "widgets/farcell_widgets",
}
MOST_LINES = 500
GENERATED = re.compile(r"_pb2(_grpc)?\.pyi?$")

# Modules that decide and never act: the clock's time and all events are given to them.
PURE = [
    "kernel_ext/farcell/code_commands.py",
    "kernel_ext/farcell/code_versions.py",
    "kernel_ext/farcell/directory.py",
    "kernel_ext/farcell/provenance.py",
    "kernel_ext/farcell/recovery_plan.py",
    "runtime/farcell_runtime/events.py",
    "runtime/farcell_runtime/placement.py",
    "runtime/farcell_runtime/state.py",
    "runtime/farcell_runtime/tenure.py",
]
IMPURE = {
    *("asyncio", "concurrent", "ctypes", "datetime", "fcntl", "grpc", "io", "logging", "mmap"),
    *("multiprocessing", "os", "pathlib", "psutil", "queue", "random", "secrets", "select"),
    *("selectors", "shutil", "signal", "socket", "subprocess", "sys", "tempfile", "threading"),
    *("time", "uuid"),
}

BANNED_NAMES = re.compile(r"(utils?|helpers?|common|misc|manager|managers|stuff|base)$")

# An import inside a function, and why it can't stand at the top: file -> what it imports.
LATE_IMPORTS: dict[str, dict[str, str]] = {
    "kernel_ext/farcell/__init__.py": {
        "farcell.key": "%load_ext starts the head first, and imports the rest meanwhile (0.2 s)",
        "farcell": "likewise",
    },
    "runtime/farcell_runtime/engines/__main__.py": {
        "farcell_runtime.head.program": "gRPC loads (0.1 s) while the workers' parent warms up",
    },
}

# What a package is called in pyproject.toml, where that differs from what is imported.
DISTRIBUTIONS = {
    "google": "protobuf",
    "grpc": "grpcio",
    "IPython": "ipython",
    "jupyter_client": "jupyter-client",
    "jupyter_core": "jupyter-core",
    "jupyter_server": "jupyter-server",
    "matplotlib_inline": "matplotlib-inline",
    # What a declared one is built on, and would be nothing without.
    "tornado": "jupyter-server",
    "traitlets": "ipython",
}


def sources() -> Iterator[Path]:
    for folder in PACKAGES.values():
        yield from (p for p in sorted(folder.rglob("*.py")) if not GENERATED.search(p.name))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules that ``tree`` imports, by absolute name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def typescript() -> list[Path]:
    return sorted((ROOT / "labextension/src").glob("*.ts*"))


def test_a_file_has_one_subject() -> None:
    lines = {
        name_of(path): len(path.read_text().splitlines()) for path in [*sources(), *typescript()]
    }
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_a_file_is_named_after_a_noun() -> None:
    assert [name_of(p) for p in [*sources(), *typescript()] if BANNED_NAMES.match(p.stem)] == []


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_has_no_clock_thread_or_socket(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text())
    assert {module.partition(".")[0] for module in imported(tree)} & IMPURE == set()
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {function.id for function in calls if isinstance(function, ast.Name)}
    assert called & {"open", "print", "input", "exec", "eval", "__import__"} == set()


def test_imports_stand_at_the_top() -> None:
    late = {}
    for path in sources():
        functions = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        if names := {name for function in functions for name in imported(function)}:
            late[name_of(path)] = names
    assert late == {name: set(reasons) for name, reasons in LATE_IMPORTS.items()}


def test_errors_are_not_swallowed() -> None:
    broad = [
        f"{name_of(path)}:{node.lineno}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
        and all(isinstance(line, ast.Pass) for line in node.body)
    ]
    assert broad == []


def test_every_third_party_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [*project["dependencies"]]
    for name, extra in project["optional-dependencies"].items():
        requirements += extra if name != "all" else []
    declared = {re.match(r"[\w.-]+", line)[0].lower() for line in requirements}  # type: ignore[index]
    used = {
        name.partition(".")[0]
        for path in sources()
        for name in imported(ast.parse(path.read_text()))
    }
    third_party = used - set(sys.stdlib_module_names) - set(PACKAGES) - {"__future__"}
    assert {DISTRIBUTIONS.get(name, name).lower() for name in third_party} <= declared


def test_the_lowest_constraints_are_the_lower_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints/lowest.txt").read_text().splitlines()
    lowest = [line for line in lines if line and not line.startswith("#")]
    assert lowest == [line.replace(">=", "==") for line in project["dependencies"]]


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_typed(package: str) -> None:
    assert (PACKAGES[package] / "py.typed").exists()
    assert (PACKAGES[package] / "__init__.py").exists()
