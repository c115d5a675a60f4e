"""Makes the request_ids of adds that are given none."""

from __future__ import annotations

import os
import random
from time import time_ns

# A generator of its own, since programs seed the module's to repeat their numbers. It asks the
# system for a seed once, where os.urandom would for every number.
_random = random.Random()
_random_bits = _random.getrandbits
# Without this, a forked child would make the same numbers as its parent.
os.register_at_fork(after_in_child=_random.seed)


def new_request_id() -> bytes:
    """Makes a UUID of version 7 (RFC 9562), as text: the time in milliseconds, then random bits.

    Ids that ascend with time are next to each other in the index of a store.
    """
    milliseconds = b"%012x" % (time_ns() // 1_000_000)
    return b"%s-%s-%x-%x-%012x" % (
        milliseconds[:8],
        milliseconds[8:],
        0x7000 | _random_bits(12),
        0x8000 | _random_bits(14),
        _random_bits(48),
    )
