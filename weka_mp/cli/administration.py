"""Reaches who administrates users, policies and credentials: the service of a store over its socket, a
service over the network, or the store itself when no service runs on it.

All three are asked in the same words (a method, a path and a body of the administration API).
"""

from __future__ import annotations

import ipaddress
import logging
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import click

from weka_mp.cli import kept_login
from weka_mp.cli.refusals import Refusal, ServiceUnreachable
from weka_mp.cli.secret_input import read_secret
from weka_mp.cli.services import find_service, store_id_of
from weka_mp.cli.settings import store_of
from weka_mp.cli.stopped import stopped_store
from weka_mp.control import identity_routes
from weka_mp.control.client import AdminClient, Refused, Unreachable
from weka_mp.control.desk import Desk, Question
from weka_mp.identity.errors import IdentityError
from weka_mp.supervise import places
from weka_mp.supervise.checks import check_store
from weka_mp.supervise.credentials import CredentialsError, root_credentials
from weka_mp.supervise.identities import open_desk, root_keys

__all__ = ["Session", "Where", "login_path", "place", "session", "where_options", "whereabouts"]

Command = TypeVar("Command", bound=Callable[..., Any])
_Send = Callable[[str, str, Mapping[str, object], str], Mapping[str, Any]]
"""(method, path, body, authorization) → the answer. Raises Refused, Unreachable."""

_DEFAULT_PORT = 14000
_USER, _PASSWORD, _TOKEN = "WEKA_MP_USERNAME", "WEKA_MP_PASSWORD", "WEKA_MP_TOKEN"
_CACERT = "WEKA_MP_CACERT"
_HTTPS = "https://"
_ANEW = f"log in anew: weka-mp user login, {_USER} and {_PASSWORD}, or another {_TOKEN}"
_HINTS = {
    "LoginRefused": "check the name and the password",
    "TokenRefused": _ANEW,
    "CredentialExpired": _ANEW,
    "NotAllowed": f"{_USER} and {_PASSWORD} say who asks",
    "MalformedPolicy": "docs/POLICIES.md says what a policy may hold",
}


@dataclass(frozen=True, slots=True)
class Where:
    """What the command was told of it: a store, or a host and a port; `cacert`: who vouches for that host."""

    store: str | None
    host: str | None
    port: int | None
    cacert: str | None = None


def where_options(command: Command) -> Command:
    """Give a command ``--store -H -P --cacert``; it gets them as the argument `where`."""

    def collect(**given: Any) -> Any:
        named = [given.pop(name) for name in ("store", "host", "port", "cacert")]
        return command(where=Where(*named), **given)

    collect.__doc__ = command.__doc__
    decorated: Any = collect
    for option in (
        click.option(
            "--cacert", metavar="FILE", envvar=_CACERT,
            help=f"Speak TLS, and trust the certificates in this file alone. [{_CACERT}]",
        ),
        click.option(
            "-P", "--PORT", "port", type=click.IntRange(1, 65535), help="Its port.  [default: 14000]"
        ),
        click.option(
            "-H", "--HOST", "host", metavar="HOST",
            help=f"Ask the service at this address, as {_USER} with {_PASSWORD}; https://HOST with TLS.",
        ),
        click.option("--store", metavar="STORE", help="The store. [WEKA_MP_STORE]"),
    ):
        decorated = option(decorated)
    decorated.__click_params__ += getattr(command, "__click_params__", [])
    chosen: Command = decorated
    return chosen


def place(*parts: str) -> str:
    """A path of the administration API."""
    return identity_routes.PREFIX + "".join(f"/{quote(part, safe='')}" for part in parts)


class Session:
    """One command's way to the administration, as whoever it logged in as."""

    def __init__(self, send: _Send, authorization: str = "") -> None:
        self._send = send
        self._authorization = authorization

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        missing: str = "",
        file: str | None = None,
    ) -> Any:
        """What was answered. `missing`: what to do when something named is not there; `file`: where the
        body's policy was read. Raises Refusal.
        """
        try:
            answer = self._send(method, path, body or {}, self._authorization)
        except Refused as error:
            hint = missing if error.code == "NoSuchEntity" else _HINTS.get(error.code, "")
            read_from = f"{file}: " if file is not None and error.code == "MalformedPolicy" else ""
            raise Refusal(f"{read_from}{error}" + (f" ({hint})" if hint else "")) from None
        except Unreachable as error:
            raise ServiceUnreachable(
                f"{error} (does the service run, with --admin at this address?)"
            ) from None
        if "data" not in answer:
            raise Refusal("what answers there is no administration of weka_mp: check the host and the port")
        return answer["data"]

    def logged_in(self, user: str, password: str) -> Session:
        """The same as this user. Raises Refusal."""
        answer = self.ask("POST", place("login"), {"username": user, "password": password})
        return Session(self._send, f"Bearer {answer['access_token']}")

    def renewed(self, refresh_token: str) -> Session:
        """The same as whoever was given the token. Raises Refusal."""
        answer = self.ask("POST", place("login", "refresh"), {"refresh_token": refresh_token})
        return Session(self._send, f"Bearer {answer['access_token']}")


@contextmanager
def session(where: Where, *, anonymous: bool = False) -> Iterator[Session]:
    """As the user of WEKA_MP_TOKEN or WEKA_MP_USERNAME, else who logged in here, else as whom the socket or
    the store vouches for.

    anonymous: nobody logs in, since what is asked carries its own proof. Raises Refusal.
    """
    with _opened(where) as send:
        reached = Session(send)
        yield reached if anonymous else _identified(reached, where)


def _is_remote(where: Where) -> bool:
    return where.host is not None or where.port is not None


def whereabouts(where: Where) -> str:
    """What a kept login is for: an address, or a store by its id. Raises Refusal."""
    if _is_remote(where):
        named = where.host or "127.0.0.1"
        return f"{named.removeprefix('http://').rstrip('/')}:{where.port or _DEFAULT_PORT}"
    return f"store {store_id_of(store_of(click.get_current_context(), where.store))}"


def login_path() -> str:
    """Of the file of `weka-mp user login`: WEKA_MP_TOKEN may name it."""
    named = os.environ.get(_TOKEN, "")
    return named if os.path.isabs(named) else kept_login.default_path(os.environ)


def _identified(reached: Session, where: Where) -> Session:
    token, user = os.environ.get(_TOKEN), os.environ.get(_USER)
    if token and not os.path.isabs(token):
        return Session(reached._send, f"Bearer {token}")
    if user:
        password = os.environ.get(_PASSWORD)
        return reached.logged_in(user, password or read_secret(None, f"Password of {user}"))
    refresh_token = kept_login.kept(login_path(), whereabouts(where))
    if refresh_token is not None:
        return reached.renewed(refresh_token)
    if _is_remote(where):
        raise Refusal(f"who are you? set {_USER} and {_PASSWORD}, or {_TOKEN}")
    return reached


@contextmanager
def _opened(where: Where) -> Iterator[_Send]:
    if _is_remote(where):
        if where.store is not None:
            raise click.UsageError("give --store, or -H and -P, not both")
        yield partial(_send_to, _remote(where))
        return
    store = store_of(click.get_current_context(), where.store)
    client = find_service(store)
    if client is not None:
        yield partial(_send_to, client)
        return
    # What the desk logs the command says itself, in one line.
    logging.getLogger("weka_mp.control").addHandler(logging.NullHandler())
    with stopped_store(store) as namespace:
        state = places.state_directory(namespace.store_id, os.environ, os.geteuid())
        try:
            root = root_keys(root_credentials(state, os.environ))
            desk = open_desk(namespace, check_store(store), state, root)
        except (IdentityError, CredentialsError) as error:
            raise Refusal(str(error)) from error
        try:
            yield partial(_put_to, desk)
        finally:
            desk.close()


def _remote(where: Where) -> AdminClient:
    """A client of another address. With TLS it is sure whom it speaks to, or does not speak."""
    named = where.host or "127.0.0.1"
    host, port = named.removeprefix(_HTTPS).removeprefix("http://").rstrip("/"), where.port or _DEFAULT_PORT
    if where.cacert is None and not named.startswith(_HTTPS):
        _warn_of_plain_text(host)
        return AdminClient((host, port))
    try:
        tls = ssl.create_default_context(cafile=where.cacert)
    except OSError as error:
        raise Refusal(f"{where.cacert}: {getattr(error, 'reason', None) or error.strerror}") from error
    return AdminClient((host, port), tls=tls)


def _send_to(
    client: AdminClient, method: str, path: str, body: Mapping[str, object], authorization: str
) -> Mapping[str, Any]:
    return client.request(method, path, dict(body), authorization=authorization)


def _put_to(
    desk: Desk, method: str, path: str, body: Mapping[str, object], authorization: str
) -> Mapping[str, Any]:
    question = Question(method, unquote(path), body, authorization, trusted=True)
    found = identity_routes.find(method, question.path)
    if found is None:
        raise Refused("no such path")
    answer = identity_routes.answer(desk, question, *found)
    if answer.status >= 400:
        raise Refused(str(answer.content["error"]), str(answer.content["code"]))
    return answer.content


def _warn_of_plain_text(host: str) -> None:
    try:
        safe = ipaddress.ip_address(host).is_loopback
    except ValueError:
        safe = host == "localhost"
    if not safe:
        click.echo(
            f"weka-mp: passwords and tokens go to {host} unencrypted: use -H https://{host} or a tunnel"
            " where others listen",
            err=True,
        )
