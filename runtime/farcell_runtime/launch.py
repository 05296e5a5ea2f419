"""Starting a head, detached. Imports neither gRPC nor the rest: it is the first thing to happen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from jupyter_core.paths import jupyter_runtime_dir

from farcell_runtime.config import Config
from farcell_runtime.errors import SessionLost, UsageError
from farcell_runtime.leftovers import head_of
from farcell_runtime.transport.session_file import SessionFile

_TAIL_LINES = 12


def runtime_folder() -> Path:
    """Where session files lie: Jupyter's own runtime folder."""
    return Path(jupyter_runtime_dir())


def living_session(key: str) -> SessionFile | None:
    """The session of that key, if its head runs."""
    try:
        file = SessionFile.read(SessionFile.path_of(runtime_folder(), key))
    except (OSError, ValueError):
        return None
    return file if head_of(file).alive() else None


def living_sessions() -> list[SessionFile]:
    """All of this user's sessions whose heads run, the newest first."""
    return [file for file in SessionFile.all_in(runtime_folder()) if head_of(file).alive()]


@dataclass(slots=True)
class Launch:
    """A head that was started, and may not be ready yet.

    Attributes:
        process: the head's parent and reaper, which passes SIGTERM on to it.
    """

    process: subprocess.Popen[bytes]
    _ready: IO[str]
    _early_output: IO[bytes]
    _said: dict[str, str] = field(default_factory=dict)
    _file: SessionFile | None = None

    @classmethod
    def begin(cls, key: str, config: Config, notebook: str = "") -> Launch:
        """Start a head for ``key``, and return at once.

        Raises:
            UsageError: if there is a session for it already.
        """
        if not key or "/" in key or key.startswith("."):
            raise UsageError(f"{key!r} can't name a session: it becomes part of a file's name")
        if living_session(key) is not None:
            raise UsageError(
                f"there is a session '{key}' already",
                hint="attach to it, or stop it: farcell stop --session " + key,
            )
        early_output = tempfile.TemporaryFile()  # noqa: SIM115  closed by wait
        read_fd, write_fd = os.pipe()
        try:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",  # the notebook's folder must not shadow what the head imports
                    "-m",
                    "farcell_runtime.engines",
                    f"--key={key}",
                    f"--config={config.as_json()}",
                    f"--notebook={notebook}",
                    f"--runtime-folder={runtime_folder()}",
                    f"--ready-fd={write_fd}",
                ],
                pass_fds=[write_fd],
                stdin=subprocess.DEVNULL,
                stdout=early_output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except BaseException:
            os.close(read_fd)
            early_output.close()
            raise
        finally:
            os.close(write_fd)
        return cls(process, os.fdopen(read_fd, "r"), early_output)

    def wait(self) -> SessionFile:
        """Wait until the head answers calls; the answer tells where it is.

        One that was interrupted can be called again.

        Raises:
            UsageError: if the settings are at fault.
            SessionLost: if it ended instead; the message has the end of its log.
        """
        if self._file is not None:
            return self._file
        said = self._said
        while "ready" not in said and "log" not in said and (line := self._ready.readline()):
            said |= json.loads(line)
        with self._ready, self._early_output as early:
            if "ready" in said:
                self._file = SessionFile.read(Path(said["ready"]))
                return self._file
            early.seek(0)
            output = early.read().decode(errors="replace")
        self.process.terminate()  # nobody will use what it had begun
        self.process.wait()
        tail = _tail(output) or said.get("log", "")
        message = f"the head could not start: {said.get('error', 'it ended')}"
        if tail:
            message += f"\nthe end of its log:\n{tail}"
        raise SessionLost(message, hint="`farcell doctor` checks this machine")


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_TAIL_LINES:])
