"""`python -m servers.keep FOLDER PORT USERS`: a Kafka for as long as somebody uses it.

Its users are the processes that hold a shared lock on the file USERS. The kernel takes the lock
from a process however it ends, so that no Kafka is left behind. Prints `ready ADDRESS`, or why not.
"""

from __future__ import annotations

import fcntl
import signal
import sys
from pathlib import Path

from servers.kafka import Kafka
from servers.process import ServerError


def main() -> int:
    folder, port, users = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    kafka = Kafka(folder, port)
    try:
        kafka.start()
    except ServerError as err:
        print(err, flush=True)
        return 1
    try:
        print(f"ready {kafka.address}", flush=True)
        with users.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Held until it has stopped: a new user waits, and then starts another.
            kafka.stop()
    finally:
        kafka.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
