"""The nouns that farcell's processes share, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """What a gang asks for. The same shape is the same gang, unless it is given a name.

    Attributes:
        ranks: how many workers, at least 1.
        gpus: how many GPUs in all; each rank gets ``gpus / ranks`` of them to itself.
        cpus: how many cores in all are reserved; 0 reserves none.
        name: the gang's own name; empty for one that is known by its shape.
    """

    ranks: int = 1
    gpus: int = 0
    cpus: float = 0.0
    name: str = ""

    @property
    def gang(self) -> str:
        """The name of the gang of this shape: ``default``, ``gpus=8 ranks=8``, or its own."""
        if self.name:
            return self.name
        words = []
        if self.gpus:
            words.append(f"gpus={self.gpus}")
        if self.cpus:
            words.append(f"cpus={self.cpus:g}")
        if self.ranks != 1:
            words.append(f"ranks={self.ranks}")
        return " ".join(words) or "default"


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """All that a fresh worker process needs to know.

    Attributes:
        worker: its id, unique in the session: ``w3``.
        gang: the gang it is a rank of.
        epoch: the lease's epoch; the worker refuses runs of an older one.
        folder: the session's folder; the worker's socket and its log folder lie in it.
        token: the session's token.
        gpu_uuids: the devices it may see; none sees none.
        environment: variables to set before the first cell (``RANK``, ``WORLD_SIZE``, ...).
    """

    worker: str
    gang: str
    rank: int
    world_size: int
    epoch: int
    folder: str
    token: str
    gpu_uuids: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def socket(self) -> str:
        return f"{self.folder}/{self.worker}.sock"

    @property
    def address(self) -> str:
        return f"unix:{self.socket}"

    @property
    def log_folder(self) -> str:
        return f"{self.folder}/logs/{self.worker}"
