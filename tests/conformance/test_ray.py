"""The boundary to Ray: beyond the cells that every engine passes, what only this engine has."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.page import Page

OpenPage = Callable[..., Page]


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


@pytest.mark.on_engine("ray")
class TestOnRay:
    def test_the_warm_parent_is_a_child_of_an_actor(self, page: Page) -> None:
        worker = int(page.good_remote("import os\nos.getpid()").result or "")
        agent = _parent_of(_parent_of(worker))
        assert "ray::" in _name_of(agent)

    def test_a_dead_agent_is_a_lost_worker(self, page: Page) -> None:
        cell = page.begin_remote(
            "import os, time\nprint('pid', os.getpid(), 'end')\ntime.sleep(600)"
        )
        page.until_text(cell, "end")
        worker = int(cell.stdout.split()[1])
        parent = _parent_of(worker)
        os.kill(_parent_of(parent), signal.SIGKILL)
        page.finish(cell)
        assert cell.error == "WorkerLost", cell.describe()
        page.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (worker, parent)))
        assert page.good_remote("'fresh'").result == "'fresh'"

    def test_a_cell_is_a_driver_of_its_own(self, page: Page) -> None:
        cell = page.good_remote(
            "import ray\nray.init(log_to_driver=False, logging_level='ERROR')\n"
            "@ray.remote(num_cpus=1)\ndef twice(x): return 2 * x\n"
            "answer = ray.get(twice.remote(21))"
        )
        assert page.value("answer") == "42", cell.describe()
        waiting = page.begin_remote(
            "import time\n@ray.remote(num_cpus=1)\ndef long(): time.sleep(600)\nprint('@go')\n"
            "ref = long.remote()\nray.get(ref)"
        )
        assert page.stop_when(waiting).error == "KeyboardInterrupt", waiting.describe()
        page.good_remote("ray.cancel(ref, force=True)\nray.shutdown()")

    def test_stop_leaves_nothing(self, page: Page) -> None:
        worker = int(page.good_remote("import os\nos.getpid()").result or "")
        parent = _parent_of(worker)
        page.good("%cluster stop")
        page.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (worker, parent)))
        assert page.good_remote("'again'").result == "'again'"

    def test_ray_client_is_refused_with_a_remedy(self, opened: OpenPage) -> None:
        page = opened(RAY_ADDRESS="ray://127.0.0.1:10001")
        cell = page.remote("1")
        assert cell.error == "SessionLost", cell.describe()
        assert "Ray Client" in cell.message
        assert "RAY_ADDRESS=auto" in cell.message
        page.close()

    def test_a_wrong_token_is_told(self, opened: OpenPage) -> None:
        page = opened(RAY_AUTH_TOKEN="0" * 64)
        cell = page.remote("1")
        assert cell.error == "SessionLost", cell.describe()
        assert "token" in cell.message
        assert "ray.exceptions" not in cell.traceback
        page.close()

    @pytest.mark.slow
    def test_without_a_cluster_it_starts_one(self, opened: OpenPage, tmp_path: Path) -> None:
        page = opened(RAY_ADDRESS="local")
        worker = int(page.good_remote("import os\nos.getpid()").result or "")
        agent = _parent_of(_parent_of(worker))
        assert page.good_remote("6 * 7").result == "42"
        page.close()
        page.until(lambda: not Path(f"/proc/{agent}/exe").exists())


def test_without_ray_it_says_what_to_install(opened: OpenPage, tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'ray'\", name='ray')"
    )
    page = opened(FARCELL_ENGINE="ray", PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    cell = page.remote("1")
    assert not cell.ok
    assert "farcell[ray]" in cell.message, cell.describe()
    page.close()
