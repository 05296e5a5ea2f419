"""The file that tells where a session's head is, and the token it wants.

It lies in Jupyter's runtime folder with mode 0600, one a session, named after what the session
belongs to (``kernel-<uuid>`` for a notebook's kernel).
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

_PREFIX = "farcell-"


@dataclass(frozen=True, slots=True)
class SessionFile:
    """Where a session is.

    Attributes:
        session: its id.
        key: what it belongs to: the stem of the kernel's connection file, or a name.
        folder: the 0700 folder of its sockets and logs.
        address: the head's gRPC address.
        token: the secret that every call carries.
        head_pid: the head's process id, and
        head_started: that process's start time in clock ticks since boot (field 22 of
            ``/proc/<pid>/stat``; 0 where the system does not tell), which together name a
            process for good.
        notebook: the path of the notebook, where it is known.
        driver: what the process is called that drives it, or did last, and
        driver_pid, driver_started: which process that is, as above.
        driven_since_s: when that came, in seconds since the epoch.
        left: whether it has let go on purpose.
    """

    session: str
    key: str
    engine: str
    folder: str
    address: str
    token: str
    head_pid: int
    head_started: int
    farcell: str
    python: str
    notebook: str = ""
    driver: str = ""
    driver_pid: int = 0
    driver_started: int = 0
    driven_since_s: float = 0.0
    left: bool = False

    @property
    def name(self) -> str:
        """What a person calls it: its notebook's name, or its key."""
        return Path(self.notebook).stem or self.key

    @staticmethod
    def path_of(runtime_folder: Path, key: str) -> Path:
        return runtime_folder / f"{_PREFIX}{key}.json"

    def write(self, runtime_folder: Path) -> Path:
        """Write it whole or not at all."""
        runtime_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path_of(runtime_folder, self.key)
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file, indent=1)
        draft.replace(path)
        return path

    @classmethod
    def read(cls, path: Path) -> SessionFile:
        """Read one.

        Raises:
            FileNotFoundError: if there is none.
            PermissionError: if somebody else could have written or read it.
            ValueError: if it is not a session file of this version.
        """
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            raise PermissionError(f"{path} is not a file of this user's")
        if status.st_mode & 0o077:
            raise PermissionError(f"{path} can be read by other users")
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise ValueError(f"{path} is not a session file")
        known = {field.name for field in fields(cls)}
        try:
            return cls(**{key: value for key, value in content.items() if key in known})
        except TypeError as error:
            raise ValueError(f"{path} is not a session file of this version") from error

    @classmethod
    def of_driver(cls, runtime_folder: Path, driver: str) -> SessionFile | None:
        """The session that ``driver`` drives, or drove last and has not let go of."""
        found = [file for file in cls.all_in(runtime_folder) if file.driver == driver]
        return next((file for file in found if not file.left), None)

    @classmethod
    def all_in(cls, runtime_folder: Path) -> Iterator[SessionFile]:
        """Every readable session file of this user's, the newest first."""
        found: list[tuple[float, SessionFile]] = []
        for path in runtime_folder.glob(f"{_PREFIX}*.json"):
            try:
                found.append((path.stat().st_mtime, cls.read(path)))
            except (OSError, ValueError):
                continue  # another user's, or it went away meanwhile
        for _, file in sorted(found, key=lambda each: each[0], reverse=True):
            yield file
