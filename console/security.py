"""Who may talk to the console: host, token, origin; and what a browser may do with the answer.

Plain ASGI around the whole application, so that no route can be forgotten and streams pass through
unbuffered.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.errors import Page, answer
from console.problems import Problem
from console.receipts import PATH as RECEIPTS

COOKIE = "xinfeng_session"
ANSWERS = "/a/"
"""Where signed links of messages lead; short, for short messages."""
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""Names a browser may use for a service bound to loopback: any other is DNS rebinding."""

OPEN = frozenset({"/healthz", "/login", "/static/console.css", "/static/icon.svg"})
"""Paths that need no token: the probe, the door, and the looks of the door."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; object-src 'none'; "
    "frame-ancestors 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Middleware that turns away what is not allowed in.

    Parameters
    ----------
    app
        The application inside.
    token
        Secret of the bearers, or None: everybody who reaches the port may read and act.
    hosts
        Values of `Host` that are answered, without port; `"*"` answers all.
    page
        Tells people's browsers what is refused.
    """

    def __init__(self, app: ASGIApp, token: str | None, hosts: Sequence[str], page: Page) -> None:
        self.app = app
        self.page = page
        self.token = token
        self.hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault(
                    "cache-control",
                    "no-cache" if scope["path"].startswith("/static/") else "no-store",
                )
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self.app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, path, method = Headers(scope=scope), str(scope["path"]), str(scope["method"])
        host = headers.get("host", "").lower()
        if path != "/healthz" and "*" not in self.hosts and hostname(host) not in self.hosts:
            return self._refused(scope, Problem(
                421, "host", f"host={host}: must be one of {', '.join(sorted(self.hosts))}",
                host=host,
            ))
        # A receipt proves itself, by the signature of whoever sends it.
        # So does a signed link of a letter.
        is_open = path in OPEN or path.startswith(ANSWERS) or (
            method == "POST" and path.startswith(RECEIPTS))
        if self.token is not None and not is_open and not self._known(headers, self.token):
            if method == "GET" and "text/html" in headers.get("accept", ""):
                return RedirectResponse(f"/login?next={quote(path)}", 303)
            return self._refused(scope, Problem(
                401,
                "token",
                "this needs 'Authorization: Bearer TOKEN' or a login at /login",
                {"www-authenticate": "Bearer"},
            ))
        if method not in _SAFE and not same_origin(headers, host):
            return self._refused(scope, Problem(
                403, "origin", "a page of another origin may not act here (Origin, Sec-Fetch-Site)"
            ))
        return None

    def _refused(self, scope: Scope, problem: Problem) -> Response:
        return answer(Request(scope), problem, self.page)

    @staticmethod
    def _known(headers: Headers, token: str) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return equal(given.strip(), token)
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return equal(cookie, session(token))


def equal(given: str, secret: str) -> bool:
    """Compare in a time that does not depend on where they differ."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), secret.encode("utf-8", "surrogatepass")
    )


def session(token: str) -> str:
    """What the login cookie holds: proof of the token, not the token."""
    return hmac.new(token.encode(), b"xinfeng console session 1", hashlib.sha256).hexdigest()


def hostname(host: str) -> str:
    """`Host` without its port; brackets of an IPv6 address stay."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def same_origin(headers: Headers, host: str) -> bool:
    """Whether a request comes from our own page, or from no browser at all."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return True
    # Only the name and port: a proxy in front may speak https where we speak http.
    return origin.partition("://")[2].lower() == host != ""


def local_path(path: str) -> str:
    """`path` where it leads to our own page, else `/`."""
    ok = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if ok else "/"
