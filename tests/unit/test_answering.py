"""Goal: whoever got a letter can answer by its link without a login, and nothing else; a link that
is only looked at does nothing, and no link can be made without the key.

Method: an embedded service with a token, its application, and links made as the dispatcher makes
them; every part of a link is changed in turn.
"""

from __future__ import annotations

import base64
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
from test_dispatch import POLICY, Fake, World

from alerts import render
from alerts.letter import Letter, entry, letter
from alerts.notice import Notice
from alerts.notify import Reason
from alerts.titles import TITLES
from bench.notify_site import departments, events
from config import channels as channels_
from config import load
from config.channels import AnswerSettings, Channels
from config.load import ConfigError
from console.app import create_app
from dispatch import answer_link
from dispatch.answer_link import PATH, SHORT_MAX, Links
from dispatch.webhook import event
from streams import telling
from streams.answers import Answers, links
from streams.embedded import Embedded
from streams.options import wall_ms
from streams.service import EmbeddedService

KEY = "k" * 32
MARKET = "市市场监管局"
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
        return made().url(PEOPLE[department], [one], self.now).removeprefix(BASE)

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
        wrong = site.client.post(link, data={"seq": seen}, headers={"accept": "text/html"})
        assert wrong.status_code == 422 and "经办人：未填写" in wrong.text
        assert '<a href="?">返回该事项</a>' in wrong.text


def test_no_link_without_the_key(tmp_path: Path) -> None:
    with started(tmp_path) as site:
        _, _, link = alert(site)
        token = link.removeprefix(PATH)
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        for n in range(len(raw)):
            changed = bytearray(raw)
            changed[n] ^= 1
            other = PATH + base64.urlsafe_b64encode(changed).decode().rstrip("=")
            assert site.client.get(other).status_code == 404, n
            assert site.client.post(other, data={"actor": "x"}).status_code == 404
        # Nor the same bytes in another spelling, a piece of them, or more.
        for other in (token + "=", token[:-1], token[:-4], token + "AAAA", token[:8], "A", "-1",
                      "９９", "%00", "A" * 4_000, token[:-1] + chr(ord(token[-1]) + 1)):
            assert site.client.get(PATH + other).status_code in (401, 404), other
        (firing,) = site.told.standing(telling.ALERTS)
        forged = made("z" * 32).url(PEOPLE[next(d for d in PEOPLE)], [firing], site.now)
        assert site.client.get(forged.removeprefix(BASE)).status_code == 404
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


def apart(site: Site) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Two departments with their items grade a business A and D: they, and the review."""
    two = [(d, i) for d, i in departments(50) if d in PEOPLE][:2]
    lines = [events(1, two[0][1])[0]]
    for (_, item), grade in zip(two, "AD", strict=True):
        row = {**json.loads(lines[0]), "id": item, "type": "grade.assigned",
               "data": {"item": item, "issuer": "department", "grade": grade}}
        lines.append(json.dumps(row).encode())
    assert not site.service.submit(lines, "test").rejected
    (review,) = site.service.reviews(state="open")
    return two, review


def test_a_department_answers_a_review(tmp_path: Path) -> None:
    with started(tmp_path) as site:
        _, review = apart(site)
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
        two, review = apart(site)
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


def test_one_link_for_a_letter_of_many(tmp_path: Path) -> None:
    """Each alert and review of it has a form of its own; the others stay as they are."""
    with started(tmp_path) as site:
        two = [(d, i) for d, i in departments(50) if d in PEOPLE][:2]
        lines = [x for n in (1, 2) for x in events(n, two[0][1])]
        for (_, item), grade in zip(two, "AD", strict=True):
            row = {**json.loads(lines[0]), "id": item, "type": "grade.assigned",
                   "data": {"item": item, "issuer": "department", "grade": grade}}
            lines.append(json.dumps(row).encode())
        assert not site.service.submit(lines, "test").rejected
        mine = [n for source in (telling.ALERTS, telling.REVIEWS)
                for n in site.told.standing(source) if two[0][0] in n.departments]
        review = next(n.id for n in mine if n.rule == "review-due")
        first, second, *_ = [n.id for n in mine if n.id != review]
        link = made().url(PEOPLE[two[0][0]], mine, site.now).removeprefix(BASE)
        before, page = site.log(), site.client.get(link).text
        assert site.log() == before, "a look must not act"
        forms = dict(re.findall(r'name="about" value="([^"]+)">.*name="seq" value="(\d+)"', page))
        assert set(forms) == {n.id for n in mine} and f"所列 {len(mine)} 项" in page
        # Which of them must be said, and only what stands in the link may be.
        assert site.client.post(link, data={"actor": "王工"}).status_code == 404
        other = made().url(PEOPLE[two[0][0]], [n for n in mine if n.id == second], site.now)
        stolen = site.client.post(other.removeprefix(BASE), data={"actor": "x", "about": first})
        assert stolen.status_code == 404 and site.log() == before
        done = site.client.post(link, data={"actor": "王工", "about": first, "seq": forms[first]})
        assert done.status_code == 200 and done.text.count("已提交") == 1
        states = {id: site.service.alert(id)["state"] for id in (first, second)}  # type: ignore[index]
        assert states == {first: "acknowledged", second: "firing"}
        assert f'value="{first}"' not in done.text and f'value="{second}"' in done.text
        assert "已签收" in done.text, "as it is now"
        later = site.client.get(link).text
        assert later.count("已有人处理") == 1 and 'role="alert"' not in later
        assert done.text.count('value="王工"') == len(mine) - 1, "the name is asked for once"
        keep = {"actor": "王工", "about": review, "seq": forms[review], "decision": "keep",
                "reason": "属实"}
        assert "已提交" in site.client.post(link, data=keep).text
        assert len(site.service.review(review)["answers"]) == 1  # type: ignore[index]
        again = site.client.post(link, data={**keep, "reason": "另"})
        assert again.status_code == 409 and len(
            site.service.review(review)["answers"]) == 1  # type: ignore[index]


def test_what_a_link_holds() -> None:
    people, other = [next(r for d, r in PEOPLE.items() if (d == MARKET) == is_) for is_ in (1, 0)]
    due = "review-due"
    notices = [*(notice(f"grade-drop-{n:020x}", state="firing") for n in range(30)),
               notice("odd id/信", departments=[MARKET]), notice("x" * 300),
               notice("review-" + "ab" * 10, rule=due), notice("gone-1", state="resolved"),
               notice("review-" + "cd" * 10, rule=due, departments=["别的局"])]
    whole = made().url(people, notices[29:], 0)
    claim = made().read(whole.removeprefix(BASE + PATH), 0)
    assert claim is not None and (claim.receiver, claim.more, claim.expired) == (people, 1, False)
    assert claim.about == (notices[29].id, "odd id/信", notices[32].id)
    cut = made().read(made().url(people, notices, 0).removeprefix(BASE + PATH), 14 * DAY_MS)
    assert cut is not None and len(cut.about) == 20 and (cut.more, cut.expired) == (13, True)
    one = made().url(people, [notice("grade-drop-" + "0f" * 10)], 0).removeprefix(BASE)
    assert len(one) == len(PATH) + 47 and one[-1] == "A", one
    assert made().url(other, notices[:1], 0) != made().url(people, notices[:1], 0)
    # Nothing to acknowledge, nobody to do it, a review of other departments.
    assert made().url(people, [notices[33]], 0) == made().url(people, [], 0) == ""
    system = msgspec.structs.replace(people, mode="system")
    assert made().url(system, notices, 0) == made().url(people, [notices[34]], 0) == ""
    # Every rule has a mark of its own.
    assert len(answer_link._RULES) == len(TITLES) + 1


def lettered(count: int, *, base: str = BASE, language: str = "zh") -> tuple[Letter, list[Notice]]:
    people = msgspec.structs.replace(PEOPLE[MARKET], language=language)
    notices = [notice(f"grade-drop-{n:020x}", departments=[MARKET]) for n in range(count)]
    entries = [entry(n, Reason.FIRST, ITEMS, base, OFFSET_MS, 0) for n in notices]
    settings = channels_.channels(None, {})
    delivery = msgspec.structs.replace(settings.delivery, base_url=base)
    made_ = links(load.policy(), Channels(delivery, [], AnswerSettings(True, KEY, 14)))
    assert made_ is not None
    return msgspec.structs.replace(
        letter(people, entries, 0, base), answer=made_.url(people, notices, 0),
        short=made_.url(people, notices, 0, most=SHORT_MAX)), notices


@pytest.mark.parametrize("count", [1, 2, 20, 40])
@pytest.mark.parametrize("language", ["zh", "en", "both"])
def test_where_the_link_stands(count: int, language: str) -> None:
    x, notices = lettered(count, language=language)
    for text, size, limit in (
            (render.email(x)[1], render.utf8, 100_000),
            (render.wecom_markdown(x), render.utf8, 4_096),
            (render.wecom_text(x), render.utf8, 2_048), (str(render.dingtalk(x)), render.utf8, 0),
            (str(render.feishu(x)), render.utf8, 0)):
        assert x.answer in text and ("免登录" in text or "no login" in text)
        assert not limit or size(text) <= limit
    assert "/a/" not in str(event(x)), "systems have their own way"
    text = render.sms(x)
    assert x.short in text and x.link not in text and render.segments(text) <= 3
    assert ("依据" in text or "evidence" in text) and len(text) - len(x.short) >= 40
    claim = made().read(x.short.rpartition("/")[2], 0)
    assert claim is not None and claim.about == tuple(n.id for n in notices[:3])
    assert claim.more == max(count - 3, 0)
    found = re.findall(r"https?://[A-Za-z0-9_/.:-]*[A-Za-z0-9]", text)
    assert found == [x.short], "a phone takes no mark at the end for a part of the link"


def test_a_short_message_without_room_for_it_has_the_plain_link() -> None:
    x, _ = lettered(3, base="https://" + "x" * 100)
    assert x.link in render.sms(x) and x.short not in render.sms(x)
    one, _ = lettered(1)
    assert one.link in render.sms(one, 1) and render.segments(render.sms(one, 1)) == 1


def test_the_desk_writes_it_into_letters() -> None:
    """A letter of one alert and one of several, as the dispatcher makes them."""
    people = Fake("scjg")
    world = World(people)
    mine = Links(KEY, BASE, 14, {r.id: r for r in POLICY.receivers})
    world.dispatcher.desk.links = mine
    world.take(notice())
    world.take(*(notice(f"grade-drop-{n:020x}", seq=n + 2, subject="91500106MA5U00018H",
                        level="red" if n == 4 else "orange") for n in range(5)))
    claims = [[mine.read(url.rpartition("/")[2], world.now) for url in (x.answer, x.short)]
              for x in people.letters]
    assert [[(c and len(c.about), c and c.more) for c in of] for of in claims] == [
        [(1, 0), (1, 0)], [(5, 0), (3, 2)]]
    weightiest = claims[1][1]
    assert weightiest is not None and weightiest.about[0] == f"grade-drop-{4:020x}"
    assert all(x.answer in render.email(x)[1] for x in people.letters)


def test_the_key_is_a_secret_of_the_environment(tmp_path: Path) -> None:
    text = channels_.CHANNELS.read_text("utf-8")
    file = tmp_path / "channels.toml"
    file.write_text(text.replace("[answers]                     # signed links in messages to "
                                 "people: answered without a login\nenabled = false",
                                 "[answers]\nenabled = true"), "utf-8")
    with pytest.raises(ConfigError, match="XINFENG_ANSWER_KEY is not set"):
        channels_.channels(file, {})
    with pytest.raises(ConfigError, match="at least 32 characters"):
        channels_.channels(file, {"XINFENG_ANSWER_KEY": "short"})
    assert channels_.channels(file, {"XINFENG_ANSWER_KEY": KEY}).answers.key == KEY
    assert channels_.channels(None, {}).answers.enabled is False
