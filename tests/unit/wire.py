"""Values through everything that lies between two processes, within one."""

from __future__ import annotations

import os
import tempfile
from collections import deque

from farcell_runtime.segments import Pool
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.payload import Arrivals, pack
from farcell_runtime.values import Parcel

POOL = Pool(tempfile.gettempdir(), 1 << 28)


def through_the_wire(parcel: Parcel, pool: Pool = POOL, arrivals: Arrivals | None = None) -> Parcel:
    """``parcel`` as it arrives at the other side, whose segments ``arrivals`` has."""
    arrivals = arrivals or Arrivals()
    packed = pack(parcel, pool, ["the other side"])
    payload = pb.Payload.FromString(packed.payload.SerializeToString())
    arrivals.note(payload, deque(os.dup(each) for each in packed.descriptors))
    return arrivals.unpack(payload)
