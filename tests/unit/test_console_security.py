"""Goal: only those who may, get in. Method: every route with and without each credential."""

from __future__ import annotations

import json

import pytest
from console_fake import SUBJECT, FakeService, an_alert, event
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from console.app import create_app
from console.receipts import PATH as RECEIPTS
from console.security import ANSWERS, OPEN, local_path

TOKEN = "长而秘密-token"
BEARER = {"authorization": b"Bearer " + TOKEN.encode()}


def a_client(token: str | None = None, hosts: tuple[str, ...] | None = None) -> TestClient:
    service = FakeService()
    service.put(an_alert(1))
    app = create_app(service, token=token, **({"allow_hosts": hosts} if hosts else {}))  # type: ignore[arg-type]
    return TestClient(app, "http://localhost", follow_redirects=False)


def test_every_route_wants_the_token() -> None:
    client = a_client("secret")
    routes = list(client.app.routes)  # type: ignore[attr-defined]
    for route in list(routes):  # a router that was included stands here as one entry
        routes += route.original_router.routes if hasattr(route, "original_router") else []
    paths = {
        (r.path, method) for r in routes if isinstance(r, APIRoute) for method in r.methods or ()
    }
    paths |= {("/api/openapi.json", "GET"), ("/static/console.js", "GET"), ("/nothing", "GET")}
    assert len(paths) > 15
    for path, method in paths:
        if path in OPEN or path.startswith((RECEIPTS, ANSWERS)):  # those want a signature
            continue
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"cookie": "xinfeng_session=secret"},
            {"authorization": "Basic secret"},
            {"authorization": "Bearer"},
        ):
            response = client.request(method, path, headers=headers)
            assert response.status_code == 401, (method, path)
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.headers["content-type"] == "application/problem+json"
    assert client.get("/healthz").status_code == 200
    assert client.get("/", headers={"authorization": "bearer secret"}).status_code == 200


def test_a_browser_logs_in_by_link_or_form_and_out() -> None:
    client = a_client("secret")
    html = {"accept": "text/html"}
    sent_away = client.get(f"/subjects/{SUBJECT}", headers=html)
    assert sent_away.headers["location"] == f"/login?next=/subjects/{SUBJECT}"
    assert client.get("/login?token=wrong").status_code == 401
    form = {"token": "secret", "next": "/reviews"}
    for by_form in (False, True):
        entered = client.post("/login", data=form) if by_form else client.get("/login?token=secret")
        assert entered.status_code == 303
        assert "secret" not in entered.headers["set-cookie"].replace("secure", "")
        assert "HttpOnly" in entered.headers["set-cookie"]
        assert client.get("/", headers=html).status_code == 200
        client.post("/logout")
        assert client.get("/", headers=html).status_code == 303


def test_an_empty_token_refuses_to_start() -> None:
    with pytest.raises(ValueError, match="token"):
        create_app(FakeService(), token=" ")


def test_the_token_may_be_any_text() -> None:
    assert a_client(TOKEN).get("/login", params={"token": TOKEN}).status_code == 303


@pytest.mark.parametrize(
    "path", ["//evil.cn", "https://evil.cn", "/\\evil.cn", "javascript:x", "", "/\nx", "/a\tb"]
)
def test_login_leads_only_home(path: str) -> None:
    assert local_path(path) == "/"


def test_foreign_hosts_are_turned_away() -> None:
    client = a_client()
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"):
        assert client.get("/api/v1/summary", headers={"host": host}).status_code == 200, host
    for host in ("evil.cn", "localhost.evil.cn", "127.0.0.1.evil.cn:80", ""):
        assert client.get("/api/v1/summary", headers={"host": host}).status_code == 421, host
    assert client.get("/healthz", headers={"host": "10.0.0.7"}).status_code == 200
    named = a_client(hosts=("xinfeng.example.cn",))
    assert named.get("/", headers={"host": "xinfeng.example.cn"}).status_code == 200
    assert named.get("/", headers={"host": "localhost"}).status_code == 421
    assert a_client(hosts=("*",)).get("/", headers={"host": "any"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"origin": "http://localhost"}, 202),
        ({"origin": "https://localhost"}, 202),
        ({"sec-fetch-site": "same-origin", "origin": "http://localhost"}, 202),
        ({"sec-fetch-site": "none"}, 202),
        ({"origin": "http://evil.cn"}, 403),
        ({"origin": "http://localhost:8080"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[evil"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_pages_of_others_cannot_act(headers: dict[str, str], status: int) -> None:
    headers = headers | {"content-type": "application/json"}
    body = json.dumps(event()).encode()
    response = a_client().post("/api/v1/events", content=body, headers=headers)
    assert response.status_code == status


def test_browsers_are_told_what_they_may() -> None:
    client = a_client()
    for path in ("/", "/api/v1/summary", "/static/console.js", "/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert client.get("/").headers["cache-control"] == "no-store"
