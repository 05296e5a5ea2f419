"""Tab completion: the magics' options, and names that live on a gang."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from farcell.options import CLUSTER, FARCELL, REMOTE

_LINES = {"%cluster": CLUSTER, "%farcell": FARCELL}
_MAGICS = ("%%remote", "%remote", *_LINES)


# By verb of %cluster, what the words behind it may be.
Words = Mapping[str, Callable[[], list[str]]]


def matches(line: str, known: Words | None = None) -> list[str]:
    """What may stand at the end of ``line``, a magic's line up to the cursor."""
    magic, *before, typed = line.split(" ") if " " in line else (line, "")
    if magic in ("%%remote", "%remote"):
        valid = [option.flag for option in REMOTE.options if option.flag not in before]
    elif magic in _LINES and not before:
        valid = [*_LINES[magic], "--help"]
    elif magic in _LINES and (command := _LINES[magic].get(before[0])):
        flags = [option.flag for option in command.options]
        words = known.get(before[0]) if known is not None and magic == "%cluster" else None
        choices = [*(words() if words else command.choices), *flags, "--help"]
        valid = [word for word in choices if word not in before]
    else:
        return []
    return [word for word in valid if word.startswith(typed)]


def install(
    shell: Any, remote_matches: Callable[[str], list[str]], known: Words | None = None
) -> None:
    """Have ``shell``'s completer ask ``matches``, and ``remote_matches`` for any other text."""

    def complete(_: Any, event: Any) -> list[str]:
        return matches(event.line, known)

    for magic in _MAGICS:
        shell.set_hook("complete_command", complete, str_key=magic)
    shell.Completer.custom_matchers.append(remote_matches)


def uninstall(shell: Any, remote_matches: Callable[[str], list[str]]) -> None:
    """Take ``install`` back."""
    for magic in _MAGICS:
        shell.strdispatchers["complete_command"].strs.pop(magic, None)
    shell.Completer.custom_matchers.remove(remote_matches)
