"""An S3 endpoint as a target: path-style requests, signed beforehand, one kept connection a lane."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from defusedxml import ElementTree

from weka_mp.bench.http_lane import Lane
from weka_mp.bench.processes import listeners
from weka_mp.bench.signing import Keys, Signer
from weka_mp.bench.targets import Operation, TargetFailed, body_of
from weka_mp.bench.work import LISTINGS, Parameters, Verb, mixed_steps
from weka_mp.clock import Clock, RandomSource

__all__ = ["Endpoint"]

_METHODS: Final = {Verb.PUT: "PUT", Verb.GET: "GET", Verb.HEAD: "HEAD", Verb.DELETE: "DELETE"}
_NAMESPACE: Final = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class Endpoint:
    """``http://HOST[:PORT]``; makes its own bucket and removes it. Raises TargetFailed for other URLs."""

    kind = "endpoint"

    def __init__(self, name: str, url: str, keys: Keys, region: str, clock: Clock, ids: RandomSource) -> None:
        address = urlsplit(url)
        if address.scheme != "http" or not address.hostname or address.path.strip("/"):
            raise TargetFailed(f"{url}: expected http://HOST[:PORT]")
        self.name = name
        self._host, self._port = address.hostname, address.port or 80
        self._bucket = f"weka-mp-bench-{ids.token(4)}"
        self._signer = Signer(address.netloc, keys, region, clock)
        self._lanes: dict[int, Lane] = {}
        self._opening = threading.Lock()

    def verbs(self) -> frozenset[Verb]:
        return frozenset(Verb) - {Verb.RENAME}

    def pids(self) -> frozenset[int]:
        return listeners(self._port)

    def prepare(self) -> None:
        self._do(0, self._signer.request("PUT", f"/{self._bucket}"))

    def clean(self) -> None:
        """Delete what is left in the bucket, then the bucket; no bucket is fine."""
        lane = self._lane(0)
        try:
            while True:
                status, page = lane.exchange(self._page("", 1000))
                keys = _keys(page)
                if status != 200 or not keys:
                    break
                for key in keys:
                    self._do(0, self._signer.request("DELETE", f"/{self._bucket}/{key}"))
            lane.exchange(self._signer.request("DELETE", f"/{self._bucket}"))
        finally:
            for one in self._lanes.values():
                one.close()
            self._lanes.clear()

    def operations(self, verb: Verb, parameters: Parameters, lane: int) -> Iterable[Operation]:
        if verb is Verb.LIST:
            return self._pages(parameters, lane) if lane == 0 else ()
        if verb in (Verb.PUT_BIG, Verb.GET_BIG):
            return [self._big(verb, parameters, lane)]
        if verb is Verb.MIXED:
            steps = [(step.verb, step.number) for step in mixed_steps(parameters, lane)]
        else:
            steps = [(verb, number) for number in parameters.share(lane)]
        return [self._one(verb, number, parameters.size, lane) for verb, number in steps]

    def _one(self, verb: Verb, number: int, size: int, lane: int) -> Operation:
        body = body_of(size, number) if verb is Verb.PUT else b""
        request = self._signer.request(_METHODS[verb], f"/{self._bucket}/objects/{number:08d}", None, body)
        expected = size if verb is Verb.GET else 0
        return self._checked(lane, request, expected, verb is Verb.HEAD, size if body else expected)

    def _big(self, verb: Verb, parameters: Parameters, lane: int) -> Operation:
        path, size = f"/{self._bucket}/big/{lane}", parameters.big
        if verb is Verb.GET_BIG:
            return self._checked(lane, self._signer.request("GET", path), size, False, size)
        return self._checked(
            lane, self._signer.request("PUT", path, None, body_of(size, lane)), 0, False, size
        )

    def _checked(self, lane: int, request: bytes, length: int, bodyless: bool, moved: int) -> Operation:
        connection = self._lane(lane)

        def operation() -> int:
            status, body = connection.exchange(request, bodyless=bodyless)
            if not 200 <= status < 300 or len(body) != length:
                line = request.partition(b"\r\n")[0].decode()
                raise TargetFailed(f"{self.name}: {line}: {status} and {len(body)} bytes: {body[:200]!r}")
            return moved

        return operation

    def _pages(self, parameters: Parameters, lane: int) -> Iterable[Operation]:
        """Each page is asked for with the token of the one before, until the last; then from the start."""
        token, more = "", False

        def page() -> int:
            nonlocal token, more
            body = self._do(lane, self._page(token, parameters.page))
            at = body.find(b"<NextContinuationToken>")
            more = at >= 0
            token = body[at + 23 : body.index(b"<", at + 23)].decode() if more else ""
            return len(body)

        for _ in range(LISTINGS):
            yield page
            while more:
                yield page

    def _page(self, token: str, limit: int) -> bytes:
        query = {"list-type": "2", "max-keys": str(limit)}
        if token:
            query["continuation-token"] = token
        return self._signer.request("GET", f"/{self._bucket}", query)

    def _do(self, lane: int, request: bytes) -> bytes:
        status, body = self._lane(lane).exchange(request)
        if not 200 <= status < 300:
            line = request.partition(b"\r\n")[0].decode()
            raise TargetFailed(f"{self.name}: {line}: {status} {body[:300]!r}")
        return body

    def _lane(self, number: int) -> Lane:
        with self._opening:
            if number not in self._lanes:
                self._lanes[number] = Lane(self._host, self._port)
            return self._lanes[number]


def _keys(page: bytes) -> list[str]:
    try:
        found = ElementTree.fromstring(page).iter(f"{_NAMESPACE}Key")
    except ElementTree.ParseError:
        return []
    return [element.text or "" for element in found]
