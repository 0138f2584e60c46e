"""The HTTP face: routes, errors, metrics of requests. The one file that knows the web framework."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import health
from api.answers import PROBLEM_TYPE, Fault, Liveness, Problem, Readiness, RuleList, ShownRule, ViolationPage, problem_body
from api.document_page import document_page
from api.feed import FeedSource
from api.listing import BadCursorError, Place, ViolationQuery, read_cursor, write_cursor
from api.metrics import CONTENT_TYPE, ApiMetrics, States
from api.rule_files import LoadedRules, RuleFiles
from api.settings import ApiSettings, is_loopback
from api.view import View, ViewError
from topics.violation import Violation, canonical_json

LOG = logging.getLogger("betrace.api")
JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
DESCRIPTION = "Violations of rules over OpenTelemetry traces, and the rules. Every error is a problem of RFC 9457."


@dataclass(frozen=True, eq=False, slots=True)
class Parts:
    """What the routes answer from. `feed` None: nobody reads the topic, as in a test of routes; `rules` None: no directory was given."""

    view: View
    feed: FeedSource | None
    rules: RuleFiles | None
    metrics: ApiMetrics


class ProblemError(Exception):
    """A request that cannot be answered, with the problem to say."""

    def __init__(self, status: HTTPStatus, detail: str, kind: str = "", **members: Any) -> None:  # noqa: ANN401  # members of Problem
        super().__init__(detail)
        self.status, self.detail, self.kind, self.members = status, detail, kind, members


def create_app(settings: ApiSettings, parts: Parts) -> FastAPI:
    """Return the application over these parts; whoever made the parts starts and closes them."""
    app = FastAPI(
        title="BeTrace",
        version="1",
        description=DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # 422 by name, for the framework would describe its own shape there.
        responses={"default": {"model": Problem, "description": "A problem"}, 422: {"model": Problem, "description": "A wrong request"}},
    )
    parts.metrics.watch(States(parts.view, parts.feed, parts.rules))
    app.include_router(_violation_routes(parts))
    app.include_router(_rule_routes(parts))
    app.include_router(_state_routes(settings, parts))
    _say_problems(app)
    app.add_middleware(_Edge, metrics=parts.metrics)
    document = _described(app.openapi())
    app.openapi = lambda: document  # type: ignore[method-assign]  # the framework's own way to change the document
    _show_document(app, document)
    return app


def _described(document: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI document with the media type that problems have."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for code, answer in operation["responses"].items():
                if code != "200":
                    answer["content"] = {PROBLEM_JSON: answer["content"][JSON]}
    return document


def _show_document(app: FastAPI, document: dict[str, Any]) -> None:
    page = document_page(document)

    @app.get("/docs", include_in_schema=False)
    def docs() -> Response:
        return HTMLResponse(page.html, headers={"content-security-policy": page.policy})


# ---- routes -------------------------------------------------------------------------------------------------------------------------


def _violation_routes(parts: Parts) -> APIRouter:
    router = APIRouter(tags=["violations"])

    @router.get("/v1/violations", response_model=ViolationPage, summary="List violations, newest first")
    def list_violations(query: Annotated[ViolationQuery, Query()]) -> Response:
        page = parts.view.page(query, query.limit, _place(query))
        following = b"null" if page.next is None else canonical_json(write_cursor(page.next, query))
        return Response(b'{"items":[' + b",".join(page.bodies) + b'],"next":' + following + b"}", media_type=JSON)

    @router.get("/v1/violations/{violation_id}", response_model=Violation, summary="Get a violation, withdrawn ones too")
    def get_violation(violation_id: Annotated[str, Path(description="Id of the violation: 32 hex digits.")]) -> Response:
        body = parts.view.get(violation_id)
        if body is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "there is no violation of this id", "unknown-violation")
        return Response(body, media_type=JSON)

    return router


def _rule_routes(parts: Parts) -> APIRouter:
    router = APIRouter(tags=["rules"])

    @router.get("/v1/rules", summary="List the rules with their text and diagnostics")
    def list_rules() -> RuleList:
        return RuleList.of(_rules(parts))

    @router.get("/v1/rules/{rule_id}", summary="Get a rule")
    def get_rule(rule_id: str) -> ShownRule:
        loaded = _rules(parts)
        rule = loaded.find(rule_id)
        if rule is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "there is no rule of this id", "unknown-rule")
        return ShownRule.of(rule, loaded.diagnostics_by_rule().get(rule.id, ()))

    return router


def _state_routes(settings: ApiSettings, parts: Parts) -> APIRouter:
    router = APIRouter(tags=["state"])

    @router.get("/healthz", summary="Is the process alive?")
    def healthz() -> Liveness:
        if parts.feed is not None and not parts.feed.feed().is_running:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "nobody reads the topic any more", "not-alive")
        return Liveness(status=health.CheckState.OK)

    @router.get("/readyz", summary="Can the service do its work?")
    def readyz() -> Readiness:
        checks = _checks(settings, parts)
        if not health.is_ready(checks):
            failed = [check for check in checks if check.state is health.CheckState.FAILED]
            detail = "; ".join(f"{check.name}: {check.reason}" for check in failed)
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, "not-ready", checks=checks)
        degraded = any(check.state is health.CheckState.DEGRADED for check in checks)
        return Readiness(status=health.CheckState.DEGRADED if degraded else health.CheckState.OK, checks=checks)

    @router.get("/metrics", summary="Metrics in Prometheus' text format", response_class=Response)
    def metrics() -> Response:
        return Response(parts.metrics.text(), headers={"content-type": CONTENT_TYPE})

    return router


def _place(query: ViolationQuery) -> Place | None:
    try:
        return None if query.cursor is None else read_cursor(query.cursor, query)
    except BadCursorError as error:
        fault = Fault(place="query.cursor", detail=str(error))
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), "bad-cursor", errors=(fault,)) from error


def _rules(parts: Parts) -> LoadedRules:
    if parts.rules is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "the service was started without rules", "no-rules")
    return parts.rules.current()


def _checks(settings: ApiSettings, parts: Parts) -> tuple[health.Check, ...]:
    checks = [health.check_view(parts.view)]
    if parts.feed is not None:
        feed = parts.feed.feed()
        checks += [health.check_topic(feed), health.check_lag(feed, settings.lag_records_max)]
    if parts.rules is not None:
        checks.append(health.check_rules(parts.rules.current()))
    return tuple(checks)


# ---- errors -------------------------------------------------------------------------------------------------------------------------


def _say_problems(app: FastAPI) -> None:
    handlers: dict[type[Exception], Callable[[Request, Any], Awaitable[Response]]] = {
        ProblemError: _on_problem,
        HTTPException: _on_http,
        RequestValidationError: _on_invalid,
        ViewError: _on_view,
        Exception: _on_bug,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _on_problem(request: Request, error: ProblemError) -> Response:
    return _problem(request, error.status, error.detail, error.kind, **error.members)


async def _on_http(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    detail = {
        HTTPStatus.NOT_FOUND: "there is nothing at this path",
        HTTPStatus.METHOD_NOT_ALLOWED: "this path does not know the method",
    }.get(status, str(error.detail))
    return _problem(request, status, detail, headers=error.headers)


async def _on_invalid(request: Request, error: RequestValidationError) -> Response:
    faults = tuple(Fault(place=".".join(map(str, it["loc"])), detail=str(it["msg"])) for it in error.errors())
    detail = "; ".join(f"{fault.place}: {fault.detail}" for fault in faults[:3])
    return _problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail, "bad-request", errors=faults)


async def _on_view(request: Request, error: ViewError) -> Response:
    LOG.error("%s", error)
    return _problem(request, HTTPStatus.SERVICE_UNAVAILABLE, "the view does not answer; /readyz says why", "view-down")


async def _on_bug(request: Request, _error: Exception) -> Response:
    return _problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, "an error of the service itself; its log says more")


def _problem(
    request: Request,
    status: HTTPStatus,
    detail: str,
    kind: str = "",
    headers: Mapping[str, str] | None = None,
    **members: Any,  # noqa: ANN401  # members of Problem
) -> Response:
    named = PROBLEM_TYPE + kind if kind else "about:blank"
    problem = Problem(type=named, title=status.phrase, status=status, detail=detail, instance=request.url.path, **members)
    return Response(canonical_json(problem_body(problem)), status, headers, PROBLEM_JSON)


# ---- the edge -----------------------------------------------------------------------------------------------------------------------


class _Edge:
    """Counts every answer, and answers only to names of this machine.

    The service knows no users yet: without the second, any web page could read it through a name that it points at 127.0.0.1.
    """

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def count(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        app = self._app if _is_ours(scope) else _misdirected
        try:
            await app(scope, receive, count)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.answered(scope["method"], route, status, time.perf_counter() - began)


def _is_ours(scope: Scope) -> bool:
    host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return is_loopback(name)


async def _misdirected(scope: Scope, receive: Receive, send: Send) -> None:
    detail = "ask for 127.0.0.1, [::1] or localhost: the service answers to this machine only"
    await _problem(Request(scope), HTTPStatus.MISDIRECTED_REQUEST, detail, "not-loopback")(scope, receive, send)
