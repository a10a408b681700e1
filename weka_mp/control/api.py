"""The routes of the administration API: one table from (method, path) to a handler.

Public routes are served to everyone who reaches a listener; the others only to a caller that the socket
vouches for. Those of `identity_routes` ask who it is themselves.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from weka_mp.control import identity_routes
from weka_mp.control.desk import Question
from weka_mp.control.http import BadRequest, Request, Response, json_response
from weka_mp.control.not_built import NOT_BUILT, refusal
from weka_mp.control.openapi import openapi_document
from weka_mp.control.service import NoSuchJob, Service
from weka_mp.errors import (
    BucketMissing,
    Exists,
    InvalidArgument,
    NotFound,
    OutOfResources,
    StoreUnusable,
)
from weka_mp.observe.metrics import CONTENT_TYPE
from weka_mp.reexport.programs import MissingProgram
from weka_mp.values import BucketName

__all__ = ["ROUTES", "Route", "respond"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """`path` may hold named groups, which the handler gets as keyword arguments."""

    method: str
    path: re.Pattern[str]
    handler: Callable[..., Awaitable[Response]]
    public: bool


async def _live(service: Service, request: Request) -> Response:
    """Whether the process answers."""
    return json_response(HTTPStatus.OK, {"status": "ok"})


async def _ready(service: Service, request: Request) -> Response:
    """Whether every part does its work."""
    health = await service.health()
    status = HTTPStatus.OK if health.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return json_response(
        status, {"status": "ok" if health.ok else "unavailable", "parts": dict(health.parts)}
    )


async def _metrics(service: Service, request: Request) -> Response:
    """Counts for Prometheus, as text."""
    return Response(HTTPStatus.OK, await service.metrics(), CONTENT_TYPE)


async def _openapi(service: Service, request: Request) -> Response:
    """This document."""
    plain = [
        (route.method, route.path.pattern.replace("\\", ""), " ".join((route.handler.__doc__ or "").split()))
        for route in ROUTES
        if route.public
    ]
    return json_response(HTTPStatus.OK, openapi_document(plain, refused=NOT_BUILT))


async def _status(service: Service, request: Request) -> Response:
    return json_response(HTTPStatus.OK, dict(service.status()))


async def _start_fill(service: Service, request: Request) -> Response:
    body = request.json()
    match body:
        case {"bucket": str(bucket)} if set(body) <= {"bucket", "prefix"}:
            prefix = body.get("prefix", "")
            if isinstance(prefix, str):
                job = service.start_fill(BucketName(bucket), prefix.encode("utf-8", "surrogateescape"))
                return json_response(HTTPStatus.ACCEPTED, {"job": job})
    raise BadRequest(HTTPStatus.BAD_REQUEST, "wanted: bucket and, if need be, prefix")


async def _fill_state(service: Service, request: Request, job: str) -> Response:
    return json_response(HTTPStatus.OK, dict(service.fill_state(int(job))))


async def _exports(service: Service, request: Request) -> Response:
    return json_response(HTTPStatus.OK, {"exports": service.reexports("export")})


async def _shares(service: Service, request: Request) -> Response:
    return json_response(HTTPStatus.OK, {"shares": service.reexports("share")})


async def _add_export(service: Service, request: Request) -> Response:
    return json_response(HTTPStatus.CREATED, await service.add_reexport("export", request.json()))


async def _add_share(service: Service, request: Request) -> Response:
    return json_response(HTTPStatus.CREATED, await service.add_reexport("share", request.json()))


async def _remove_export(service: Service, request: Request, which: str) -> Response:
    return json_response(HTTPStatus.OK, await service.remove_reexport("export", which))


async def _remove_share(service: Service, request: Request, which: str) -> Response:
    return json_response(HTTPStatus.OK, await service.remove_reexport("share", which))


ROUTES: Final = (
    Route("GET", re.compile(r"/health/live"), _live, public=True),
    Route("GET", re.compile(r"/health/ready"), _ready, public=True),
    Route("GET", re.compile(r"/metrics"), _metrics, public=True),
    Route("GET", re.compile(r"/api/v2/docs/openapi\.json"), _openapi, public=True),
    Route("GET", re.compile(r"/api/v2/status"), _status, public=False),
    Route("POST", re.compile(r"/api/v2/etag/fill"), _start_fill, public=False),
    Route("GET", re.compile(r"/api/v2/etag/fill/(?P<job>[0-9]{1,12})"), _fill_state, public=False),
    Route("GET", re.compile(r"/api/v2/nfs/exports"), _exports, public=False),
    Route("POST", re.compile(r"/api/v2/nfs/exports"), _add_export, public=False),
    Route("DELETE", re.compile(r"/api/v2/nfs/exports/(?P<which>.{1,256})"), _remove_export, public=False),
    Route("GET", re.compile(r"/api/v2/smb/shares"), _shares, public=False),
    Route("POST", re.compile(r"/api/v2/smb/shares"), _add_share, public=False),
    Route("DELETE", re.compile(r"/api/v2/smb/shares/(?P<which>.{1,256})"), _remove_share, public=False),
)


async def respond(service: Service, request: Request, *, trusted: bool, source: str = "local") -> Response:
    """The answer to one request; failures are answers too. `source`: the client's address."""
    try:
        reason = refusal(_method(request), request.path)
        if reason is not None:
            return _problem(HTTPStatus.NOT_IMPLEMENTED, reason)
        identity = _find_identity(request)
        if identity is not None:
            question = Question(
                _method(request), request.path, _fields(request), request.authorization, source, trusted
            )
            answer = await service.administer(question, *identity)
            return json_response(answer.status, answer.content)
        route, arguments = _find(request)
        if not (trusted or route.public):
            return _problem(HTTPStatus.FORBIDDEN, "served on the admin socket only")
        return await route.handler(service, request, **arguments)
    except BadRequest as error:
        return _problem(error.status, str(error))
    except (BucketMissing, NoSuchJob, NotFound) as error:
        return _problem(HTTPStatus.NOT_FOUND, str(error))
    except InvalidArgument as error:
        return _problem(HTTPStatus.BAD_REQUEST, str(error))
    except Exists as error:
        return _problem(HTTPStatus.CONFLICT, str(error))
    except (MissingProgram, StoreUnusable, OutOfResources) as error:
        return _problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    except Exception:
        log.exception("the administration request %s %s failed", request.method, request.path)
        return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error, see the log")


def _fields(request: Request) -> dict[str, object]:
    """The body's fields, of what has none as a rule those in the address's query too: there a name alone,
    ``true`` and ``false`` are truth values. What is known is for the route to say. Raises BadRequest.
    """
    found = request.json()
    if request.method not in ("DELETE", "GET", "HEAD"):
        return found
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        if name in found:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "a field twice")
        found[name] = {"": True, "true": True, "false": False}.get(value, value)
    return found


def _method(request: Request) -> str:
    return "GET" if request.method == "HEAD" else request.method


def _find_identity(request: Request) -> tuple[identity_routes.IdentityRoute, dict[str, str]] | None:
    try:
        return identity_routes.find(_method(request), request.path)
    except LookupError as error:
        raise BadRequest(HTTPStatus.METHOD_NOT_ALLOWED, str(error)) from None


def _find(request: Request) -> tuple[Route, dict[str, str]]:
    method = _method(request)
    others = False
    for route in ROUTES:
        match = route.path.fullmatch(request.path)
        if match is not None and route.method == method:
            return route, match.groupdict()
        others = others or match is not None
    if others:
        raise BadRequest(HTTPStatus.METHOD_NOT_ALLOWED, "another method is served here")
    raise BadRequest(HTTPStatus.NOT_FOUND, "no such path")


def _problem(status: HTTPStatus, text: str) -> Response:
    return json_response(status, {"error": text})
