"""Whose a session is: which one a kernel finds by itself, and which one a name means.

Told from the session files alone. They are this user's own, whoever else could write or read one
is not believed, and who drives a session is told by process id and start time.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from farcell_runtime.errors import UsageError
from farcell_runtime.launch import living_session, living_sessions
from farcell_runtime.process import ProcessId
from farcell_runtime.transport.session_file import SessionFile

_TO_QUOTE = re.compile(r"""[\s'"\\]""")
_SHORT = 4  # characters of a session's id


def is_driven(file: SessionFile) -> bool:
    """Whether a living process drives the session, by what its file says."""
    return not file.left and ProcessId(file.driver_pid, file.driver_started).alive()


def own_sessions(key: str, notebook: str) -> list[SessionFile]:
    """The living sessions of a kernel and its notebook, the likeliest first.

    That is: the one that this kernel drove last, before it was restarted or died; those that it
    began; those of its notebook. One that was let go of on purpose is none of them.
    """
    living = [file for file in living_sessions() if not file.left]

    def rank(file: SessionFile) -> int:
        if file.driver == key:
            return 0
        if began(file, key):
            return 1
        return 2 if notebook and file.notebook == notebook else 3

    return sorted((file for file in living if rank(file) < 3), key=rank)


def orphans(key: str) -> list[SessionFile]:
    """The living sessions that nobody drives, and whose notebook is not where it was."""
    return [
        file
        for file in living_sessions()
        if os.path.isabs(file.notebook)
        and not os.path.exists(file.notebook)
        and file.driver != key
        and not file.left
        and not is_driven(file)
    ]


def fresh_key(key: str) -> str:
    """A key for another session of the kernel ``key``."""
    number, fresh = 1, key
    while living_session(fresh) is not None:
        number += 1
        fresh = f"{key}+{number}"
    return fresh


def names_of(files: Sequence[SessionFile]) -> dict[str, SessionFile]:
    """What each of ``files`` is called among them: its name, and, if others have that, more."""
    alike: dict[str, list[str]] = {}
    for file in files:
        alike.setdefault(file.name, []).append(file.session)
    found: dict[str, SessionFile] = {}
    for file in files:
        name, sessions = file.name, alike[file.name]
        if len(sessions) > 1:
            length = _SHORT
            while sum(session[:length] == file.session[:length] for session in sessions) > 1:
                length += 1
            name += f"-{file.session[:length]}"
        found[name] = file
    return found


def quoted(name: str) -> str:
    """``name`` as it must be typed."""
    return shlex.quote(name) if _TO_QUOTE.search(name) else name


def named(name: str, current: str = "") -> SessionFile:
    """The living session of this user's that ``name`` means.

    Args:
        current: the id of one that is only meant where no other is.
        name: as ``names_of`` has it; or its key, the beginning of that, its id, its notebook's
            path, or that one's last part.

    Raises:
        UsageError: if there is none, or there are several.
    """
    living = living_sessions()
    try:
        return one_named(name, [file for file in living if file.session != current])
    except UsageError:
        return one_named(name, living)


def one_named(name: str, files: Sequence[SessionFile]) -> SessionFile:
    """The one of ``files`` that ``name`` means; see ``named``."""
    wanted = _plain(name)
    known = names_of(files)
    for means in (
        lambda called, file: wanted in (_plain(called), file.key, file.session),
        lambda called, file: wanted in (_plain(file.notebook), _plain(file.name)),
        lambda called, file: wanted == _plain(Path(file.notebook).name),
        lambda called, file: file.key.startswith(wanted),
    ):
        found = [called for called, file in known.items() if means(called, file)] if wanted else []
        if len(found) == 1:
            return known[found[0]]
        if found:
            raise UsageError(
                f"{name!r} can be any of several sessions",
                hint=f"one of: {', '.join(map(quoted, found))}",
            )
    raise UsageError(f"there is no session {name!r}", hint=_nearest(wanted, known))


def _nearest(name: str, known: dict[str, SessionFile]) -> str:
    if not known:
        return "no session of yours is running"
    valid = [*known, *(file.key for file in known.values())]
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    if close:
        return f"did you mean {quoted(close[0])}?"
    return f"there are: {', '.join(map(quoted, known))}"


def began(file: SessionFile, key: str) -> bool:
    """Whether the session was begun by the kernel ``key``."""
    return file.key == key or file.key.startswith(f"{key}+")


def _plain(name: str) -> str:
    # File systems and keyboards differ in how they write an ü.
    return unicodedata.normalize("NFC", name)
