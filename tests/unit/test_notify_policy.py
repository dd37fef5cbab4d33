"""Goal: the shipped policy of notification and the shipped channels load, and wrong ones do not.

Method: the files as they are; then one wrong key or value at a time, with the words of the refusal.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from notify_world import POLICY

from config import load, notify
from config.channels import channels
from config.load import ConfigError
from models.notify_policy import Mute, Receiver, Step, problems

ROOT = Path(__file__).parents[2]
HOOK = '''
[[channel]]
receiver = "fgw"
kind = "webhook"
url = "https://one.example.cn/x?k=${A_KEY}"
secret = "${A_SECRET}"
enabled = true
'''
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5"


def test_every_department_of_the_catalogue_has_a_receiver() -> None:
    departments = {row["department"] for row in load.items()}
    made = notify.notify(departments=departments)
    assert {r.department for r in made.receivers if r.role == "department"} == departments


@pytest.mark.parametrize(("change", "words"), [
    ({"work": {"from_min": 600, "to_min": 600}}, "work.to_min"),
    ({"escalate": {"blue": [Step(60, ("centre",)), Step(60, ("joint",))]}}, "must rise"),
    ({"quiet": {"from_min": 0, "to_min": 1_440}}, "quiet.to_min=1440"),
    ({"escalate": {"red": [Step(0, ("centre",))]}}, "above 0"),
    ({"inhibit": {"rules": (Mute("a", ("b",)), Mute("b", ("a",)))}}, "mute itself"),
    ({"receivers": (Receiver("a", "A", "department", "x"),)}, "role `centre`"),
    ({"receivers": (*POLICY.receivers, POLICY.receivers[0])}, "unique"),
    ({"receivers": (*POLICY.receivers, Receiver("o", "O", "office", "x"))}, "district"),
    ({"receivers": (*POLICY.receivers, Receiver("o", "O", "department", "x"))}, "not in the items"),
])
def test_a_contradiction_is_named(change: dict[str, object], words: str) -> None:
    made = POLICY
    for name, value in change.items():
        if isinstance(value, dict):
            value = msgspec.structs.replace(getattr(made, name), **{
                k: tuple(v) if isinstance(v, list) else v for k, v in value.items()})
        made = msgspec.structs.replace(made, **{name: value})
    known = {row["department"] for row in load.items()}
    found = problems(made, known)
    assert found is not None and words in found


@pytest.mark.parametrize(("old", "new", "words"), [
    ("resolved = true", "resolved = 3", "resolved=3"),
    ("[storm]", "[storm]\nmore = 1", "storm.more: unknown key"),
    ("messages_max = 20 ", "# ", "storm.messages_max: missing key"),
    ('levels = ["blue", "yellow"]', 'levels = ["red"]', "quiet.levels"),
])
def test_a_wrong_key_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = (ROOT / "config/notify.toml").read_text("utf-8")
    assert old in text
    path = tmp_path / "notify.toml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError, match=re.escape(words)):
        notify.notify(path)


def test_the_shipped_channels_are_all_off() -> None:
    assert channels(None, {}).channel == []
    raw = tomllib.loads((ROOT / "config/channels.toml").read_text("utf-8"))
    known = {r.id for r in POLICY.receivers}
    assert raw["channel"] and all(c["receiver"] in known for c in raw["channel"])
    assert {c["kind"] for c in raw["channel"]} >= {"wecom", "dingtalk", "feishu", "email", "sms",
                                                   "webhook", "alertmanager"}


def written(tmp_path: Path, hook: str = HOOK) -> Path:
    text = (ROOT / "config/channels.toml").read_text("utf-8").split("[[channel]]")[0]
    path = tmp_path / "channels.toml"
    path.write_text(text.replace('hosts = [', 'hosts = ["one.example.cn", ') + hook, "utf-8")
    return path


def test_what_is_secret_comes_from_the_environment(tmp_path: Path) -> None:
    made = channels(written(tmp_path), {"A_KEY": "k", "A_SECRET": SECRET}, {"fgw"})
    assert [(c.endpoint, c.url, c.secret) for c in made.channel] == [
        ("fgw/webhook", "https://one.example.cn/x?k=k", SECRET)]


@pytest.mark.parametrize(("hook", "environ", "words"), [
    (HOOK, {"A_KEY": "k"}, "A_SECRET is not set"),
    (HOOK, {"A_KEY": "k", "A_SECRET": "whsec_c2hvcnQ="}, "secret: must be whsec_"),
    (HOOK + HOOK, {"A_KEY": "k", "A_SECRET": SECRET}, "must be named once"),
    (HOOK.replace("one.", "two."), {"A_KEY": "k", "A_SECRET": SECRET}, "must be in delivery.hosts"),
    (HOOK.replace("fgw", "who"), {"A_KEY": "k", "A_SECRET": SECRET}, "not in the catalogue"),
    (HOOK.replace("webhook", "pigeon"), {}, "kind"),
])
def test_a_wrong_channel_is_named(tmp_path: Path, hook: str, environ: dict[str, str],
                                  words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        channels(written(tmp_path, hook), environ, {"fgw"})


def test_every_key_is_explained() -> None:
    text = (ROOT / "docs/notifications.md").read_text("utf-8")
    named = set(re.findall(r"`([^`\n]+)`", text))
    keys = set()
    for file in ("notify.toml", "channels.toml"):
        raw = tomllib.loads((ROOT / "config" / file).read_text("utf-8"))
        for section, value in raw.items():
            rows = value if isinstance(value, list) else [value]
            for row in rows:
                keys |= ({f"{section}.{k}" for k in row} if isinstance(row, dict) else {section})
    assert sorted(keys - named) == []
