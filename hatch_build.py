"""Builds the JupyterLab panel while the Python package is built.

Where Node is missing or too old, everything but the panel is installed, and a warning says so.
``FARCELL_PANEL=require`` makes that an error (CI, a release); ``FARCELL_PANEL=skip`` leaves it out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

INSTALLED_AT = "share/jupyter/labextensions/farcell"


class PanelHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        mode = os.environ.get("FARCELL_PANEL", "auto")
        if mode == "skip":
            return
        folder = Path(self.root, "labextension")
        bundle = folder / "farcell_lab" / "labextension"
        if not is_current(bundle / "package.json", folder):
            try:
                build(folder, bundle)
            except (OSError, subprocess.CalledProcessError) as error:
                if mode == "require":
                    raise
                self.app.display_warning(f"farcell's JupyterLab panel is left out: {error}")
        if bundle.exists() and self.target_name == "wheel":
            build_data["shared_data"][str(bundle)] = INSTALLED_AT


def is_current(built: Path, folder: Path) -> bool:
    """Whether the bundle is there and no source of it is newer."""
    sources = [folder / "yarn.lock", *folder.glob("*.json"), *folder.glob("s[rt]*/*")]
    times = [path.stat().st_mtime for path in sources if path.exists()]
    return built.exists() and built.stat().st_mtime >= max(times, default=0)


def build(folder: Path, bundle: Path) -> None:
    if shutil.which("node") is None:
        raise FileNotFoundError("it needs Node 20 to be built, and `node` is not on the PATH")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # jlpm's place
    shutil.rmtree(bundle, ignore_errors=True)
    for command in (["jlpm", "install", "--immutable"], ["jlpm", "build"]):
        subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, check=True)
