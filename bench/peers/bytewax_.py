"""Bytewax: a dataflow with a stateful map."""

from __future__ import annotations

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

from bench.peers import fold


def main() -> None:
    a = fold.arguments()
    tally = fold.Tally("Bytewax")

    def decode(message: KafkaSourceMessage) -> tuple[str, fold.Event]:
        tally.event()
        event = fold.decode(message.value)
        return f"{event.subject}|{event.data.item}", event

    def step(state: fold.State | None, event: fold.Event) -> tuple[fold.State, list[bytes]]:
        at_s = event.at_s
        state, score, changed = fold.step(state, event.type, event.data.severity, at_s)
        if not changed:
            return state, []
        value = fold.said(event.subject, event.data.item, at_s, state[3], score)
        tally.output(value)
        return state, [value]

    flow = Dataflow("fold")
    source = KafkaSource([a.servers], [a.source], tail=False, batch_size=1_000)
    events = op.map("decode", op.input("source", flow, source), decode)
    changes = op.stateful_flat_map("fold", events, step)
    records = op.map("said", changes, lambda kv: KafkaSinkMessage(kv[0].encode(), kv[1]))
    op.output("sink", records, KafkaSink([a.servers], a.sink))
    cli_main(flow)  # To the end of the topic; the sink is flushed then.
    assert tally.events == a.events, tally.events
    tally.done()


if __name__ == "__main__":
    main()
