"""A deterministic synthetic city: events for tests, benches and the demonstration."""

from __future__ import annotations

from streams.simulate.city import city
from streams.simulate.population import truth

__all__ = ["city", "truth"]
