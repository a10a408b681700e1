"""Keys, files and bodies that mean harm: never outside the bucket, never the control area, never a hang."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import stat
import time
import zlib
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.server.endpoint import Endpoint
from tests.server.raw_http import Answer, read_answer, send, signed

SECRET_BODY = b"outside the store"
OLD = b"the old object"
# As they stand on the wire, and the key each means.
KEYS = {
    "..": b"..", "%2e%2e": b"..", "../x": b"../x", "%2e%2e%2fx": b"../x", "..%2F..%2Fx": b"../../x",
    "a/../../x": b"a/../../x", "a/../../../../../../etc/passwd": b"a/../../../../../../etc/passwd",
    "%2Fetc%2Fpasswd": b"/etc/passwd", "/etc/passwd": b"/etc/passwd", "//": b"//", "a//b": b"a//b",
    ".": b".", "./.": b"./.", "..%5C..%5Cx": b"..\\..\\x", "..%00": b"..\0", "a%00b": b"a\0b", "%00": b"\0",
    ".weka": b".weka", ".weka/": b".weka/", ".weka/x": b".weka/x", "a/.weka/x": b"a/.weka/x",
    ".weka~x": b".weka~x", ".weka~body": b".weka~body", ".weka%25dd": b".weka%dd", ".weka%25e": b".weka%e",
    ".weka%25k": b".weka%k", ".weka%25xFF": b".weka%xFF", "../other/victim": b"../other/victim",
    "%252e%252e/x": b"%2e%2e/x", "..;/x": b"..;/x", "%C3%A4": "ä".encode(), "a%0Ab": b"a\nb", "%7F": b"\x7f",
    "x" * 1024: b"x" * 1024, "x" * 300: b"x" * 300, "~root": b"~root", "$HOME": b"$HOME", "*": b"*",
}
BROKEN = {
    "over 1,024 bytes": "x" * 1025, "over 1,024 bytes of UTF-8": "%C3%A4" * 513, "overlong": "%C0%AE%C0%AE",
    "no UTF-8": "%FF", "half a character": "%C3", "a surrogate": "%ED%A0%80", "a bad escape": "%zz",
    "half an escape": "a%2", "beyond Unicode": "%F5%80%80%80",
}


def tree(root: Path, *, without: str = "") -> dict[str, object]:
    """Every name below root with its kind and, of files, its content."""
    found: dict[str, object] = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if os.path.join(folder, name) != without]
        for name in (*folders, *files):
            path = Path(folder, name)
            mode = path.lstat().st_mode
            found[str(path)] = path.read_bytes() if stat.S_ISREG(mode) else stat.S_IFMT(mode)
    return found


@pytest.fixture
def guarded(endpoint: Endpoint, client, bucket, tmp_path):
    """A bucket with something to be harmed beside it, below it and outside the store."""
    client.create_bucket(Bucket="other")
    client.put_object(Bucket="other", Key="victim", Body=OLD)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(SECRET_BODY)
    (tmp_path / "x").write_bytes(SECRET_BODY)
    yield endpoint
    assert tree(tmp_path / "outside") == {str(tmp_path / "outside" / "secret"): SECRET_BODY}
    assert (tmp_path / "x").read_bytes() == SECRET_BODY
    assert not (endpoint.root / "x").exists()
    assert client.get_object(Bucket="other", Key="victim")["Body"].read() == OLD
    assert {path.name for path in tmp_path.iterdir()} == {"store", "outside", "x"}
    assert {path.name for path in endpoint.root.iterdir()} - {".weka"} == {"bucket", "other"}


def ask(endpoint: Endpoint, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(endpoint, signed(method, target, body, headers=named))


def multipart(endpoint: Endpoint, key: str, body: bytes) -> Answer:
    """The last answer of an upload in one part, or the first refusal."""
    answer = ask(endpoint, "POST", f"/bucket/{key}?uploads=")
    if answer.status != 200:
        return answer
    upload = answer.body.partition(b"<UploadId>")[2].partition(b"<")[0].decode()
    part = ask(endpoint, "PUT", f"/bucket/{key}?partNumber=1&uploadId={quote(upload, safe='')}", body)
    assert part.status == 200
    document = (
        f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part.headers['etag']}</ETag></Part>"
        "</CompleteMultipartUpload>").encode()
    return ask(endpoint, "POST", f"/bucket/{key}?uploadId={quote(upload, safe='')}", document)


@pytest.mark.parametrize("wire", KEYS, ids=lambda wire: wire[:20])
def test_keys_mean_themselves_and_stay_in_the_bucket(guarded, client, wire):
    target, key, inside = f"/bucket/{wire}", KEYS[wire], str(guarded.root / "bucket")
    before = tree(guarded.root / "other")
    for store, body in (
        (lambda: ask(guarded, "PUT", target, b"put"), b"put"),
        (lambda: multipart(guarded, wire, b"parts"), b"parts"),
        (lambda: ask(guarded, "PUT", target, x_amz_copy_source="/other/victim"), OLD),
    ):
        if key.endswith(b"/") and body == b"parts":
            continue  # what a directory object may be made by is told in docs/SEMANTICS.md
        answer = store()
        assert answer.status == 200, (answer.status, answer.code)
        assert ask(guarded, "GET", target).body == body
        assert ask(guarded, "HEAD", target).headers["content-length"] == str(len(body))
    listed = ask(guarded, "GET", "/bucket?list-type=2&encoding-type=url").body
    assert b"<Key>" + quote(key, safe="/*").encode() + b"</Key>" in listed
    copied = ask(guarded, "PUT", "/bucket/copy", x_amz_copy_source=f"bucket/{wire}")
    assert (copied.status, ask(guarded, "GET", "/bucket/copy").body) == (200, OLD)
    assert ask(guarded, "DELETE", "/bucket/copy").status == 204
    assert ask(guarded, "DELETE", target).status == 204
    assert ask(guarded, "GET", target).code == "NoSuchKey"
    assert b"<Key>" not in ask(guarded, "GET", "/bucket?list-type=2").body
    assert tree(guarded.root / "other") == before
    assert os.listdir(inside) == []


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: quote(key)[:20])
def test_what_lists_takes_keys_as_text(guarded, client, key):
    client.put_object(Bucket="bucket", Key="k", Body=b"")
    text = quote(key, safe="")
    for parameter in ("prefix", "start-after", "delimiter", "continuation-token"):
        answer = ask(guarded, "GET", f"/bucket?encoding-type=url&list-type=2&{parameter}={text}")
        assert answer.status == (400 if parameter == "continuation-token" else 200)
        assert answer.body.count(b"<Key>") == answer.body.count(b"<Key>k</Key>")
    answer = ask(guarded, "GET", f"/bucket?marker={text}&prefix={text}")
    assert answer.status == 200
    assert b"<Key>" not in answer.body


@pytest.mark.parametrize("name", BROKEN)
def test_keys_that_are_none(guarded, name):
    target = f"/bucket/{BROKEN[name]}"
    code = "KeyTooLongError" if name.startswith("over 1,024") else "InvalidURI"
    for method in ("PUT", "GET", "DELETE", "POST"):
        query = "?uploads=" if method == "POST" else ""
        with guarded.connect() as sock:
            head = f"{method} {target}{query} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
            sock.sendall(head.encode())
            answer = read_answer(sock)
        assert (answer.status, answer.code) == (400, code)
    copy = ask(guarded, "PUT", "/bucket/k", x_amz_copy_source=f"bucket/{BROKEN[name]}")
    assert (copy.status, copy.code) == (400, code if code == "KeyTooLongError" else "InvalidArgument")
    assert os.listdir(guarded.root / "bucket") == []


def post_form(endpoint: Endpoint, key: bytes) -> Answer:
    """A browser upload by somebody anonymous: refused, but only once its key was looked at."""
    form = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % field
        for field in ((b"key", key), (b"file", b"evil"))) + b"--b--\r\n"
    head = (f"POST /bucket HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            f"Content-Length: {len(form)}\r\n\r\n").encode()
    return send(endpoint, head + form)


@pytest.mark.parametrize("key", [b"../x", b"\0", b"x" * 1025, b"\xff", b"", b"${filename}"])
def test_forms(guarded, key):
    answer = post_form(guarded, key)
    assert 400 <= answer.status < 500
    assert os.listdir(guarded.root / "bucket") == []


def special_files(endpoint: Endpoint, outside: Path) -> list[str]:
    """Names in the bucket that are no objects of it."""
    bucket = endpoint.root / "bucket"
    (bucket / "to-file").symlink_to(outside / "secret")
    (bucket / "to-directory").symlink_to(outside)
    (bucket / "to-relative").symlink_to("../../outside/secret")
    (bucket / "to-control").symlink_to("../.weka")
    (bucket / "to-bucket").symlink_to("../other/victim")
    (bucket / "to-root").symlink_to("/")
    (bucket / "to-itself").symlink_to("to-itself")
    (bucket / "to-process").symlink_to("/proc/self/environ")
    os.mkfifo(bucket / "fifo")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        folder = os.open(bucket, os.O_PATH)
        listening.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
    names = ["to-file", "to-directory", "to-relative", "to-control", "to-bucket", "to-root", "to-itself",
             "to-process", "fifo", "socket"]
    with contextlib.suppress(PermissionError):
        os.mknod(bucket / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        os.mknod(bucket / "disk", stat.S_IFBLK | 0o666, os.makedev(7, 250))
        names += ["zero", "disk"]
    return names


def test_what_is_no_object_is_never_followed_out_read_or_waited_for(guarded, client, tmp_path):
    names = special_files(guarded, tmp_path / "outside")
    control = tree(guarded.root / ".weka")
    for name in names:
        for target in (name, f"{name}/secret", f"{name}/etc/passwd", f"{name}/"):
            for method in ("GET", "HEAD", "PUT", "DELETE", "POST"):
                query = "?uploads=" if method == "POST" else ""
                if name == "to-bucket" and method in ("GET", "HEAD"):
                    continue  # a link within the store may be followed: docs/SEMANTICS.md
                answer = ask(guarded, method, f"/bucket/{target}{query}", b"new" if method == "PUT" else b"")
                assert answer.status < 500, (method, target, answer.status, answer.code)
                assert SECRET_BODY not in answer.body and b"root:" not in answer.body
            answer = ask(guarded, "PUT", "/bucket/copied", x_amz_copy_source=f"/bucket/{target}")
            assert answer.status < 500
            assert SECRET_BODY not in ask(guarded, "GET", "/bucket/copied").body
    listing = ask(guarded, "GET", "/bucket?list-type=2").body
    assert b"secret" not in listing and b"passwd" not in listing
    gone = {path for path in control if path not in tree(guarded.root / ".weka")}
    assert not gone


def test_a_hard_link_to_the_control_area_shows_nothing_and_is_never_written_through(guarded, client):
    upload = client.create_multipart_upload(Bucket="bucket", Key="big")
    client.upload_part(Bucket="bucket", Key="big", UploadId=upload["UploadId"], PartNumber=1, Body=b"part")
    control = {path: content for path, content in tree(guarded.root / ".weka").items() if content is not None}
    files = [path for path, content in control.items() if isinstance(content, bytes)]
    assert files
    for number, path in enumerate(files):
        os.link(path, guarded.root / "bucket" / f"link{number}")
    assert b"link" not in ask(guarded, "GET", "/bucket?list-type=2").body
    for number, _ in enumerate(files):
        for method in ("GET", "HEAD"):
            assert ask(guarded, method, f"/bucket/link{number}").status == 404
        answer = ask(guarded, "PUT", "/bucket/copied", x_amz_copy_source=f"/bucket/link{number}")
        assert (answer.status, answer.code) == (404, "NoSuchKey")
        for body in (b"", b"overwritten"):
            assert ask(guarded, "PUT", f"/bucket/link{number}", body).status == 200
        assert ask(guarded, "DELETE", f"/bucket/link{number}").status == 204
    assert tree(guarded.root / ".weka") == control


# -- bodies --------------------------------------------------------------------------------------------------

BODY = bytes(range(256)) * 1200  # bytes: more than what is received in the loop's own thread
MD5 = base64.b64encode(hashlib.md5(BODY, usedforsecurity=False).digest()).decode()
CRC = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
WRONG_MD5 = base64.b64encode(bytes(16)).decode()
TRAILED = {"x-amz-trailer": "x-amz-checksum-crc32", "Content-Encoding": "aws-chunked"}
STREAM = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def framed(crc: str, *, chunk: int = 65_536) -> bytes:
    pieces = [BODY[at:at + chunk] for at in range(0, len(BODY), chunk)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return body + b"0\r\nx-amz-checksum-crc32:" + crc.encode() + b"\r\n\r\n"


def streamed(crc: str = CRC, length: int | None = None, **headers: str) -> bytes:
    declared = str(len(BODY) if length is None else length)
    fields = {**TRAILED, "x-amz-decoded-content-length": declared, **headers}
    return signed("PUT", "/bucket/k", payload=STREAM, headers=fields, send_body=framed(crc))


# Signed when they are sent: a signature is good for 15 minutes.
WRONG = {
    "Content-MD5": (
        lambda: signed("PUT", "/bucket/k", BODY, headers={"Content-MD5": WRONG_MD5}), "BadDigest"),
    "a Content-MD5 that is none": (
        lambda: signed("PUT", "/bucket/k", BODY, headers={"Content-MD5": "x"}), "InvalidDigest"),
    "the payload's hash": (
        lambda: signed("PUT", "/bucket/k", BODY, send_body=BODY[:-1] + b"\0"), "XAmzContentSHA256Mismatch"),
    "a checksum": (
        lambda: signed("PUT", "/bucket/k", BODY, headers={"x-amz-checksum-crc32": "AAAAAA=="}), "BadDigest"),
    "a checksum that is none": (
        lambda: signed("PUT", "/bucket/k", BODY, headers={"x-amz-checksum-crc32": "AAAA"}), "InvalidRequest"),
    "two checksums": (
        lambda: signed("PUT", "/bucket/k", BODY, headers={
            "x-amz-checksum-crc32": CRC, "x-amz-checksum-crc32c": CRC}),
        "InvalidRequest"),
    "another checksum than announced": (
        lambda: signed("PUT", "/bucket/k", BODY, headers={
            "x-amz-checksum-crc32": CRC, "x-amz-sdk-checksum-algorithm": "SHA256"}), "InvalidRequest"),
    "a trailing checksum": (lambda: streamed("AAAAAA=="), "BadDigest"),
    "a trailing checksum that is none": (lambda: streamed("x"), "InvalidRequest"),
    "a decoded length too small": (lambda: streamed(length=len(BODY) - 1), "IncompleteBody"),
    "a decoded length too large": (lambda: streamed(length=len(BODY) + 1), "IncompleteBody"),
    "a decoded length of 0": (lambda: streamed(length=0), "IncompleteBody"),
    "a decoded length beyond S3": (lambda: streamed(length=5 * 1024**3 + 1), "EntityTooLarge"),
    "a trailer that was not announced": (
        lambda: streamed(**{"x-amz-trailer": "x-amz-checksum-sha1"}), "MalformedTrailerError"),
    "a trailer of another kind": (lambda: streamed(**{"x-amz-trailer": "content-md5"}), "InvalidRequest"),
    "a checksum in front and behind": (lambda: streamed(**{"x-amz-checksum-crc32": CRC}), "InvalidRequest"),
}


def settled(endpoint: Endpoint) -> dict[str, object]:
    """The store once no connection is left that could still give something back."""
    deadline = time.monotonic() + 10
    while endpoint.metrics.connections and time.monotonic() < deadline:
        time.sleep(0.01)
    return tree(endpoint.root)


@pytest.fixture
def stored(endpoint, client, bucket):
    client.put_object(Bucket=bucket, Key="k", Body=OLD)
    client.close()
    return settled(endpoint)


@pytest.mark.parametrize("name", WRONG)
def test_what_contradicts_itself_leaves_the_old_object(endpoint, stored, name):
    request, code = WRONG[name]
    answer = send(endpoint, request())
    assert (answer.status, answer.code) == (400, code)
    assert settled(endpoint) == stored


MISPLACED = {
    "the size of a deletion": ("PUT", "/bucket/k", {"x-amz-if-match-size": "99"}),
    "a copy without its source": ("PUT", "/bucket/k", {"x-amz-copy-source-if-match": '"e"'}),
    "a range of a whole copy": (
        "PUT", "/bucket/k", {"x-amz-copy-source": "/bucket/k", "x-amz-copy-source-range": "bytes=0-1"}),
    "a deletion of many": ("POST", "/bucket?delete=", {"If-Match": '"e"'}),
    "a deletion of a bucket": ("DELETE", "/bucket", {"If-Unmodified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"}),
}


@pytest.mark.parametrize("name", MISPLACED)
def test_regression_a_condition_that_an_operation_does_not_know_does_not_pass(endpoint, stored, name):
    method, target, headers = MISPLACED[name]
    body = b"<Delete><Object><Key>k</Key></Object></Delete>" if method == "POST" else b""
    md5 = {"Content-MD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}
    answer = send(endpoint, signed(method, target, body, headers={**headers, **md5}))
    assert (answer.status, answer.code) == (501, "NotImplemented")
    assert settled(endpoint) == stored


def test_what_is_right_passes(endpoint, stored):
    assert send(endpoint, streamed()).status == 200
    right = {"Content-MD5": MD5, "x-amz-checksum-crc32": CRC}
    assert send(endpoint, signed("PUT", "/bucket/k", BODY, headers=right)).status == 200
    assert (endpoint.root / "bucket" / "k").read_bytes() == BODY


UPLOADS = {
    "signed": lambda: signed("PUT", "/bucket/k", BODY),
    "unsigned": lambda: signed("PUT", "/bucket/k", BODY, payload="UNSIGNED-PAYLOAD"),
    "small": lambda: signed("PUT", "/bucket/k", BODY[:1000]), "trailer": streamed,
}


@pytest.mark.parametrize("name", UPLOADS)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_client_that_goes_away_leaves_the_old_object(endpoint, stored, name, reset):
    request = UPLOADS[name]()
    start = request.index(b"\r\n\r\n") + 4
    middle, end = (start + len(request)) // 2, len(request)
    places = {10, start - 2, start, start + 1, middle, end - 60, end - 1}
    for place in sorted(places):
        with endpoint.connect() as sock:
            sock.sendall(request[:place])
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        assert settled(endpoint) == stored, place
    assert send(endpoint, request).status == 200
