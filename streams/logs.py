"""How the processes log: one line a record on standard error, `key=value`."""

from __future__ import annotations

import logging
import sys


def to_stderr() -> None:
    """Set logging up for a process that serves."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr,
                        format="%(asctime)s level=%(levelname)s logger=%(name)s %(message)s")
    # What these say at INFO only their developers need.
    for name in ("watchfiles", "faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns that it cannot read what Faust's assignor wrote for itself.
    logging.getLogger("kafka").setLevel(logging.ERROR)
