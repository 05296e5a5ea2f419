"""The ``ray`` engine: workers on a Ray cluster, started there by a host agent in an actor.

The agent runs the local engine's warm parent, and speaks its control protocol for it: a worker is
the same program everywhere, and never a Ray process itself, since Ray blocks SIGINT in those.

In this first form all workers are on the machine of the head, and reached through the session's
folder. GPUs are Ray's to give out, so none is offered yet.
"""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

import ray
import ray.exceptions

from farcell_runtime.config import Config, usable_cpus
from farcell_runtime.engines.host_agent import HostAgent
from farcell_runtime.engines.local import Channel, Emit, LocalEngine
from farcell_runtime.errors import (
    AuthError,
    ConnectError,
    FarcellError,
    UsageError,
    VersionMismatch,
)
from farcell_runtime.placement import Host
from farcell_runtime.worker.control import Message

log = logging.getLogger(__name__)

_MOST_WORKERS = 1024
_AGENT_GROUPS = {"commands": 1, "events": 1, "end": 1}


def create(config: Config) -> RayEngine:
    """The engine that `Config.engine` names."""
    return RayEngine(config)


class AgentChannel:
    """The control channel to a warm parent, by way of its agent's actor."""

    def __init__(self, agent: Any) -> None:
        self._agent = agent

    def send(self, **message: Any) -> None:
        """Send one message, in order, without waiting.

        Raises:
            OSError: if the agent is gone.
        """
        try:
            self._agent.send.options(concurrency_group="commands").remote(message)
        except ray.exceptions.RayError as error:
            raise ConnectionResetError(str(error)) from error

    def receive(self) -> list[Message] | None:
        """Wait for messages; None if the warm parent, or its agent, has ended."""
        try:
            messages: list[Message] | None = ray.get(
                self._agent.receive.options(concurrency_group="events").remote()
            )
        except ray.exceptions.RayError as error:
            log.error("the host agent is gone: %s", error)
            return None
        return messages

    def close(self) -> None:
        """Give the actor back to Ray."""
        try:
            ray.kill(self._agent)
        except ray.exceptions.RayError:
            return  # Ray was first


class AgentParent:
    """A warm parent behind a host agent, and the workers that were asked of it."""

    def __init__(self, config: Config, environment: dict[str, str]) -> None:
        remote: Any = ray.remote  # its types know no concurrency groups
        actor = remote(
            num_cpus=0, max_restarts=0, max_task_retries=0, concurrency_groups=_AGENT_GROUPS
        )(HostAgent)
        self._agent = actor.remote(config.as_json(), environment)
        self.control: Channel = AgentChannel(self._agent)
        self.workers: set[str] = set()

    def wait(self) -> int:
        """Wait for its end; the answer is its exit code, or minus the signal that ended it."""
        try:
            code: int = ray.get(self._agent.wait.options(concurrency_group="end").remote())
        except ray.exceptions.RayError:
            return -9  # the agent is gone, and the parent with it
        return code

    def kill(self) -> None:
        """End it at once, and with it its workers."""
        self.control.close()

    def bury(self) -> None:
        """What its workers have left goes with the agent's process."""


class RayEngine(LocalEngine):
    """The local engine, with its warm parent on a Ray cluster."""

    name = "ray"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        # What workers begin with; taken now, for connecting to Ray changes it.
        self._environment = dict(os.environ)

    def start(self, emit: Emit) -> None:
        """Connect to Ray.

        Raises:
            ConnectError: if that can't be done.
            UsageError: if ``RAY_ADDRESS`` is of a kind that can't be used.
        """
        _connect()
        self._environment |= _way_to_ray()
        super().start(emit)

    def hosts(self) -> tuple[Host, ...]:
        return (Host(socket.gethostname(), usable_cpus(), _MOST_WORKERS),)

    def stop(self) -> None:
        super().stop()
        ray.shutdown()

    def new_parent(self) -> AgentParent:
        """Start a host agent, and with it a warm parent, without waiting for either."""
        return AgentParent(self._config, self._environment)


def _way_to_ray() -> dict[str, str]:
    """The variables by which a cell's own ``ray.init()`` finds the Ray that this process uses."""
    found = {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    if mode := os.environ.get("RAY_AUTH_MODE"):
        found["RAY_AUTH_MODE"] = mode
    return found


def _connect() -> None:
    """Connect to the Ray there is, or to a new one on this machine that ends with this process."""
    quiet: dict[str, Any] = {
        "log_to_driver": False,
        "configure_logging": False,
        "logging_level": logging.ERROR,
    }
    chosen = os.environ.get("RAY_ADDRESS", "")
    if chosen.startswith("ray://"):
        raise UsageError(
            f"RAY_ADDRESS={chosen}: Ray Client can't be used here",
            hint="run the notebook on a machine of the cluster, and set RAY_ADDRESS=auto",
        )
    try:
        if chosen and chosen != "local":
            ray.init(address=chosen, **quiet)
            return
        try:
            if chosen != "local":
                ray.init(address="auto", **quiet)
                return
        except ConnectionError:
            log.info("no Ray runs on this machine: starting one")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(address="local", num_cpus=usable_cpus(), include_dashboard=False, **quiet)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise _translated(error, chosen) from error


def _translated(error: Exception, address: str) -> FarcellError:
    """What is raised for what Ray says when it can't be connected to."""
    text = str(error).strip() or type(error).__name__
    where = f" at {address}" if address else ""
    # Ray puts the first error's text into the second one's.
    if "AuthenticationError" in f"{error} {error.__cause__} {error.__context__}":
        return AuthError(
            f"Ray{where} refused this process: its token is missing or another",
            hint="set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN; `ray get-auth-token` tells it there",
        )
    if "ersion mismatch" in text:
        return VersionMismatch(
            f"the Ray cluster and this Python differ: {text}",
            theirs="as above",
            ours=ray.__version__,
            remedy="install the cluster's versions of Python and Ray here",
        )
    return ConnectError(
        f"Ray{where} can't be connected to: {text}",
        hint="`ray status` tells whether a cluster runs; RAY_ADDRESS says which one is meant",
    )
