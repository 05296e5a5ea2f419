"""The Jupyter server extension that feeds farcell's panel in JupyterLab."""

from __future__ import annotations

from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join

from farcell_lab.socket import PanelSocket

_ROUTE = r"farcell/kernels/([\w-]+)"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "farcell_lab"}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "farcell"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    base_url: Any = server.web_app.settings["base_url"]
    server.web_app.add_handlers(".*$", [(url_path_join(base_url, _ROUTE), PanelSocket)])
