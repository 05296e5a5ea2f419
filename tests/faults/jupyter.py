"""A Jupyter server of its own with kernels, in folders of its own, and all that runs for it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from queue import Empty
from typing import Any

import psutil
from jupyter_client.blocking.client import BlockingKernelClient

PATIENCE_S = 60.0  # no measurement: how long it takes until a hang is called a hang


def until(reached: Callable[[], object], what: str) -> None:
    """Ask again and again."""
    end_s = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < end_s, what
        time.sleep(0.05)


class _Connection(HTTPConnection):
    """HTTP over a unix socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


class Kernel:
    """A kernel of a server's, spoken with directly."""

    def __init__(self, connection_file: Path) -> None:
        until(lambda: connection_file.exists() and connection_file.stat().st_size, "no kernel")
        self._client = BlockingKernelClient(connection_file=str(connection_file))
        self._client.load_connection_file()
        self._client.start_channels(hb=False)  # which on a busy machine is taken for dead
        self._client.kernel_info(reply=True, timeout=PATIENCE_S)
        until(self._is_heard, "nothing comes from the kernel")

    def run(self, code: str) -> str:
        """Run a cell that must not fail; the answer is what it printed."""
        printed: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                printed.append(message["content"]["text"])

        reply = self._client.execute_interactive(code, output_hook=hear, timeout=PATIENCE_S)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed)

    def close(self) -> None:
        self._client.stop_channels()

    def _is_heard(self) -> bool:
        """Whether what it shows arrives: it may have begun to before this has subscribed."""
        try:
            self._client.execute_interactive("", output_hook=lambda _: None, timeout=5)
        except (TimeoutError, Empty):
            return False
        return True


class Jupyter:
    """The server.

    Attributes:
        temporary: the temporary folder of it and of all that it starts, which names them.
        runtime: Jupyter's runtime folder.
    """

    def __init__(self, **environment: str) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="jupyter-", dir="/tmp"))  # sockets: short
        self.temporary, self.runtime = self._home / "tmp", self._home / "runtime"
        for folder in (self.temporary, self.runtime):
            folder.mkdir(mode=0o700)
        names = {"TMPDIR": self.temporary, "JUPYTER_RUNTIME_DIR": self.runtime}
        names |= {"JUPYTER_CONFIG_DIR": self._home / "c", "JUPYTER_DATA_DIR": self._home / "d"}
        # Nobody else can enter the socket's folder.
        options = ["--sock", f"{self._home}/s", "--IdentityProvider.token=", "--allow-root"]
        options += ["--ServerApp.disable_check_xsrf=True"]
        self._log = (self._home / "log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", *options, "--no-browser"],
            cwd=self._home,
            env={**os.environ, **{name: str(path) for name, path in names.items()}, **environment},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        until(self._answers, "the server did not start")

    def begin_kernel(self) -> tuple[str, Kernel]:
        """A kernel's id, and the kernel."""
        name = self._ask("POST", "/api/kernels", {"name": "python3"})["id"]
        return name, Kernel(self.runtime / f"kernel-{name}.json")

    def end_kernel(self, name: str) -> None:
        """What 'Shut Down Kernel' does."""
        self._ask("DELETE", f"/api/kernels/{name}")

    def processes(self) -> list[psutil.Process]:
        """What was started for this server, but for itself and its kernels."""
        found = []
        mark = f"{self.temporary}"
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                ours = process.environ().get("TMPDIR") == mark
                kinds = ("jupyter_server", "ipykernel_launcher")
                if ours and not any(kind in process.cmdline() for kind in kinds):
                    found.append(process)
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE_S)
        for process in self.processes():  # of a test that failed
            process.kill()
        self._log.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self._home / "log").read_text()
        try:
            self._ask("GET", "/api/status")
        except OSError:
            return False
        return True

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        connection = _Connection(f"{self._home}/s", timeout=PATIENCE_S)
        try:
            headers = {"Host": "localhost", "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            content = response.read()
            assert response.status < 300, content
            return json.loads(content) if content else None
        finally:
            connection.close()


@contextlib.contextmanager
def jupyter(**environment: str) -> Iterator[Jupyter]:
    server = Jupyter(**environment)
    try:
        yield server
    finally:
        server.close()


def kill_at_once(pids: list[int]) -> None:
    """SIGKILL for all of them, before any can notice the end of another."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, number)
