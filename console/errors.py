"""Where errors become answers: a page for people's browsers, problem details for programs.

A page is in the visitor's language. `detail` of problem details is English, or Chinese where
`Accept-Language` prefers it.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from console.problems import Problem, response
from console.refusals import chinese, parameters

Page = Callable[[Request, int, str, str], Response]
"""(request, status, Chinese, English) -> the page that says so."""


def install(app: FastAPI, page: Page) -> None:
    """Answer every error of `app`."""

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer(request, error, page)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # The value is left out: it may be anything, and the client has it.
        errors = [{"field": ".".join(map(str, each["loc"])), "message": each["msg"]}
                  for each in error.errors()]
        english = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
        problem = Problem(422, "invalid-parameter", english, zh=parameters(list(error.errors())),
                          errors=errors)
        return answer(request, problem, page)

    async def bug(request: Request, _error: Exception) -> Response:
        # Says nothing of what happened: the server's log has the trace.
        problem = Problem(500, "internal", "the service failed; its log says why")
        return answer(request, problem, page)

    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(Exception, bug)


def answer(request: Request, error: HTTPException, page: Page) -> Response:
    """The page or the problem details of an error."""
    path = request.url.path
    zh = chinese(error, path)
    if not path.startswith("/api/v1/") and "text/html" in request.headers.get("accept", ""):
        return page(request, error.status_code, zh, str(error.detail))
    slug = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    detail, extra = f"{path}: {error.detail}", {}
    if isinstance(error, Problem):
        slug, detail, extra = error.slug, error.detail, error.extra
    headers = {**(error.headers or {}), "vary": "accept-language"}
    if prefers_chinese(request.headers.get("accept-language", "")):
        detail, headers["content-language"] = zh, "zh-CN"
    return response(error.status_code, slug, detail, headers, **extra)


def prefers_chinese(accepted: str) -> bool:
    """Whether an `Accept-Language` wants Chinese before English.

    Examples
    --------
    >>> prefers_chinese("zh-CN,zh;q=0.9,en;q=0.8"), prefers_chinese("en, zh;q=0.5")
    (True, False)
    >>> prefers_chinese("*"), prefers_chinese("")
    (False, False)
    """
    weights = {"zh": 0.0, "en": 0.0}
    for part in accepted.split(","):
        name, _, weight = part.strip().lower().partition(";q=")
        try:
            q = float(weight or 1)
        except ValueError:
            continue
        language = name.partition("-")[0]
        if language in weights:
            weights[language] = max(weights[language], q)
    return weights["zh"] > weights["en"]
