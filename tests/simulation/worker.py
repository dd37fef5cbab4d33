"""A process to be killed: reads a file into a store in small envelopes, with many checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path

import events as ev

from streams import batch
from streams.embedded import Embedded

batch.ENVELOPE_EVENTS = 40
runner = Embedded(Path(sys.argv[2]), ev.policy("default"), checkpoint_events=300)
batch.process(runner, [sys.argv[1]], now_ms=ev.FAR_MS)
runner.close()
