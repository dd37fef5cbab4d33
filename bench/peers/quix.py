"""Quix Streams: a streaming dataframe with state by message key."""

from __future__ import annotations

import tempfile

from quixstreams import Application, State

from bench.peers import fold


def main() -> None:
    a = fold.arguments()
    tally = fold.Tally("Quix Streams")

    def decode(raw: bytes) -> fold.Event:
        tally.event()
        if tally.events == a.events:
            app.stop()  # After this record.
        return fold.decode(raw)

    def step(event: fold.Event, states: State) -> bytes | None:
        at_s, item = event.at_s, event.data.item
        state, score, changed = fold.step(states.get(f"i{item}"), event.type, event.data.severity,
                                          at_s)
        states.set(f"i{item}", state)
        if not changed:
            return None
        value = fold.said(event.subject, item, at_s, state[3], score)
        tally.output(value)
        return value

    with tempfile.TemporaryDirectory() as folder:
        app = Application(broker_address=a.servers, consumer_group=a.group, state_dir=folder,
                          auto_offset_reset="earliest", loglevel="WARNING")
        source = app.topic(a.source, key_deserializer="str", value_deserializer="bytes")
        sink = app.topic(a.sink, key_serializer="str", value_serializer="bytes")
        frame = app.dataframe(source).apply(decode).apply(step, stateful=True)
        frame = frame.filter(lambda value: value is not None).to_topic(sink)
        app.run()  # Ends with a checkpoint: state, outputs and offsets are durable.
        # `run` also leaves the group and closes the state: that is not counted.
        tally.done(fold.last_written(a.servers, a.sink))


if __name__ == "__main__":
    main()
