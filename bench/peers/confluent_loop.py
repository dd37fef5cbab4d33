"""A loop by hand: confluent_kafka, state in a dictionary."""

from __future__ import annotations

from confluent_kafka import Consumer, Producer

from bench.peers import fold


def main() -> None:
    a = fold.arguments()
    tally = fold.Tally("confluent loop")
    consumer = Consumer({"bootstrap.servers": a.servers, "group.id": a.group,
                         "auto.offset.reset": "earliest", "enable.auto.commit": False})
    producer = Producer({"bootstrap.servers": a.servers, "enable.idempotence": True,
                         "compression.type": "lz4", "linger.ms": 5})
    consumer.subscribe([a.source])
    states: dict[tuple[str, str], fold.State] = {}
    while tally.events < a.events:
        messages = consumer.consume(1_000, timeout=0.02)
        for message in messages:
            assert message.error() is None, message.error()
            tally.event()
            event = fold.decode(message.value())
            key = event.subject, event.data.item
            at_s = event.at_s
            states[key], score, changed = fold.step(states.get(key), event.type,
                                                    event.data.severity, at_s)
            if changed:
                value = fold.said(*key, at_s, states[key][3], score)
                tally.output(value)
                producer.produce(a.sink, value, event.subject)
        producer.flush()
        if messages:
            consumer.commit(asynchronous=True)
    tally.done()
    consumer.close()


if __name__ == "__main__":
    main()
