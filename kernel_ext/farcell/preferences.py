"""The verbs of ``%farcell``, which set what is shown, as functions that return what to say."""

from __future__ import annotations

from farcell.notebook import Notebook


def receipts(notebook: Notebook, state: str | None = None) -> str:
    """Whether a line under each cell says what moved for it: ``on``, ``off``, or leave it."""
    if state is not None:
        notebook.receipts.on = state == "on"
    return f"receipts are {'on' if notebook.receipts.on else 'off'}"
