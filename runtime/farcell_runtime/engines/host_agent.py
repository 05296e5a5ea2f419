"""The host agent: on a machine of a foreign cluster, it starts a warm parent and speaks for it.

It knows nothing of the system that runs it: an engine wraps `HostAgent` into whatever that system
calls an actor. As a program (``python -m farcell_runtime.engines.host_agent PID ARGUMENT...``) this
module becomes the warm parent, bound to the agent's life.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping

from farcell_runtime.config import Config
from farcell_runtime.worker import parent
from farcell_runtime.worker.control import ControlChannel, Message

_PR_SET_PDEATHSIG = 1


class HostAgent:
    """Owns one warm parent as its child. Each method may be called on a thread of its own."""

    def __init__(self, config: str, environment: Mapping[str, str]) -> None:
        """Start the warm parent.

        Args:
            config: the session's settings, as `Config.as_json` writes them.
            environment: the variables that workers are to begin with.
        """
        self._config = Config.from_json(config)
        self._environment = dict(environment)
        ours, self._theirs = socket.socketpair()
        self._control = ControlChannel(ours)
        self._exit_code = 0
        # The system ends the child with the thread that started it, so that thread stays.
        self._keeper = threading.Thread(target=self._keep, name="farcell-parent", daemon=True)
        self._keeper.start()

    def send(self, message: Message) -> None:
        """Give the warm parent a command. One that is gone does not hear it."""
        try:
            self._control.send(**message)
        except OSError:
            return  # whoever waits in `receive` learns of its end

    def receive(self) -> list[Message] | None:
        """Wait for what the warm parent reports next; None when it has ended."""
        return self._control.receive()

    def wait(self) -> int:
        """Wait for its end; the answer is its exit code, or minus the signal that ended it."""
        self._keeper.join()
        return self._exit_code

    def _keep(self) -> None:
        with self._theirs as control:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",  # the folder of whoever started this must not shadow what it imports
                    "-m",
                    __name__,
                    str(os.getpid()),
                    f"--control-fd={control.fileno()}",
                    f"--lease-s={self._config.lease_s}",
                    f"--preload={','.join(self._config.preload)}",
                ],
                pass_fds=[control.fileno()],
                stdin=subprocess.DEVNULL,
                env=self._environment,
                start_new_session=True,
            )
        self._exit_code = process.wait()


def main() -> None:
    """Be the warm parent for as long as the agent with the given process id lives."""
    agent_pid = int(sys.argv.pop(1))
    # A foreign process may block signals, and its children inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if sys.platform == "linux":
        # It ends its workers in good order on this signal.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != agent_pid:  # it died before the line above
            sys.exit(1)
    parent.main()


if __name__ == "__main__":
    main()
