"""Goal: whoever got a letter can answer by its link without a login, and nothing else; a link that
is only looked at does nothing, and no link can be made without the key.

Method: an embedded service with a token, its application, and links made as the dispatcher makes
them; every part of a link is changed in turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from notify_world import ITEMS, OFFSET_MS, notice
from starlette.testclient import TestClient

from alerts import render
from alerts.letter import entry, letter
from alerts.notify import Reason
from bench.notify_site import departments, events
from config import channels as channels_
from config import load
from config.channels import AnswerSettings, Channels
from config.load import ConfigError
from console.app import create_app
from dispatch.answer_link import PATH, Links
from dispatch.webhook import event
from streams import telling
from streams.answers import Answers, links
from streams.embedded import Embedded
from streams.options import wall_ms
from streams.service import EmbeddedService

KEY = "k" * 32
BASE = "http://127.0.0.1"
DAY_MS = 86_400_000
PEOPLE = {r.department: r for r in (load.policy().notify or pytest.fail("no policy")).receivers
          if r.role == "department"}


def made(key: str = KEY) -> Links:
    settings = channels_.channels(None, {})
    delivery = msgspec.structs.replace(settings.delivery, base_url=BASE)
    found = links(load.policy(), Channels(delivery, [], AnswerSettings(True, key, 14)))
    assert found is not None
    return found


class Site:
    def __init__(self, folder: Path) -> None:
        self.now = wall_ms()
        self.service = EmbeddedService(Embedded(folder, load.policy()))
        app = create_app(self.service, token="t" * 20, answers=Answers(made(), lambda: self.now))
        self.client = TestClient(app, base_url=BASE, follow_redirects=False)
        self.told = telling.Told(folder, OFFSET_MS)

    def link(self, source: str, department: str) -> str:
        """As the letter to a department has it."""
        (one,) = [n for n in self.told.standing(source) if department in n.departments][:1]
        return made().url(PEOPLE[department], one, self.now).removeprefix(BASE)

    def log(self) -> int:
        return self.service.runner.offset


@contextmanager
def started(folder: Path) -> Iterator[Site]:
    site = Site(folder)
    try:
        yield site
    finally:
        site.told.close()
        site.service.close()


def alert(site: Site) -> tuple[str, dict[str, Any], str]:
    department, item = next((d, i) for d, i in departments(50) if d in PEOPLE)
    assert not site.service.submit(events(1, item), "test").rejected
    return department, site.service.alerts()[0], site.link(telling.ALERTS, department)


def test_it_is_looked_at_as_often_as_one_likes_and_confirmed_once(tmp_path: Path) -> None:
    with started(tmp_path) as site:
        department, row, link = alert(site)
        before = site.log()
        for _ in range(3):
            for method in ("GET", "HEAD"):
                assert site.client.request(method, link).status_code in (200, 405)
        page = site.client.get(link)
        assert "签收" in page.text and department in page.text
        assert page.headers["cache-control"] == "no-store"
        assert site.log() == before, "a look must not act"
        # It opens this page and no other.
        assert site.client.get(f"/alerts/{row['id']}").status_code == 401
        assert site.client.get(f"/api/v1/alerts/{row['id']}").status_code == 401
        form = {"actor": "王工", "note": "已联系", "seq": str(row["seq"])}
        for _ in range(2):
            done = site.client.post(link, data=form)
        now = site.service.alert(row["id"])
        assert now is not None and (now["state"], now["note"]) == ("acknowledged", "已联系")
        assert now["actor"] == f"王工 ({PEOPLE[department].id})"
        assert site.log() == before + 1
        assert done.status_code == 409 and "已有人处理" in done.text
        assert "<form" not in site.client.get(link).text


def test_of_two_with_the_same_page_one_is_told_who_was_first(tmp_path: Path) -> None:
    with started(tmp_path) as site:
        _, row, link = alert(site)
        seen = str(row["seq"])
        # Between page and form somebody was given it: the state is the same, the matter is not.
        headers = {"authorization": "Bearer " + "t" * 20}
        assert site.client.post(f"/api/v1/alerts/{row['id']}/assign", headers=headers,
                                json={"actor": "处长", "note": "李工"}).status_code == 202
        before = site.log()
        late = site.client.post(link, data={"actor": "王工", "seq": seen})
        assert late.status_code == 409 and "处长" in late.text and site.log() == before
        assert site.client.post(link, data={"seq": seen}).status_code == 422


def test_no_link_without_the_key(tmp_path: Path) -> None:
    with started(tmp_path) as site:
        _, _, link = alert(site)
        parts = link.removeprefix(PATH).split("/")
        others = (next(r.id for r in PEOPLE.values() if r.id != parts[0]), "answer",
                  str(int(parts[2]) + 1), parts[3][:-1] + ("A" if parts[3][-1] != "A" else "B"),
                  "another-alert")
        for place, value in enumerate(others):
            changed = PATH + "/".join([*parts[:place], value, *parts[place + 1:]])
            assert site.client.get(changed).status_code == 404, changed
            assert site.client.post(changed, data={"actor": "x"}).status_code == 404
        for bad in ("nobody", "-1", "９９", "", "%00"):
            for place in range(4):
                changed = PATH + "/".join([*parts[:place], bad, *parts[place + 1:]])
                assert site.client.get(changed).status_code in (401, 404)
        forged = made("z" * 32).url(
            PEOPLE[next(d for d in PEOPLE)], next(iter(site.told.standing(telling.ALERTS))),
            site.now).removeprefix(BASE)
        assert site.client.get(forged).status_code == 404
        before = site.log()
        site.now += 14 * DAY_MS
        old = site.client.get(link)
        assert old.status_code == 410 and "已过期" in old.text and "<form" not in old.text
        assert site.client.post(link, data={"actor": "x"}).status_code == 410
        assert site.log() == before
        # A page of elsewhere cannot post for its visitors.
        site.now -= 14 * DAY_MS
        cross = {"sec-fetch-site": "cross-site"}
        assert site.client.post(link, data={"actor": "x"}, headers=cross).status_code == 403


def test_a_department_answers_a_review(tmp_path: Path) -> None:
    with started(tmp_path) as site:
        two = [(d, i) for d, i in departments(50) if d in PEOPLE][:2]
        lines = [events(1, two[0][1])[0]]
        for (_, item), grade in zip(two, "AD", strict=True):
            row = {**json.loads(lines[0]), "id": item, "type": "grade.assigned",
                   "data": {"item": item, "issuer": "department", "grade": grade}}
            lines.append(json.dumps(row).encode())
        assert not site.service.submit(lines, "test").rejected
        (review,) = site.service.reviews(state="open")
        department = next(d for d in review["departments"] if d in PEOPLE)
        link = site.link(telling.REVIEWS, department)
        assert department in site.client.get(link).text
        wrong = {"decision": "adjust", "reason": "x", "actor": "王工"}
        assert site.client.post(link, data=wrong).status_code == 422
        assert site.client.post(link, data={"decision": "keep", "actor": "王工"}).status_code == 422
        good = {"decision": "keep", "reason": "依据充分", "actor": "王工"}
        assert "已提交" in site.client.post(link, data=good).text
        (held,) = [x for x in site.service.reviews() if x["id"] == review["id"]]
        (answer,) = held["answers"]
        assert (answer["department"], answer["decision"]) == (department, "keep")
        assert site.client.post(link, data={**good, "decision": "adjust", "grade": "B"}
                                ).status_code == 409
        assert len(site.service.review(review["id"])["answers"]) == 1  # type: ignore[index]


def test_of_two_departments_with_the_same_page_one_is_told(tmp_path: Path) -> None:
    """Both opened their mail before either answered; what the second wrote is not lost."""
    with started(tmp_path) as site:
        two = [(d, i) for d, i in departments(50) if d in PEOPLE][:2]
        lines = [events(1, two[0][1])[0]]
        for (_, item), grade in zip(two, "AD", strict=True):
            row = {**json.loads(lines[0]), "id": item, "type": "grade.assigned",
                   "data": {"item": item, "issuer": "department", "grade": grade}}
            lines.append(json.dumps(row).encode())
        assert not site.service.submit(lines, "test").rejected
        (review,) = site.service.reviews(state="open")
        links = [site.link(telling.REVIEWS, d) for d, _ in two]
        forms = [{"decision": "keep", "reason": f"理由{n}", "actor": f"officer {n}", "seq": seq}
                 for n, seq in enumerate(seq_of(site.client.get(link).text) for link in links)]
        assert "已提交" in site.client.post(links[0], data=forms[0]).text
        late = site.client.post(links[1], data=forms[1])
        assert late.status_code == 409
        for said in ("您的答复未提交", f"{two[0][0]} 维持", "理由0", ">理由1</textarea>",
                     "officer 1"):
            assert said in late.text, said
        assert len(site.service.review(review["id"])["answers"]) == 1  # type: ignore[index]
        again = site.client.post(links[1], data={**forms[1], "seq": seq_of(late.text)})
        assert "已提交" in again.text
        assert len(site.service.review(review["id"])["answers"]) == 2  # type: ignore[index]


def seq_of(page: str) -> str:
    found = re.search(r'name="seq" value="(\d+)"', page)
    assert found
    return found[1]


def test_where_the_link_stands() -> None:
    people = next(iter(PEOPLE.values()))
    one = entry(notice(departments=[people.department]), Reason.FIRST, ITEMS, BASE, OFFSET_MS, 0)
    url = made().url(people, notice(), 0)
    x = letter(people, [msgspec.structs.replace(one, answer=url)], 0, BASE)
    for text in (render.email(x)[1], render.wecom_markdown(x), render.wecom_text(x),
                 str(render.dingtalk(x)), str(render.feishu(x))):
        assert url in text and "免登录" in text
    assert url not in render.sms(x) and "answer/" not in str(event(x))
    # Nothing to acknowledge, nobody to do it, a review of other departments.
    assert made().url(people, notice(state="resolved"), 0) == ""
    assert made().url(msgspec.structs.replace(people, mode="system"), notice(), 0) == ""
    assert made().url(people, notice(rule="review-due", departments=["别的局"]), 0) == ""


def test_the_key_is_a_secret_of_the_environment(tmp_path: Path) -> None:
    text = channels_.CHANNELS.read_text("utf-8")
    file = tmp_path / "channels.toml"
    file.write_text(text.replace("[answers]                     # signed links in mails and "
                                 "robots' messages: answered without a login\nenabled = false",
                                 "[answers]\nenabled = true"), "utf-8")
    with pytest.raises(ConfigError, match="XINFENG_ANSWER_KEY is not set"):
        channels_.channels(file, {})
    with pytest.raises(ConfigError, match="at least 32 characters"):
        channels_.channels(file, {"XINFENG_ANSWER_KEY": "short"})
    assert channels_.channels(file, {"XINFENG_ANSWER_KEY": KEY}).answers.key == KEY
    assert channels_.channels(None, {}).answers.enabled is False
