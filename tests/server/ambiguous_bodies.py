"""Chunked bodies that two programs may read in two ways, for test_smuggling.

Sources: RFC 9112 section 7.1; the findings of the HTTP Garden (2023-2025); "Funky chunks" (2025) on line ends
in extensions; the invalid requests that gunicorn and llhttp test for. The payload is aws-chunked framing, the
only kind whose HTTP body S3 takes without a Content-Length.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

__all__ = ["MALFORMED", "WELL_FORMED"]

_BEFORE: Final = b"a\r\n5\r\nhello\r\n\r\n"  # ten bytes of payload in a chunk of their own
_LAST: Final = b"0\r\n\r\n"  # and the five that remain
_END: Final = b"0\r\n\r\n"


def _sized(line: bytes) -> bytes:
    """The last five bytes in a chunk whose line is this, without its end."""
    return _BEFORE + line + b"\r\n" + _LAST + b"\r\n" + _END


def _from_last(body: bytes) -> bytes:
    """`body` stands for the rest; `hello` in it for the last five bytes, which precede it otherwise."""
    if b"hello" in body:
        return _BEFORE + body.replace(b"hello", _LAST)
    return _BEFORE + b"5\r\n" + _LAST + b"\r\n" + body


_SIZES: Final = {
    "plus": b"+5", "minus": b"-5", "minus 0": b"-0", "hexadecimal": b"0x5", "HEXADECIMAL": b"0X5",
    "space before": b" 5", "tab before": b"\t5", "space behind": b"5 ", "tab behind": b"5\t",
    "underscore": b"0_5", "no size": b"", "a space for a size": b" ", "an extension for a size": b" ;a=b",
    "a word": b"g", "a word behind": b"5 erf", "16 digits": b"0" * 15 + b"5", "17 zeros": b"0" * 17 + b"5",
    "over 2^64": b"10000000000000005", "2^63": b"8000000000000000", "minus 5 of 64 bits": b"fffffffffffffffb",
    "a comma": b"5,5", "a comma behind": b"5,", "a fraction": b"5.0", "an exponent": b"5e+0",
    "a suffix": b"5h", "a C suffix": b"5L", "a hash": b"#5", "a dollar": b"$5", "quotes": b'"5"',
    "wide digits": b"\xef\xbc\x95", "a superscript": b"\xb9", "a byte order mark": b"\xef\xbb\xbf5",
    "a null": b"5\0", "a vertical tab": b"5\x0b", "a form feed": b"5\x0c", "a bare CR": b"5\r",
    "a bare CR and a letter": b"5\rX", "two CR and an extension": b"5\r\r;ABCD",
    "LF and an extension": b"5\n;", "an equals sign": b"5=a", "an empty extension": b"5;",
    "two empty extensions": b"5;;", "an empty one between": b"5;a;;b", "no name": b"5;=b",
    "no value": b"5;a=", "two words": b"5;a b", "two words in a value": b"5;a=b c",
    "a space at the end": b"5;a ", "a null in an extension": b"5;a\0",
    "a control character in an extension": b"5;a\x01", "a high byte for an extension": b"5;\xff",
    "a vertical tab in an extension": b"5;\x0ba", "a bare LF in an extension": b"5;a\n",
    "a bare CR in an extension": b"5;\ra", "an open quote": b'5;a="',
    "an open quote and more": b'5;a="def; ghi', "a word behind a quote": b'5;a="x"y',
    "a quoted CR": b'5;a="\r"', "a quoted LF": b'5;a="\n"', "a quoted CR LF": b'5;a="\r\n"',
    "a quoted null": b'5;a="\0"', "an escaped end": b'5;a="\\"', "an escaped CR": b'5;a="\\\r"',
    "a long extension": b"5;" + b"a" * 20_000,
}
_REST: Final = {
    "a size in LF": b"5\nhello\r\n0\r\n\r\n", "a size in CR": b"5\rhello\r0\r\r\n",
    "an extension in LF": b"5;a\nhello\r\n0\r\n\r\n", "an empty extension in LF": b"5;\nhello\r\n0\r\n\r\n",
    "data beyond the size": b"3\r\nhello\r\n0\r\n\r\n", "data that ends in LF": b"5\r\nhello\n0\r\n\r\n",
    "data that ends in CR": b"5\r\nhello\r0\r\n\r\n",
    "data that ends in CR CR LF": b"5\r\nhello\r\r\n0\r\n\r\n",
    "data that ends in letters": b"5\r\nhelloXX0\r\n\r\n",
    "data that ends in a letter and LF": b"5\r\nhelloX\n0\r\n\r\n",
    "data without end": b"5\r\nhello0\r\n\r\n", "data one short": b"6\r\nhello\r\n0\r\n\r\n",
    "an empty line before a size": b"\r\n5\r\nhello\r\n0\r\n\r\n",
    "an empty line before the end": b"5\r\nhello\r\n\r\n0\r\n\r\n",
    "LF before the end": b"5\r\nhello\r\n\n0\r\n\r\n", "a space before the last size": b" 0\r\n\r\n",
    "a space behind the last size": b"0 \r\n\r\n", "a word behind the last size": b"0 rrrr\r\n\r\n",
    "an end of LF": b"0\r\n\n", "an end of LF alone": b"0\n\n", "a last chunk in LF": b"0\n\r\n",
    "an end of CR CR LF": b"0\r\n\r\r\n", "an end of CR and a letter": b"0\r\n\rX\r\n\r\n",
    "an end of letters": b"0\r\nXX\r\n\r\n", "a trailer in LF": b"0\r\nX: y\n\r\n",
    "a trailer in CR": b"0\r\nX: a\rb\r\n\r\n", "a trailer in CR CR LF": b"0\r\nX: a\r\r\n\r\n",
    "a header behind a trailer's LF": b"0\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n",
    "a folded trailer": b"0\r\nX: y\r\n z\r\n\r\n", "a trailer folded by a tab": b"0\r\nX: a\r\n\tb\r\n\r\n",
    "a space before a trailer": b"0\r\n X: y\r\n\r\n",
    "a space behind a trailer's name": b"0\r\nX : y\r\n\r\n", "a trailer without name": b"0\r\n: y\r\n\r\n",
    "a trailer without colon": b"0\r\nX\r\n\r\n", "a null in a trailer": b"0\r\nX: a\0\r\n\r\n",
    "a control character in a trailer's name": b"0\r\nX\x01: a\r\n\r\n",
    "a trailer that is a request": b"0\r\nGET / HTTP/1.1\r\n\r\n",
    "trailers without end": b"0\r\n" + b"X: y\r\n" * 4000,
}
MALFORMED: Final = MappingProxyType({
    **{f"size: {name}": _sized(line) for name, line in _SIZES.items()},
    **{name: _from_last(body) for name, body in _REST.items()},
})
"""Bodies that are no chunked bodies, to the letter of RFC 9112."""

_TRAILERS: Final = (
    (b"Content-Length", b"99"), (b"Transfer-Encoding", b"chunked"), (b"Host", b"a"), (b"Authorization", b"a"),
    (b"Content-Type", b"a/b"), (b"x-amz-decoded-content-length", b"1"), (b"Connection", b"close"),
)
WELL_FORMED: Final = MappingProxyType({
    "plain": _sized(b"5"), "zeros in front": _sized(b"0005"),
    "one chunk": b"F\r\n" + _BEFORE[3:-2] + _LAST + b"\r\n" + _END,
    "extensions": _sized(b'5;a;b=c;d="x;y\\"z\xe4"'), "white space around extensions": _sized(b"5 ; a = b"),
    "several zeros at the end": _from_last(b"000\r\n\r\n"),
    "an extension at the end": _from_last(b"0;a=b\r\n\r\n"),
    # Trailers mean nothing (RFC 9110, 6.5.1), these least of all.
    **{
        f"{name.decode()} in a trailer": _from_last(b"0\r\n%b: %b\r\n\r\n" % (name, value))
        for name, value in _TRAILERS
    },
})
"""Bodies of five payload bytes, hello."""
