"""What is fuzzed: each target reads bytes as the product would and lets out only what nobody may see.

A target returns normally for input that is accepted and for input that is refused in the way its room
promises; anything else (another exception, an error of the server's own, a broken invariant) is a finding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

import msgpack

from tests.fuzz.conversation import UPLOADS, conversation, cut, lookup
from weka_mp.control.http import BadRequest, RequestReader
from weka_mp.errors import NamespaceError
from weka_mp.gateway.objects_put import namespace_conditions, wanted_tag
from weka_mp.gateway.tokens import decode_token, encode_token
from weka_mp.ipc.frames import FrameError, FrameReader, encode
from weka_mp.namespace.names.keys import component_of, creatable, entry_path, name_of, visible
from weka_mp.namespace.records.attribute import decode as decode_record
from weka_mp.namespace.records.attribute import encode as encode_record
from weka_mp.namespace.tree.mount_xattrs import check_get, check_remove, check_set, listed
from weka_mp.s3.authentication import authenticate
from weka_mp.s3.bodies import completed_parts, delete_entries, new_bucket
from weka_mp.s3.checksums import Algorithm, decode_digest
from weka_mp.s3.conditions import check_read, check_source, parse_etags
from weka_mp.s3.credentials import PayloadMode
from weka_mp.s3.dates import parse_http_date, parse_iso
from weka_mp.s3.errors import S3Error, render_error
from weka_mp.s3.head_parser import parse_head
from weka_mp.s3.headers_in import object_metadata, read_conditions, refuse_unbuilt, write_conditions
from weka_mp.s3.parse import parse
from weka_mp.s3.payload import expectations
from weka_mp.s3.post_form import FormFields, PostFormReader
from weka_mp.s3.post_policy import parse_policy
from weka_mp.s3.post_upload import authorize_form
from weka_mp.s3.ranges import if_range_holds, resolve
from weka_mp.s3.request import Headers, S3Request, address, decode_key
from weka_mp.s3.routing import route
from weka_mp.s3.signing_time import parse_basic_iso, parse_date_header
from weka_mp.s3.xml_text import escape

__all__ = ["TARGETS", "Target"]

Target = Callable[[bytes], None]

_NOW: Final = 1_369_353_600.0  # 24 May 2013, the day of S3's published examples
_DOMAINS: Final = ("s3.example.com", "example.com")


@contextlib.contextmanager
def refusals():
    """Refusals as the S3 room promises them: an error of the client's, with a document that can be sent."""
    try:
        yield
    except S3Error as error:
        # 501 is what is not built. Every other 5xx would blame us for what a client sent.
        assert 300 <= error.status < 500 or error.status in (501, 505), error
        assert render_error(error, "/", "0" * 16, "host").endswith(b"</Error>")
        for name, value in error.headers.items():
            assert not set("\r\n\0") & set(name + value), error.headers


def text_of(data: bytes) -> str:
    """Bytes as header text: latin-1, so that every byte is a character."""
    return data.decode("latin-1")


def head(data: bytes) -> None:
    with refusals():
        parse_head(data + b"\r\n\r\n")


def stream(data: bytes) -> None:
    """A whole connection: its first two bytes choose the cuts, which must change nothing."""
    wire = data[2:]
    whole = conversation([wire])
    assert conversation(cut(wire, data[:2])) == whole


def request(data: bytes) -> None:
    """A request from its head to its operation, as anybody."""
    with refusals():
        read = parse_head(data + b"\r\n\r\n").request
        where = address(read, _DOMAINS)
        authenticate(read, now=_NOW, lookup=lookup, region="us-east-1", allow_header_sigv2=True,
                     virtual_bucket=where.bucket if where.virtual_hosted else None)
        parse(read, where, route(read, where), None)


def operation(data: bytes) -> None:
    """A request from its head to its operation, as if its signature were right."""
    with refusals():
        read = parse_head(data + b"\r\n\r\n").request
        where = address(read, _DOMAINS)
        parse(read, where, route(read, where), b"<Delete><Object><Key>k</Key></Object></Delete>")


def uri(data: bytes) -> None:
    with refusals():
        read = S3Request.from_target("GET", data, Headers([("Host", "b.s3.example.com")]))
        where = address(read, _DOMAINS)
        assert where.key is None or 0 < len(where.key) <= 1024
        for name, value in read.query:
            (name + value).encode("utf-8")


def authorization(data: bytes) -> None:
    """An Authorization header; a date, if a line break separates it."""
    value, _, date = data.partition(b"\n")
    headers = Headers([("Host", "h"), ("Authorization", text_of(value)),
                       ("x-amz-date", text_of(date) or "20130524T000000Z"),
                       ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")])
    read = S3Request("GET", b"/b/k", b"", (), headers)
    with refusals():
        authenticate(read, now=_NOW, lookup=lookup, region="us-east-1", allow_header_sigv2=True)


def presigned(data: bytes) -> None:
    with refusals():
        read = S3Request.from_target("GET", b"/b/k?" + data, Headers([("Host", "h")]))
        authenticate(read, now=_NOW, lookup=lookup, region="us-east-1")


def aws_chunked(mode: PayloadMode) -> Target:
    def target(data: bytes) -> None:
        """An upload's body behind a head of this mode; the same for every way to cut it."""
        wire = data[3:]
        length = int.from_bytes(data[:1], "big")
        outcomes = [UPLOADS[mode](pieces, length) for pieces in ([wire], cut(wire, data[1:3]))]
        assert outcomes[0] == outcomes[1]
    return target


def post_form(data: bytes) -> None:
    """A form body behind two bytes that choose the cuts."""

    def read(pieces: list[bytes]) -> tuple[object, ...]:
        reader = PostFormReader("multipart/form-data; boundary=b")
        fields, file = None, b""
        try:
            for piece in pieces:
                for event in reader.feed(piece):
                    if isinstance(event, FormFields):
                        fields = event
                    else:
                        file += bytes(event.data)
            reader.finish()
        except S3Error as error:
            assert error.status < 500
            return (error.code,)
        if fields is None:
            raise AssertionError("a form that ended without fields")
        with refusals():
            authorize_form(fields, "bucket", now=_NOW, lookup=lookup, region="us-east-1")
        return fields, file

    wire = data[2:]
    assert read([wire]) == read(cut(wire, data[:2]))


def form_type(data: bytes) -> None:
    with refusals():
        PostFormReader(text_of(data))


def post_policy(data: bytes) -> None:
    with refusals():
        policy = parse_policy(data.decode("utf-8", "surrogateescape"))
        policy.check({"key": "k", "acl": "private"}, "bucket", _NOW)


def xml(read: Callable[[bytes | None], object]) -> Target:
    def target(data: bytes) -> None:
        with refusals():
            read(data)
    return target


def byte_range(data: bytes) -> None:
    for size in (0, 1, 1000):
        with refusals():
            found = resolve(text_of(data), size)
            assert found is None or 0 <= found.start <= found.end < size


def dates(data: bytes) -> None:
    text = text_of(data)
    for read in (parse_http_date, parse_iso, parse_basic_iso, parse_date_header):
        found = read(text)
        assert found is None or isinstance(found, int)
    if_range_holds(text, ("etag",), 0)


def copy_source(data: bytes) -> None:
    sent = [("x-amz-copy-source", text_of(data)), ("host", "h")]
    read = S3Request("PUT", b"/bucket/key", b"", (), Headers(sent))
    with refusals():
        where = address(read, ())
        found = parse(read, where, route(read, where), None)
        assert "/" not in found.source_bucket
        assert 0 < len(found.source_key) <= 1024


def conditions(data: bytes) -> None:
    """Four header values, one a line."""
    values = [*map(text_of, data.split(b"\n")), "", "", "", ""]
    names = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
    for count in range(1, 5):
        headers = Headers(list(zip(names[:count], values, strict=False)))
        with refusals():
            check_read(read_conditions(headers), ("etag",), 1000, 1001)
        with refusals():
            check_source(read_conditions(headers), ("etag",), 1000, 1001)
        with refusals():
            namespace_conditions(write_conditions(headers))
    parse_etags(values[0])
    with refusals():
        wanted_tag(values[0])


def object_headers(data: bytes) -> None:
    """Header lines of an upload."""
    fields = [tuple(line.split(b":", 1)) for line in data.split(b"\n") if b":" in line]
    headers = Headers(fields)
    with refusals():
        refuse_unbuilt(headers)
        object_metadata(headers)
    with refusals():
        expectations(headers, True)
    for algorithm in Algorithm:
        digest = decode_digest(algorithm, text_of(data))
        assert digest is None or len(digest) > 3


def xattr_names(data: bytes) -> None:
    for uid in (0, 1000):
        for check in (check_get, check_set, check_remove):
            with contextlib.suppress(NamespaceError):
                check(data, uid)
        assert not any(name.startswith(b"user.weka.") for name in listed([data], uid))


def keys(data: bytes) -> None:
    """A percent-encoded key, down to directory entries and back."""
    with refusals(), contextlib.suppress(NamespaceError):
        key = decode_key(data)
        path = entry_path(key)
        kept = {name_of(component)[0]: component for component in path.long_components}
        components = []
        for name in (*path.parents, path.name):
            assert name not in (b"", b".", b"..", b".weka")
            assert b"/" not in name and b"\0" not in name and len(name) <= 255
            assert visible(name) and creatable(name)
            components.append(component_of(name, kept.get))
        assert b"/".join(components) + (b"/" if path.is_directory else b"") == key


def token(data: bytes) -> None:
    with refusals():
        decode_token(text_of(data))
    assert decode_token(encode_token(data)) == data


def record(data: bytes) -> None:
    try:
        found = decode_record(data)
    except ValueError:
        return
    assert decode_record(encode_record(found)) == found


def frames(data: bytes) -> None:
    """Frames between processes, behind two bytes that choose the cuts."""

    def read(pieces: list[bytes]) -> tuple[list[bytes], bool]:
        reader = FrameReader(limit=4096)
        found: list[bytes] = []
        try:
            for piece in pieces:
                found += [encode(frame) for frame in reader.feed(piece)]
            reader.finish()
        except FrameError:
            return found, False
        return found, True

    # What came with a malformed frame in one piece is dropped with it; the connection ends either way.
    whole, fine = read([data[2:]])
    split, split_fine = read(cut(data[2:], data[:2]))
    assert fine == split_fine
    assert split == whole if fine else split[:len(whole)] == whole


def admin(data: bytes) -> None:
    """A request to the administration, behind two bytes that choose the cuts."""

    def read(pieces: list[bytes]) -> object:
        reader = RequestReader()
        try:
            for piece in pieces:
                found = reader.feed(piece)
                if found is not None:
                    return found.method, found.path, found.body, found.json()
        except BadRequest as error:
            return error.status
        return None

    assert read([data[2:]]) == read(cut(data[2:], data[:2]))


def markup(data: bytes) -> None:
    """Any text is well-formed once escaped, and msgpack carries what it must."""
    found = escape(data.decode("utf-8", "replace"))
    assert not set("<>\"") & set(found)
    assert msgpack.unpackb(msgpack.packb(data)) == data


TARGETS: Final = MappingProxyType({
    "head": head,
    "stream": stream,
    "request": request,
    "operation": operation,
    "uri": uri,
    "authorization": authorization,
    "presigned": presigned,
    "chunked-signed": aws_chunked(PayloadMode.STREAMING_SIGNED),
    "chunked-signed-trailer": aws_chunked(PayloadMode.STREAMING_SIGNED_TRAILER),
    "chunked-unsigned-trailer": aws_chunked(PayloadMode.STREAMING_UNSIGNED_TRAILER),
    "payload-unsigned": aws_chunked(PayloadMode.UNSIGNED),
    "payload-signed": aws_chunked(PayloadMode.SIGNED),
    "post-form": post_form,
    "form-type": form_type,
    "post-policy": post_policy,
    "xml-delete": xml(delete_entries),
    "xml-complete": xml(completed_parts),
    "xml-create-bucket": xml(new_bucket),
    "range": byte_range,
    "dates": dates,
    "copy-source": copy_source,
    "conditions": conditions,
    "object-headers": object_headers,
    "xattr-names": xattr_names,
    "keys": keys,
    "token": token,
    "record": record,
    "frames": frames,
    "admin": admin,
    "markup": markup,
})
"""Every parser that reads what somebody else wrote."""

