"""What a run prints and displays reaches its cell, whatever showing it raises."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from farcell.output import CellOutput
from farcell_runtime.runlog import Event


def test_what_showing_raises_is_kept_for_the_end() -> None:
    shown: list[object] = []

    def publish(data: Any, metadata: Any, **_: Any) -> None:
        if data == "bad":
            raise ValueError("a hook of the user's")
        shown.append(data)

    shell: Any = SimpleNamespace(display_pub=SimpleNamespace(publish=publish))
    output = CellOutput(shell, lambda event: None)
    for data in ("good", "bad", "bad", "better"):
        output.show(Event("display_data", {"data": data, "metadata": {}, "transient": {}}))
    assert shown == ["good", "better"]
    assert str(output.fault) == "a hook of the user's"
