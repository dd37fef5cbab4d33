"""The `data` of `subject.registered`."""

from __future__ import annotations

import datetime as dt

import numpy as np

from streams.simulate.names import business_name
from streams.simulate.parameters import DAY_S
from streams.simulate.places import DISTRICTS
from streams.simulate.population import KINDS, SIZES, Population
from streams.simulate.trades import TRADES

_ENTERPRISE, _INDIVIDUAL, _SOE, _PLATFORM = 0, 1, 4, 5
_SHARED_ONE_IN, _GROUP_OF = 4, 40
"""One enterprise in so many shares its controller with the others of a group, drawn from so many
neighbouring subjects: three or four businesses."""


class Registrar:
    """Writes registrations; cost about 5 µs each."""

    def __init__(self, people: Population, start: dt.date) -> None:
        self._people = people
        self._start = start.toordinal()
        self._platforms = np.flatnonzero(people.kind == _PLATFORM).tolist()

    def data(self, number: int) -> str:
        """The `data` object of one subject."""
        people = self._people
        kind, bits = int(people.kind[number]), int(people.bits[number])
        trade = TRADES[people.trade[number]]
        district = DISTRICTS[people.district[number]]
        day = self._start - int(people.age_d[number])
        if people.age_d[number] == 0:
            day += int(people.born_s[number]) // DAY_S
        return (
            f'{{"name":"{business_name(bits, kind, trade, district)}","kind":"{KINDS[kind]}",'
            f'"district":"{district.code}","industry":"{trade.industry}",'
            f'"size":"{SIZES[people.size[number]]}",'
            f'"registered_on":"{dt.date.fromordinal(day).isoformat()}"'
            f"{self._links(number, kind, bits)}}}"
        )

    def _links(self, number: int, kind: int, bits: int) -> str:
        if kind in (_ENTERPRISE, _SOE, _PLATFORM):
            shared = bits % _SHARED_ONE_IN == 0
            name = f"ctl-s{number // _GROUP_OF:07d}" if shared else f"ctl-{number:08d}"
            return f',"controllers":["{name}"]'
        if kind == _INDIVIDUAL and bits % 25 == 0 and self._platforms:
            host = self._platforms[bits // 25 % len(self._platforms)]
            return f',"platform":"{self._people.code[host].decode()}"'
        return ""
