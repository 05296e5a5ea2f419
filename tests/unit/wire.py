"""Values through everything that lies between two processes, within one."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Iterable

from farcell_runtime.segments import Pool
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.payload import Arrivals, Packed, pack
from farcell_runtime.values import Parcel


def lent(parcel: Parcel, pool: Pool, holders: Iterable[str]) -> Packed:
    """``parcel`` as it is sent to ``holders``."""
    packed = pack(parcel, pool)
    if packed.segment is not None:
        pool.lend(packed.segment, holders)
    return packed


POOL = Pool(tempfile.gettempdir(), 1 << 28)


def through_the_wire(parcel: Parcel, pool: Pool = POOL, arrivals: Arrivals | None = None) -> Parcel:
    """``parcel`` as it arrives at the other side, whose segments ``arrivals`` has."""
    arrivals = arrivals or Arrivals()
    packed = lent(parcel, pool, ["the other side"])
    payload = pb.Payload.FromString(packed.payload.SerializeToString())
    segments = [packed.segment] if packed.segment else []
    arrivals.note(payload, deque(os.dup(each.descriptor) for each in segments))
    return arrivals.unpack(payload)
