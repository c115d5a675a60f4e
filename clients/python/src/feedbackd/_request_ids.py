"""The request_ids of calls that were given none."""

from __future__ import annotations

import os
import random
from time import time_ns

# Its own, since programs seed that of the module to get the same numbers again. It asks the system
# for its seed only, where os.urandom would ask for every number.
_random = random.Random()
_random_bits = _random.getrandbits
# A child would go on with its parent's numbers.
os.register_at_fork(after_in_child=_random.seed)


def new_request_id() -> str:
    """A UUID of version 7 (RFC 9562): the time in milliseconds, then random bits.

    Ids that ascend with time lie together in the index of a store.
    """
    milliseconds = time_ns() // 1_000_000
    return "%08x-%04x-%04x-%04x-%012x" % (
        milliseconds >> 16,
        milliseconds & 0xFFFF,
        0x7000 | _random_bits(12),
        0x8000 | _random_bits(14),
        _random_bits(48),
    )
