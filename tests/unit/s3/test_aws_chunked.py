"""aws-chunked bodies: S3's published examples, every split of the wire, every kind of damage."""

from __future__ import annotations

import hashlib
import hmac
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.s3.aws_chunked import ChunkedDecoder
from weka_mp.s3.credentials import ChunkSigning, PayloadMode, SecretKey, SigningKeyCache
from weka_mp.s3.errors import S3Error

SECRET = SecretKey("example", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
KEY = SigningKeyCache().get(SECRET, "20130524", "us-east-1", "s3")
SCOPE = "20130524/us-east-1/s3/aws4_request"
STAMP = "20130524T000000Z"
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
TRAILER_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
CRC32C = "x-amz-checksum-crc32c"
PLAIN = PayloadMode.STREAMING_UNSIGNED_TRAILER
SIGNED = PayloadMode.STREAMING_SIGNED
SIGNED_TRAILER = PayloadMode.STREAMING_SIGNED_TRAILER


def signing(seed: str = SEED) -> ChunkSigning:
    return ChunkSigning(KEY, seed, STAMP, SCOPE)


def sign(algorithm: str, previous: str, *hashes: str) -> str:
    text = "\n".join((algorithm, STAMP, SCOPE, previous, *hashes))
    return hmac.new(KEY, text.encode(), "sha256").hexdigest()


def encode(chunks: list[bytes], *, seed: str | None = None, trailers: dict[str, str] | None = None) -> bytes:
    """A body as a client frames it; signed when seed is given."""
    wire, previous = [], seed
    for chunk in [*chunks, b""]:
        extension = ""
        if previous is not None:
            empty, found = hashlib.sha256(b"").hexdigest(), hashlib.sha256(chunk).hexdigest()
            previous = sign("AWS4-HMAC-SHA256-PAYLOAD", previous, empty, found)
            extension = f";chunk-signature={previous}"
        wire.append(f"{len(chunk):x}{extension}\r\n".encode() + chunk + (b"\r\n" if chunk else b""))
    text = "".join(f"{name}:{value}\n" for name, value in (trailers or {}).items())
    wire.append(text.replace("\n", "\r\n").encode())
    if trailers and previous is not None:
        signature = sign("AWS4-HMAC-SHA256-TRAILER", previous, hashlib.sha256(text.encode()).hexdigest())
        wire.append(f"x-amz-trailer-signature:{signature}\r\n".encode())
    return b"".join([*wire, b"\r\n"])


def decode(decoder: ChunkedDecoder, pieces: list[bytes]) -> bytes:
    found = b"".join(bytes(part) for piece in pieces for part in decoder.feed(piece))
    decoder.finish()
    return found


def refused(decoder: ChunkedDecoder, wire: bytes) -> str:
    with pytest.raises(S3Error) as caught:
        decode(decoder, [wire])
    assert not decoder.is_complete
    return caught.value.code


def test_published_example_of_signed_chunks():
    data = b"a" * 66560
    wire = encode([data[:65536], data[65536:]], seed=SEED)
    assert b"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648" in wire
    assert b"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497" in wire
    assert b"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9" in wire
    assert decode(ChunkedDecoder(SIGNED, len(data), signing=signing()), [wire]) == data


def test_published_example_of_signed_trailers():
    data = b"a" * 66560
    wire = encode([data[:65536], data[65536:]], seed=TRAILER_SEED, trailers={CRC32C: "sOO8/Q=="})
    assert b"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435" in wire
    decoder = ChunkedDecoder(
        SIGNED_TRAILER, len(data), signing=signing(TRAILER_SEED), declared_trailers=frozenset({CRC32C})
    )
    assert decode(decoder, [wire]) == data
    assert decoder.trailers == {CRC32C: "sOO8/Q=="}


def test_trailer_set_off_by_an_empty_line():
    wire = encode([b"abc"], seed=SEED, trailers={CRC32C: "AAAAAA=="})
    wire = wire.replace(b"AAAAAA==\r\n", b"AAAAAA==\n\r\n")
    decoder = ChunkedDecoder(SIGNED_TRAILER, 3, signing=signing(), declared_trailers=frozenset({CRC32C}))
    assert decode(decoder, [wire]) == b"abc"


@st.composite
def bodies(draw):
    mode = draw(st.sampled_from([PLAIN, SIGNED, SIGNED_TRAILER]))
    sizes = draw(st.lists(st.integers(8192, 9000), max_size=2))
    sizes += draw(st.lists(st.integers(1, 50), max_size=1))
    chunks = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    trailers = {CRC32C: "AAAAAA=="} if mode.has_trailer and draw(st.booleans()) else {}
    return mode, chunks, trailers


def build(mode, chunks, trailers) -> tuple[ChunkedDecoder, bytes]:
    seed = SEED if mode.signs_chunks else None
    decoder = ChunkedDecoder(
        mode, sum(map(len, chunks)), signing=signing() if seed else None,
        declared_trailers=frozenset(trailers),
    )
    return decoder, encode(chunks, seed=seed, trailers=trailers)


@given(bodies(), st.lists(st.integers(0, 20000), max_size=12))
def test_any_split_gives_the_same(body, cuts):
    decoder, wire = build(*body)
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    pieces = [wire[start:end] for start, end in pairwise(edges)]
    assert decode(decoder, pieces) == b"".join(body[1])
    assert decoder.trailers == body[2]


@pytest.mark.parametrize("mode", [PLAIN, SIGNED, SIGNED_TRAILER])
def test_byte_by_byte(mode):
    chunks = [b"x" * 8192, b"y" * 10]
    decoder, wire = build(mode, chunks, {CRC32C: "AAAAAA=="} if mode.has_trailer else {})
    assert decode(decoder, [wire[at:at + 1] for at in range(len(wire))]) == b"".join(chunks)


@given(bodies(), st.data())
def test_a_flipped_byte_of_a_signed_body_never_passes(body, data):
    mode, chunks, trailers = body
    if not mode.signs_chunks:
        return
    decoder, wire = build(mode, chunks, trailers)
    at = data.draw(st.integers(0, len(wire) - 1))
    flipped = wire[:at] + bytes([wire[at] ^ data.draw(st.integers(1, 255))]) + wire[at + 1:]
    try:
        found = decode(decoder, [flipped])
    except S3Error:
        return
    # What survives is spelling alone: the payload and the trailers are what was signed.
    assert found == b"".join(chunks)
    assert decoder.trailers == trailers


@given(bodies(), st.integers(1, 40))
def test_a_cut_body_never_passes(body, missing):
    decoder, wire = build(*body)
    assert refused(decoder, wire[:max(0, len(wire) - missing)]) == "IncompleteBody"


@given(st.sampled_from([PLAIN, SIGNED, SIGNED_TRAILER]), st.binary(max_size=200))
def test_garbage_raises_only_s3_errors(mode, garbage):
    decoder, _ = build(mode, [], {CRC32C: "x"} if mode.has_trailer else {})
    with pytest.raises(S3Error):
        decode(decoder, [garbage])
    assert not decoder.is_complete


def test_wrong_chunk_signature_is_known_at_the_end_of_its_chunk():
    wire = encode([b"a" * 8192, b"b"], seed=SEED).replace(b"a" * 8192, b"c" + b"a" * 8191)
    decoder = ChunkedDecoder(SIGNED, 8193, signing=signing())
    head = wire.index(b"\r\n") + 2
    assert len(b"".join(decoder.feed(wire[: head + 8191]))) == 8191
    with pytest.raises(S3Error) as caught:
        decoder.feed(wire[head + 8191: head + 8192])
    assert caught.value.code == "SignatureDoesNotMatch"
    with pytest.raises(S3Error):
        decoder.feed(b"more")


def test_swapped_chunks_break_the_chain():
    first, second = b"a" * 8192, b"b" * 8192
    wire = encode([first, second], seed=SEED)
    end = wire.index(first) + len(first) + 2
    stop = wire.index(second) + len(second) + 2
    swapped = wire[end:stop] + wire[:end] + wire[stop:]
    assert refused(ChunkedDecoder(SIGNED, 16384, signing=signing()), swapped) == "SignatureDoesNotMatch"


def test_a_chunk_has_a_signature_exactly_where_chunks_are_signed():
    """Neither is one that is missing forgiven, nor one that nobody would look at passed over."""
    bare = encode([b"abc"])
    assert refused(ChunkedDecoder(SIGNED, 3, signing=signing()), bare) == "IncompleteBody"
    last = encode([b"abc"], seed=SEED).rpartition(b"0;")[0] + b"0\r\n\r\n"
    assert refused(ChunkedDecoder(SIGNED, 3, signing=signing()), last) == "IncompleteBody"
    assert refused(ChunkedDecoder(PLAIN, 3), encode([b"abc"], seed=SEED)) == "IncompleteBody"


def test_wrong_trailer_signature():
    wire = encode([b"abc"], seed=SEED, trailers={CRC32C: "AAAAAA=="}).replace(b"AAAAAA", b"BBBBBB")
    decoder = ChunkedDecoder(SIGNED_TRAILER, 3, signing=signing(), declared_trailers=frozenset({CRC32C}))
    assert refused(decoder, wire) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(("wire", "length", "code"), [
    (b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", 4, "InvalidChunkSizeError"),
    (b"4\r\nabcd\r\n0\r\n\r\n", 3, "IncompleteBody"),
    (b"2\r\nab\r\n0\r\n\r\n", 3, "IncompleteBody"),
    (b"3\r\nabcX\r\n0\r\n\r\n", 3, "IncompleteBody"),
    (b"zz\r\n", 3, "IncompleteBody"),
    (b"-3\r\nabc", 3, "IncompleteBody"),
    (b"ffffffffffffffffff\r\n", 3, "IncompleteBody"),
    (b"0" * 5000, 3, "IncompleteBody"),
    (b"3;chunk-signature=" + b"0" * 64 + b"\r\nabc\r\n", 3, "IncompleteBody"),
    (b"3\r\nabc\r\n0\r\n" + b"x" * 5000, 3, "MalformedTrailerError"),
    (b"3\r\nabc\r\n0\r\nnonsense\r\n\r\n", 3, "MalformedTrailerError"),
    (b"3\r\nabc\r\n0\r\nx-amz-meta-a:1\r\n\r\n", 3, "MalformedTrailerError"),
    (b"3\r\nabc\r\n0\r\nx-amz-trailer-signature:1\r\n\r\n", 3, "MalformedTrailerError"),
    (b"3\r\nabc\r\n0\r\n\r\n", 3, "MalformedTrailerError"),
    (b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32c:a\r\nx-amz-checksum-crc32c:a\r\n\r\n", 3,
     "MalformedTrailerError"),
    (b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32c:a\r\n\r\nmore", 3, "IncompleteBody"),
    (b"", 3, "IncompleteBody"),
])
def test_malformed_unsigned_bodies(wire, length, code):
    decoder = ChunkedDecoder(PLAIN, length, declared_trailers=frozenset({CRC32C}))
    assert refused(decoder, wire) == code


@pytest.mark.parametrize(("lines", "passes"), [(16, True), (17, False)])
def test_framing_is_bounded(lines, passes):
    """docs/LIMITS.md, L18: trailers."""
    names = [f"x-amz-checksum-{number}" for number in range(lines)]
    trailers = b"".join(name.encode() + b":a\r\n" for name in names)
    decoder = ChunkedDecoder(PLAIN, 3, declared_trailers=frozenset(names))
    wire = b"3\r\nabc\r\n0\r\n" + trailers + b"\r\n"
    if passes:
        assert decode(decoder, [wire]) == b"abc"
        assert len(decoder.trailers) == lines
    else:
        assert refused(decoder, wire) == "MalformedTrailerError"


@pytest.mark.parametrize(("before", "padding"), [(b"", b"3"), (b"0\r\n", CRC32C.encode() + b":a")])
def test_a_line_is_bounded(before, padding):
    """docs/LIMITS.md, L18: a longer one is refused before its end came, so it is not collected."""
    line = padding + b" " * (4096 - len(padding) - 2)
    decoder = ChunkedDecoder(PLAIN, 3 if not before else 0, declared_trailers=frozenset({CRC32C}))
    for piece in (before, line, b"\r\n"):
        assert not list(decoder.feed(piece))
    decoder = ChunkedDecoder(PLAIN, 3 if not before else 0, declared_trailers=frozenset({CRC32C}))
    assert not list(decoder.feed(before + line + b"  "))
    with pytest.raises(S3Error):
        list(decoder.feed(b" "))


def test_surplus_line_end_is_forgiven():
    decoder = ChunkedDecoder(PLAIN, 3, declared_trailers=frozenset({CRC32C}))
    wire = b"3\r\nabc\r\n0\r\nX-Amz-Checksum-Crc32c: AAAAAA== \r\n\r\n\r\n"
    assert decode(decoder, [wire]) == b"abc"
    assert decoder.trailers == {CRC32C: "AAAAAA=="}


def test_context_must_fit_the_mode():
    with pytest.raises(ValueError, match="without"):
        ChunkedDecoder(SIGNED, 0)
    with pytest.raises(ValueError, match="with a"):
        ChunkedDecoder(PLAIN, 0, signing=signing())
