"""Values in pickles, before it is known which of them go."""

from __future__ import annotations

from dataclasses import dataclass, field

import xxhash

from farcell_runtime.codec import Pickled
from farcell_runtime.fingerprints import CHUNK_BYTES, Digest, Fingerprints

_GLANCE_BYTES = 16 << 20  # of larger buffers a few chunks are looked at first


@dataclass
class Pieces:
    """What ``Values.pieces`` found: the pickle of each name, or why it can't travel.

    Attributes:
        pickles: of values that go each by itself.
        plain: of those that go together.
        digests: what each value is known by, as far as that was asked for; of plain ones always.
    """

    pickles: dict[str, Pickled] = field(default_factory=dict)
    plain: dict[str, bytes] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    fingerprints: Fingerprints = field(default_factory=Fingerprints)
    digests: dict[str, Digest | bytes] = field(default_factory=dict)

    @property
    def sizes(self) -> dict[str, int]:
        """How many bytes each name's value is."""
        sizes = {name: len(data) for name, data in self.plain.items()}
        return sizes | {name: pickled.size_bytes for name, pickled in self.pickles.items()}

    @property
    def reads(self) -> set[str]:
        """The names of the notebook that functions in the values read."""
        return {name for pickled in self.pickles.values() for name in pickled.reads}

    def reads_of(self, name: str) -> frozenset[str]:
        """The names of the notebook that functions in the value of ``name`` read."""
        return self.pickles[name].reads if name in self.pickles else frozenset()

    def drop(self, name: str) -> None:
        """``name`` does not travel after all."""
        self.plain.pop(name, None)
        self.pickles.pop(name, None)

    def is_rewritten(self, name: str, before: Digest | bytes) -> bool:
        """Whether it is clear at a glance that most of a large value is not what it was."""
        if name in self.digests:
            return False  # it is known exactly
        if isinstance(before, bytes):
            return True
        for number, raw in enumerate(self.pickles[name].buffers):
            buffer = memoryview(raw)
            if buffer.nbytes < _GLANCE_BYTES:
                continue
            if number >= len(before.sizes) or before.sizes[number] != buffer.nbytes:
                return True
            parts = buffer.cast("B")
            last = (buffer.nbytes - 1) // CHUNK_BYTES
            looks = (0, last // 3, last * 2 // 3, last)
            return not any(
                xxhash.xxh3_64_digest(parts[look * CHUNK_BYTES : (look + 1) * CHUNK_BYTES])
                == before.chunk(number, look)
                for look in looks
            )
        return False

    def digest(self, name: str) -> Digest | bytes:
        """What the value of ``name`` is known by: computed when it is asked for."""
        if name not in self.digests:
            self.digests[name] = self.fingerprints.digest(self.pickles[name])
        return self.digests[name]
