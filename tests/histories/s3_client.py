"""A client of the S3 door: what it asks for and what the answers say of the keys."""

from __future__ import annotations

import hashlib
import http.client
import random
from collections.abc import Callable

from tests.histories.groups import Group, Unanswered
from tests.histories.recorder import Call
from tests.histories.register import FOLDER
from tests.model.doors import Answer, S3Door, delete_document, parts_document

__all__ = ["S3Client"]

PART = 5 * 2**20
REPETITIONS = 40
"""Of a request that may be repeated until it is answered: enough for a worker to come back."""


def _told_etag(answer: Answer) -> str:
    return answer.text("ETag").strip('"')


class S3Client:
    """GET, HEAD, PUT, conditional PUTs, DELETE, DeleteObjects, CopyObject, RenameObject, uploads in parts."""

    def __init__(self, number: int, port: int, seed: int) -> None:
        self.name = f"s3-{number}"
        self._draw = random.Random(seed)
        self._door = S3Door(port, timeout=20, connections=2)
        self._last: dict[tuple[bytes, int], str] = {}
        self._repeated = False
        deeds: list[tuple[int, Callable[[Group, Call], None]]] = [
            (6, lambda group, call: self._get(group, group.key(self._draw), call)),
            (2, self._head),
            (4, self._put),
            (2, self._create),
            (4, self._swap),
            (2, self._delete),
            (1, self._delete_many),
            (2, self._copy),
            (3, self._rename),
            (2, self._upload),
            (2, self._move),
        ]
        self._deeds = [deed for times, deed in deeds for _ in range(times)]

    def close(self) -> None:
        self._door.close()

    def act(self, group: Group) -> None:
        deed = self._draw.choice(self._deeds)
        with group.recorder.call(self.name) as call:
            deed(group, call)

    def look(self, group: Group, key: int) -> None:
        """A GET whatever the dice say: how a key ends."""
        with group.recorder.call(self.name) as call:
            self._get(group, key, call)

    # ---- asking
    def _ask(self, method: str, group: Group, key: bytes, **keywords: object) -> Answer:
        try:
            answer = self._door.ask(method, group.bucket, key, **keywords)  # type: ignore[arg-type]
        except (OSError, http.client.HTTPException) as error:
            raise Unanswered(repr(error), over=not isinstance(error, TimeoutError)) from error
        if answer.status >= 500 or (answer.status == 200 and b"<Error>" in answer.body[:200]):
            raise Unanswered(f"{answer.status} {answer.code}", over=True)
        return answer

    def _ask_again(self, method: str, group: Group, key: bytes, **keywords: object) -> Answer:
        """What may be repeated is, until it is answered: however often it was sent, it is done once."""
        self._repeated = False
        for _ in range(REPETITIONS - 1):
            try:
                return self._ask(method, group, key, **keywords)
            except Unanswered as error:
                if not error.over:
                    raise
                self._repeated = True
        return self._ask(method, group, key, **keywords)

    def _tag(self, group: Group, key: int) -> tuple[str, str] | None:
        """An ETag that the key once had, and of what."""
        tag = self._last.get((group.keys[0], key))
        content = group.bodies.of_etag(tag) if tag else None
        return (tag, content) if tag and content else None

    def _differs(self, group: Group, call: Call, key: int, tag: tuple[str, str]) -> None:
        """412: a dashed tag is void once the true one is known, although the content is the same; and a copy
        of what was uploaded in parts has another one.
        """
        if "-" in tag[0] or not group.bodies.has_one_etag(tag[1]):
            call.add("present", key)
        else:
            call.add("differs", key, tag[1])

    # ---- looking
    def _get(self, group: Group, key: int, call: Call) -> None:
        answer = self._ask("GET", group, group.keys[key])
        if answer.status == 404:
            call.add("read", key)
            return
        assert answer.status == 200, answer
        name = group.bodies.name_of(answer.body)
        group.bodies.seen(answer.etag, answer.body, name)
        self._last[group.keys[0], key] = answer.etag
        call.add("read", key, name)

    def _head(self, group: Group, call: Call) -> None:
        key = group.key(self._draw)
        answer = self._ask("HEAD", group, group.keys[key])
        if answer.status == 404:
            call.add("read", key)
            return
        assert answer.status == 200, answer
        if (name := group.bodies.of_etag(answer.etag)) is not None:
            call.add("read", key, name)
        else:
            assert "-" in answer.etag, f"an ETag of nobody: {answer.etag}"
            call.add("present", key)

    # ---- changing one key
    def _put(self, group: Group, call: Call) -> None:
        key, (name, body) = group.key(self._draw), group.new_body(self._draw, self.name)
        call.may("write", key, name)
        answer = self._ask("PUT", group, group.keys[key], body=body)
        assert answer.status == 200, answer
        group.bodies.seen(answer.etag, body, name)
        call.add("write", key, name)

    def _create(self, group: Group, call: Call) -> None:
        key, (name, body) = group.key(self._draw), group.new_body(self._draw, self.name)
        call.may("create", key, name)
        answer = self._ask("PUT", group, group.keys[key], body=body, headers={"If-None-Match": "*"})
        if answer.status == 200:
            call.add("create", key, name)
        elif answer.status == 412:
            call.add("present", key)
        else:
            assert answer.status == 409, answer

    def _swap(self, group: Group, call: Call) -> None:
        key = group.key(self._draw)
        tag = self._tag(group, key)
        if tag is None:
            return
        name, body = group.new_body(self._draw, self.name)
        call.may("swap", key, name, old=tag[1])
        headers = {"If-Match": f'"{tag[0]}"'}
        answer = self._ask("PUT", group, group.keys[key], body=body, headers=headers)
        if answer.status == 200:
            call.add("swap", key, name, old=tag[1])
        elif answer.status == 404:
            call.add("read", key)
        elif answer.status == 412:
            self._differs(group, call, key, tag)
        else:
            assert answer.status == 409, answer

    def _delete(self, group: Group, call: Call) -> None:
        key = group.key(self._draw)
        call.may("delete", key)
        answer = self._ask("DELETE", group, group.keys[key])
        assert answer.status == 204, answer
        call.add("delete", key)

    def _upload(self, group: Group, call: Call) -> None:
        """One part, or two; completed once whatever became of the answers, and once more for nothing."""
        key, (name, body) = group.key(self._draw), group.new_body(self._draw, self.name)
        if self._draw.random() < 0.1:
            body = group.bodies.make(name, PART + len(body))
        group.bodies.goes_in_parts(name)
        path, absent = group.keys[key], self._draw.random() < 0.3
        began = self._ask("POST", group, path, query={"uploads": ""})
        assert began.status == 200, began
        query, parts = {"uploadId": began.text("UploadId")}, []
        for number, part in enumerate(filter(None, (body[:PART], body[PART:])), start=1):
            answer = self._ask("PUT", group, path, query={**query, "partNumber": number}, body=part)
            assert answer.status == 200, answer
            parts.append((number, answer.etag))
        kind, document = "create" if absent else "write", parts_document(parts)
        call.may(kind, key, name)
        headers = {"If-None-Match": "*"} if absent else {}

        def complete() -> Answer:
            return self._ask_again("POST", group, path, query=query, body=document, headers=headers)

        answer = complete()
        if answer.status != 200:
            assert absent and answer.status in (409, 412), answer
            if answer.status == 412:
                call.add("present", key)
            return
        digests = b"".join(bytes.fromhex(tag) for _, tag in parts)
        expected = f"{hashlib.md5(digests).hexdigest()}-{len(parts)}"
        assert _told_etag(answer) == expected, answer
        group.bodies.seen(expected, body, name)
        call.add(kind, key, name)
        if self._draw.random() < 0.3:
            again = complete()
            assert (again.status, _told_etag(again)) == (200, expected), again

    # ---- changing several keys
    def _delete_many(self, group: Group, call: Call) -> None:
        """Each key by itself, and no order between them."""
        keys = group.two_keys(self._draw)
        for key in keys:
            call.may("delete", key)
        body, headers = delete_document([group.keys[key] for key in keys])
        answer = self._ask("POST", group, b"", query={"delete": ""}, body=body, headers=headers)
        assert answer.status == 200 and answer.body.count(b"<Deleted>") == 2, answer
        for key in keys:
            call.add("delete", key)

    def _copy(self, group: Group, call: Call) -> None:
        """The source is read at one time and the target written at another, both before the answer."""
        source, target = group.two_keys(self._draw)
        slot = f"copy {group.new_name(self._draw, self.name)}"
        call.may("hold", source, slot)
        call.may("store", target, old=slot)
        headers = {"x-amz-copy-source": f"/{group.bucket}/{group.keys[source].decode()}"}
        answer = self._ask("PUT", group, group.keys[target], headers=headers)
        if answer.status == 404:
            call.add("read", source)
            return
        assert answer.status == 200, answer
        name = group.bodies.of_etag(_told_etag(answer))
        if name is None:
            call.add("hold", source, slot)
            call.add("store", target, old=slot)
        else:
            call.add("read", source, name)
            call.add("write", target, name)

    def _rename(self, group: Group, call: Call) -> None:
        """RenameObject, with a token so that it is done once; without a condition or with one of two."""
        source, target = group.two_keys(self._draw)
        headers = {
            "x-amz-rename-source": group.keys[source].decode(),
            "x-amz-client-token": group.new_name(self._draw, self.name).replace(" ", "-"),
        }
        kind, tag = "rename", None
        if (how := self._draw.randrange(3)) == 1:
            kind, headers["If-None-Match"] = "place", "*"
        elif how == 2 and (tag := self._tag(group, source)) is not None:
            headers["x-amz-rename-source-if-match"] = f'"{tag[0]}"'
        old = tag[1] if tag else None
        call.may(kind, source, other=target, old=old)
        answer = self._ask_again(
            "PUT", group, group.keys[target], query={"renameObject": ""}, headers=headers
        )
        call.repeated = self._repeated
        if answer.status == 200:
            call.add(kind, source, other=target, old=old)
        elif answer.status == 404:
            call.add("read", source)
        elif answer.status == 412 and tag is not None:
            self._differs(group, call, source, tag)
        elif answer.status == 412:
            call.add("present", target)
        else:
            assert answer.status == 409 and how, answer

    def _move(self, group: Group, call: Call) -> None:
        """RenameObject of a prefix; where there is one folder only, another look."""
        if len(group.folders) < 2:
            self._get(group, group.key(self._draw), call)
            return
        number = self._draw.randrange(2)
        source, target = group.folders[number], group.folders[1 - number]
        call.may("move", number * FOLDER, other=(1 - number) * FOLDER)
        headers = {
            "x-amz-rename-source": source.decode(),
            "x-amz-client-token": group.new_name(self._draw, self.name).replace(" ", "-"),
        }
        answer = self._ask_again("PUT", group, target, query={"renameObject": ""}, headers=headers)
        call.repeated = self._repeated
        if answer.status == 200:
            call.add("move", number * FOLDER, other=(1 - number) * FOLDER)
        elif answer.status == 404:
            call.add("vacant", number * FOLDER)
        else:
            assert answer.status == 409, answer
            call.add("occupied", (1 - number) * FOLDER)
