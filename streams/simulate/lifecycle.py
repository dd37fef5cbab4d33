"""Registrations and cancellations."""

from __future__ import annotations

import numpy as np

from streams.simulate.plan import Kind, Plan


def plan_lifecycle(plan: Plan) -> None:
    """Rows of `subject.registered` and `subject.cancelled`."""
    people = plan.people
    everybody = np.arange(len(people))
    plan.add(Kind.REGISTERED, people.born_s.astype(np.int64), everybody)
    plan.add(Kind.CANCELLED, people.gone_s.astype(np.int64), everybody)
