"""Which notebooks there are: named, cut into cells, each with the folder it lies in."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from .fetching import unpacked

SUBSET = Path(__file__).with_name("subset.txt")

# The start of a text block in a sphinx-gallery script.
_GALLERY_CUT = re.compile(r"^(?:#{20,}\s*|# ?%%.*)$")


@dataclass(frozen=True, slots=True)
class Source:
    """A source distribution that holds notebooks, or scripts with cells.

    Attributes:
        requirement: what pip is asked for, as ``name==version``.
        include: patterns of the paths in the archive (``*`` matches slashes too).
        exclude: patterns of paths to leave out.
    """

    requirement: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The distribution's name, without its version."""
        return self.requirement.partition("==")[0]


# Left out: what starts clusters or servers, draws maps from downloads, or takes minutes.
SOURCES = (
    Source("control==0.10.2", ("examples/*.ipynb", "doc/examples/*.ipynb")),
    Source("corner==2.3.0", ("docs/pages/*.ipynb",)),
    Source("emcee==3.1.6", ("docs/tutorials/*.ipynb",), ("*/parallel.ipynb",)),
    Source("holoviews==1.23.2", ("holoviews/examples/user_guide/*.ipynb",)),
    Source("imbalanced-learn==0.14.2", ("examples/*.py",)),
    Source("ipycanvas==0.14.3", ("examples/*.ipynb",)),
    Source("ipython==8.37.0", ("examples/*.ipynb",), ("*/Terminal Usage.ipynb",)),
    Source("ipywidgets==7.8.5", ("docs/source/examples/*.ipynb",)),
    Source("lmfit==1.3.4", ("examples/*.py", "examples/*.ipynb")),
    Source("mapie==1.6.0", ("examples/*.py", "notebooks/*.ipynb")),
    Source("matplotlib==3.11.2", ("galleries/*.py",), ("*/user_interfaces/*", "*/conf.py")),
    Source("nbclient==0.11.0", ("tests/files/*.ipynb",)),
    Source("nbconvert==7.17.2", ("*.ipynb",)),
    Source("nbsphinx==0.9.8", ("doc/*.ipynb",)),
    Source("nbval==0.11.0", ("tests/*.ipynb",)),
    Source("networkx==3.6.1", ("examples/*.py",), ("*/external/*", "*/graphviz_*/*")),
    Source("papermill==2.7.0", ("papermill/tests/notebooks/*.ipynb",)),
    Source("scikit-image==0.26.0", ("doc/examples/*.py",)),
    Source("scikit-learn==1.9.1", ("examples/*.py",)),
    Source("seaborn==0.13.2", ("doc/*.ipynb",)),
    Source("statsmodels==0.15.0", ("examples/notebooks/*.ipynb",)),
    Source("tqdm==4.70.1", ("*.ipynb",)),
    Source("xarray==2026.9.0", ("doc/examples/*.ipynb",)),
)


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook of the corpus.

    Attributes:
        name: distribution and path, such as ``statsmodels/examples/notebooks/ols.ipynb``.
        path: where it lies, unpacked.
        cells: the sources of its code cells, in order, none of them empty.
    """

    name: str
    path: Path
    cells: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Changes when a cell does."""
        return hashlib.sha256(json.dumps([self.name, *self.cells]).encode()).hexdigest()[:16]


def load(pattern: str = "*") -> list[Notebook]:
    """All notebooks whose names match; only what these need is fetched."""
    return [notebook for source in SOURCES for notebook in _notebooks(source, pattern)]


def load_subset() -> list[Notebook]:
    """The notebooks named in ``subset.txt``: varied, settled and quick."""
    lines = SUBSET.read_text(encoding="utf-8").splitlines()
    wanted = {line for line in lines if line and not line.startswith("#")}
    labels = {name.partition("/")[0] for name in wanted}
    found = [
        notebook
        for source in SOURCES
        if source.label in labels
        for notebook in _notebooks(source, "*")
        if notebook.name in wanted
    ]
    if missing := wanted - {notebook.name for notebook in found}:
        raise LookupError(f"subset.txt names notebooks that are not there: {sorted(missing)}")
    return found


def _notebooks(source: Source, pattern: str) -> Iterator[Notebook]:
    prefix = pattern.partition("/")[0]
    if not fnmatch(source.label, prefix) and "/" in pattern:
        return
    folder = unpacked(source.requirement)
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).as_posix()
        name = f"{source.label}/{inside}"
        if (
            path.suffix in {".ipynb", ".py"}
            and any(fnmatch(inside, wanted) for wanted in source.include)
            and not any(fnmatch(inside, unwanted) for unwanted in source.exclude)
            and fnmatch(name, pattern)
        ):
            cells = _cells_of(path)
            if cells:
                yield Notebook(name=name, path=path, cells=cells)


def _cells_of(path: Path) -> tuple[str, ...]:
    text = path.read_text(encoding="utf-8", errors="replace")
    cells = notebook_cells(text) if path.suffix == ".ipynb" else script_cells(text)
    return tuple(cell for cell in cells if cell.strip())


def notebook_cells(text: str) -> list[str]:
    """The code cells of a notebook file; none if it isn't a Python notebook of version 4."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        return []
    metadata = content.get("metadata", {})
    language = metadata.get("kernelspec", {}).get("language") or "python"
    language = metadata.get("language_info", {}).get("name", language)
    if language.lower() not in {"python", "ipython"}:
        return []
    return [
        "".join(cell["source"]) for cell in content.get("cells", []) if cell["cell_type"] == "code"
    ]


def script_cells(text: str) -> list[str]:
    """The code blocks of a sphinx-gallery script, or the whole script where it has no cuts."""
    try:
        module = ast.parse(text)
    except SyntaxError:
        return []
    lines = text.splitlines()
    within_text = _lines_within_strings(text)
    first = module.body[0] if module.body else None
    begin = 0
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        begin = first.end_lineno or 0
    cells: list[list[str]] = [[]]
    in_text = False
    for number, line in enumerate(lines[begin:], start=begin + 1):
        if number not in within_text and _GALLERY_CUT.match(line):
            cells.append([])
            in_text = True
        elif in_text and line.startswith("#"):
            continue
        else:
            in_text = False
            cells[-1].append(line)
    blocks = ["\n".join(cell).strip("\n") for cell in cells]
    return [block for block in blocks if _has_code(block)]


def _lines_within_strings(text: str) -> set[int]:
    """Numbers of the lines that a string of several lines goes on in."""
    inside: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.STRING:
            inside.update(range(token.start[0] + 1, token.end[0] + 1))
    return inside


def _has_code(block: str) -> bool:
    try:
        return bool(ast.parse(block).body)
    except SyntaxError:
        return bool(block.strip())
