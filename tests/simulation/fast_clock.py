"""`xinfeng` by a clock that runs faster: from `FAST_FROM` [s] on, `FAST_TIMES` as fast."""

from __future__ import annotations

import os
import time

from streams import options

_FROM, _TIMES = float(os.environ["FAST_FROM"]), float(os.environ["FAST_TIMES"])


def wall_ms() -> int:
    """The present [epoch ms], as the service is to believe."""
    return round(1000 * (_FROM + (time.time() - _FROM) * _TIMES))


# Before the modules that take it from there.
options.wall_ms = wall_ms

if __name__ == "__main__":
    from streams.cli import main

    main()
