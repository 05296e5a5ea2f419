"""Getting source distributions by name, with pip, without running a line of theirs.

``pip download`` asks a distribution's build backend for its metadata, which for many packages
means to run Meson and a compiler first. The notebooks are all we want, so pip is shown a backend
of our own under the usual names; it answers with the PKG-INFO that lies in the archive.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import zipfile
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "corpus"

_BACKEND_NAMES = (
    "flit_core.buildapi",
    "hatchling.build",
    "mesonpy",
    "poetry.core.masonry.api",
    "setuptools.build_meta",
)
_BACKEND = textwrap.dedent(
    '''
    """A build backend that knows one thing: the metadata a source distribution comes with."""
    import email.parser, os, shutil

    def get_requires_for_build_wheel(config_settings=None):
        return []

    def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
        with open("PKG-INFO", encoding="utf-8", errors="replace") as file:
            headers = email.parser.HeaderParser().parse(file)
        name = headers["Name"].replace("-", "_")
        folder = f"{name}-{headers['Version']}.dist-info"
        os.mkdir(os.path.join(metadata_directory, folder))
        shutil.copy("PKG-INFO", os.path.join(metadata_directory, folder, "METADATA"))
        return folder

    def build_wheel(*args, **kwargs):
        raise RuntimeError("this backend only tells the metadata")

    class __legacy__:
        get_requires_for_build_wheel = staticmethod(get_requires_for_build_wheel)
        prepare_metadata_for_build_wheel = staticmethod(prepare_metadata_for_build_wheel)
        build_wheel = staticmethod(build_wheel)
    '''
)


def unpacked(requirement: str) -> Path:
    """The folder with what the source distribution of ``name==version`` holds.

    It is downloaded and unpacked on the first call, and kept in the repository's cache.

    Raises:
        RuntimeError: if pip could not get it; pip's own words are in the message.
    """
    folder = CACHE / "sources" / requirement.replace("==", "-")
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-") as name:
            fresh = Path(name)
            _unpack(_download(requirement, fresh / "archive"), fresh / "files")
            (top,) = (fresh / "files").iterdir()
            top.rename(folder)
    return folder


def _download(requirement: str, into: Path) -> Path:
    with tempfile.TemporaryDirectory() as backends:
        _write_backends(Path(backends))
        words = ["--quiet", "--no-deps", "--no-build-isolation", "--no-binary", ":all:"]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", *words, "--dest", str(into), requirement],
            env={**os.environ, "PYTHONPATH": backends},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"pip could not download the source of {requirement}:\n{done.stderr}")
    (archive,) = into.iterdir()
    return archive


def _write_backends(folder: Path) -> None:
    for dotted in _BACKEND_NAMES:
        path = folder / Path(*dotted.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in path.relative_to(folder).parents[:-1]:
            (folder / parent / "__init__.py").touch()
        path.write_text(_BACKEND, encoding="utf-8")


def _unpack(archive: Path, into: Path) -> None:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(into)
    else:
        with tarfile.open(archive) as tarred:
            tarred.extractall(into, filter="data")
