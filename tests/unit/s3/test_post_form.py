"""multipart/form-data uploads: every split of the wire, every limit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.s3.errors import S3Error
from weka_mp.s3.post_form import MAX_FIELDS_BYTES, FileData, FormFields, PostFormReader, form_boundary

BOUNDARY = "----WebKitFormBoundary7MA4"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    suffix = f'; filename="{filename}"\r\nContent-Type: text/x' if filename is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{suffix}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def form(fields: dict[str, str], data: bytes = b"data", filename: str = "f.txt", after: bytes = b"") -> bytes:
    text = b"".join(part(name, value.encode()) for name, value in fields.items())
    return text + part("file", data, filename) + after + f"--{BOUNDARY}--\r\n".encode()


def read(wire: list[bytes], content_type: str = CONTENT_TYPE) -> tuple[FormFields, bytes]:
    reader = PostFormReader(content_type)
    events = [event for piece in wire for event in reader.feed(piece)]
    reader.finish()
    head, *rest = events
    assert isinstance(head, FormFields)
    assert all(isinstance(event, FileData) for event in rest)
    return head, b"".join(bytes(event.data) for event in rest)


def refused(wire: bytes, content_type: str = CONTENT_TYPE) -> S3Error:
    with pytest.raises(S3Error) as caught:
        read([wire], content_type)
    return caught.value


def test_fields_and_file():
    head, data = read([form({"key": "a/ü", "Content-Type": "text/plain", "empty": ""}, b"\r\nbytes\x00\r\n")])
    assert head == FormFields({"key": "a/ü", "content-type": "text/plain", "empty": ""}, "f.txt", "text/x")
    assert data == b"\r\nbytes\x00\r\n"


def test_fields_after_the_file_are_ignored():
    head, data = read([form({"key": "k"}, after=part("acl", b"public-read"))])
    assert dict(head.fields) == {"key": "k"}
    assert data == b"data"


def test_empty_file():
    assert read([form({"key": "k"}, b"")])[1] == b""


@given(
    st.dictionaries(st.text("abcXYZ-", min_size=1, max_size=5), st.text(max_size=20), max_size=3),
    st.lists(
        st.sampled_from([b"\r", b"\n", b"--", b"\r\n--", b"\r\n------", b"x", BOUNDARY[:-1].encode()])
    ),
    st.lists(st.integers(0, 1500), max_size=10),
)
def test_any_split_gives_the_same(fields, pieces, cuts):
    fields = {name.lower(): value for name, value in fields.items()}
    wire = form(fields, b"".join(pieces))
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    head, data = read([wire[start:end] for start, end in pairwise(edges)])
    assert dict(head.fields) == fields
    assert data == b"".join(pieces)


def test_byte_by_byte():
    wire = b"preamble\r\n" + form({"key": "k", "policy": "p"}, b"a\r\n--b\r\n" * 9) + b"epilogue"
    assert read([wire[at:at + 1] for at in range(len(wire))])[1] == b"a\r\n--b\r\n" * 9


@given(st.binary(max_size=300))
def test_garbage_raises_only_s3_errors(garbage):
    with pytest.raises(S3Error):
        read([garbage])


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_damage_raises_only_s3_errors(at, damage):
    wire = form({"key": "k", "policy": "p"})
    at %= len(wire)
    try:
        read([wire[:at] + damage + wire[at + len(damage):]])
    except S3Error as error:
        assert error.code in ("MalformedPOSTRequest", "InvalidArgument")


@given(st.integers(1, 200))
def test_a_cut_form_never_passes(missing):
    wire = form({"key": "k"})
    cut = wire[: max(0, len(wire) - 4 - missing)]
    assert refused(cut).code == "MalformedPOSTRequest"


def test_large_file_is_not_collected():
    reader = PostFormReader(CONTENT_TYPE)
    wire = form({"key": "k"}, b"x" * 1_000_000)
    handed = 0
    for at in range(0, len(wire), 65536):
        events = reader.feed(wire[at:at + 65536])
        handed += sum(len(event.data) for event in events if isinstance(event, FileData))
        assert at + 65536 - handed < 1000 or handed == 1_000_000
    reader.finish()
    assert handed == 1_000_000


def test_fields_are_limited():
    assert read([form({"key": "k" * (MAX_FIELDS_BYTES - 3)})])[0].fields["key"]
    error = refused(form({"key": "k" * (MAX_FIELDS_BYTES - 2)}))
    assert (error.code, error.details) == (
        "MaxPostPreDataLengthExceededError", {"MaxPostPreDataLengthBytes": "20480"},
    )
    reader = PostFormReader(CONTENT_TYPE)
    reader.feed(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="key"\r\n\r\n'.encode())
    with pytest.raises(S3Error):
        for _ in range(100):
            reader.feed(b"k" * 1000)
    with pytest.raises(S3Error):
        reader.feed(b"")


def test_headers_of_parts_are_limited():
    assert refused(f"--{BOUNDARY}\r\nX: ".encode() + b"x" * 9000).code == "MalformedPOSTRequest"
    reader = PostFormReader(CONTENT_TYPE)
    with pytest.raises(S3Error) as caught:
        for number in range(2000):
            reader.feed(part(f"f{number}", b"")[:-2] + b"\r\n")
    assert caught.value.code == "MaxPostPreDataLengthExceededError"


@pytest.mark.parametrize(("wire", "code"), [
    (f"--{BOUNDARY}--\r\n".encode(), "InvalidArgument"),
    (part("key", b"k") + f"--{BOUNDARY}--\r\n".encode(), "InvalidArgument"),
    (part("key", b"k") + part("KEY", b"l") + part("file", b""), "InvalidArgument"),
    (part("key", b"\xff") + part("file", b""), "MalformedPOSTRequest"),
    (part("", b"k") + part("file", b""), "MalformedPOSTRequest"),
    (f"--{BOUNDARY}\r\nContent-Disposition: attachment; name=a\r\n\r\n".encode(), "MalformedPOSTRequest"),
    (f"--{BOUNDARY}\r\nno colon\r\n\r\n".encode(), "MalformedPOSTRequest"),
    (f"--{BOUNDARY}garbage\r\n".encode(), "MalformedPOSTRequest"),
    (b"x" * 10_000, "MalformedPOSTRequest"),
    (b"", "MalformedPOSTRequest"),
])
def test_malformed_forms(wire, code):
    assert refused(wire).code == code


def test_unquoted_names_and_padded_boundaries():
    wire = f"--{BOUNDARY}  \r\ncontent-disposition: Form-Data;name=key\r\n\r\nv\r\n".encode() + form({})
    assert dict(read([wire])[0].fields) == {"key": "v"}


@pytest.mark.parametrize(("content_type", "code", "status"), [
    ("application/x-www-form-urlencoded", "PreconditionFailed", 412),
    (None, "PreconditionFailed", 412),
    ("multipart/form-data", "MalformedPOSTRequest", 400),
    ("multipart/form-data; boundary=" + "x" * 71, "MalformedPOSTRequest", 400),
    ('multipart/form-data; boundary="a\nb"', "MalformedPOSTRequest", 400),
])
def test_content_type(content_type, code, status):
    with pytest.raises(S3Error) as caught:
        form_boundary(content_type)
    assert (caught.value.code, caught.value.status) == (code, status)


def test_quoted_boundary():
    assert form_boundary('Multipart/Form-Data; charset=utf-8; Boundary="a b:c"') == b"a b:c"
