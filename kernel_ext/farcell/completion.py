"""Tab completion: the magics' options, and names that live on a gang."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from farcell.options import CLUSTER, FARCELL, REMOTE

_LINES = {"%cluster": CLUSTER, "%farcell": FARCELL}
_MAGICS = ("%%remote", "%remote", *_LINES)


def matches(line: str) -> list[str]:
    """What may stand at the end of ``line``, a magic's line up to the cursor."""
    words = line.split(" ")
    typed, before = words[-1], words[1:-1]
    if words[0] in ("%%remote", "%remote"):
        valid = [option.flag for option in REMOTE.options if option.flag not in before]
    elif words[0] in _LINES and not before:
        valid = [*_LINES[words[0]], "--help"]
    elif words[0] in _LINES and (command := _LINES[words[0]].get(before[0])):
        flags = [option.flag for option in command.options]
        choices = [*command.choices, *flags, "--help"]
        valid = [word for word in choices if word not in before]
    else:
        return []
    return [word for word in valid if word.startswith(typed)]


def install(shell: Any, remote_matches: Callable[[str], list[str]]) -> None:
    """Have ``shell``'s completer ask ``matches``, and ``remote_matches`` for any other text."""
    for magic in _MAGICS:
        shell.set_hook("complete_command", _complete, str_key=magic)
    shell.Completer.custom_matchers.append(remote_matches)


def uninstall(shell: Any, remote_matches: Callable[[str], list[str]]) -> None:
    """Take ``install`` back."""
    for magic in _MAGICS:
        shell.strdispatchers["complete_command"].strs.pop(magic, None)
    shell.Completer.custom_matchers.remove(remote_matches)


def _complete(shell: Any, event: Any) -> list[str]:
    return matches(event.line)
