"""Real servers for development and tests, without Docker: Kafka, Redis, Prometheus from packages.

Not part of the installed product; the standard library only.
"""
