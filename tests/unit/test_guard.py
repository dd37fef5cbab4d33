"""Goal: nothing is posted to where it should not go, by name, address or answer of a resolver.

Method: URLs and made-up resolvers; then a real server that would be reached by a redirect.
"""

from __future__ import annotations

import pytest

from bench.receivers import Behaviour, Receivers
from dispatch.guard import Refused, is_public, target
from dispatch.post import Poster, Unreachable

HOSTS = ("hook.example.cn", "127.0.0.1", "::1")
PUBLIC = "93.184.216.34"


def ask(url: str, *, private: bool = False, found: tuple[str, ...] = (PUBLIC,)) -> str:
    return target(url, HOSTS, private=private, resolver=lambda host, port: found).address


@pytest.mark.parametrize("address", [
    "127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "0.0.0.0",
    "100.64.0.1", "224.0.0.1", "::1", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::",
    "2002:7f00:1::", "64:ff9b::7f00:1", "::ffff:10.0.0.1", "fe80::1%eth0", "fec0::1",
    "64:ff9b:1::a00:1", "192.0.0.8", "3fff::1", "nonsense"])
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(Refused):
        ask("https://hook.example.cn/x", found=(address,))
    # One bad answer among good ones spoils them all.
    with pytest.raises(Refused):
        ask("https://hook.example.cn/x", found=(PUBLIC, address))


@pytest.mark.parametrize("url", [
    "https://other.example.cn/x", "http://hook.example.cn/x", "ftp://hook.example.cn/x",
    "https://user:pw@hook.example.cn/x", "https://hook.example.cn.evil.cn/x", "https:///x",
    "https://hook.example.cn:99999/x", "https://hook.example.cn@evil.cn/", "file:///etc/passwd",
    "https://0x7f000001/"])
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(Refused):
        ask(url)


def test_what_may_pass() -> None:
    assert ask("https://hook.example.cn/x?y=1") == PUBLIC
    assert ask("http://127.0.0.1:9000/x", private=True, found=("127.0.0.1",)) == "127.0.0.1"
    with pytest.raises(Refused):
        ask("http://127.0.0.1/x", private=True, found=("169.254.169.254",))


def test_the_checked_address_is_the_one_connected_to() -> None:
    """A resolver that would answer otherwise the next time gets no second question."""
    asked = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.9.9.9"]

    with Receivers({"r": Behaviour()}) as server:
        poster = Poster(["hook.example.cn"], 5.0, resolver=resolver)
        answer = poster.post(f"http://hook.example.cn:{server.port}/robot/send?access_token=r",
                             b"{}", {}, private=True)
        assert answer.status == 200 and asked == ["hook.example.cn"]


def test_a_redirect_is_not_followed() -> None:
    with Receivers() as inner, Receivers({
            "r": Behaviour(status=302, location=f"http://127.0.0.1:{inner.port}/robot/send")}) as s:
        poster = Poster(["127.0.0.1"], 5.0)
        with_sign = f"http://127.0.0.1:{s.port}/cgi-bin/webhook/send?key=r"
        body = b'{"msgtype":"text","text":{"content":"x"}}'
        assert poster.post(with_sign, body, {}, private=True).status == 302
        assert inner.names == {}


def test_nobody_there_and_nobody_answering() -> None:
    poster = Poster(["127.0.0.1"], 0.3)
    with pytest.raises(Unreachable):
        poster.post("http://127.0.0.1:9/x", b"", {}, private=True)
    with Receivers({"r": Behaviour(hang=1.0)}) as s, pytest.raises(Unreachable):
        poster.post(f"http://127.0.0.1:{s.port}/cgi-bin/webhook/send?key=r",
                    b'{"msgtype":"text","text":{"content":"x"}}', {}, private=True)
