"""Request heads that two programs may read in two ways: the corpus of test_smuggling.

Sources: RFC 9112 sections 2.2-2.3, 3, 5, 6 and 11.2; "HTTP Desync Attacks" (2019) and its successors up to
"HTTP/1.1 must die" (2025) with the permutations of its scanner and of smuggler.py; the findings of the HTTP
Garden (2023-2025); the invalid requests that gunicorn, llhttp and Http11Probe test for.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

__all__ = ["HOST", "LETTERS_AROUND_CHUNKED", "REFUSED", "head"]

HOST: Final = b"Host: s3.example\r\n"
_POST: Final = b"POST /bucket?delete HTTP/1.1\r\n"
_TE: Final = b"Transfer-Encoding: chunked\r\n"
_CL: Final = b"Content-Length: 5\r\n"


def head(lines: bytes, start: bytes = _POST + HOST) -> bytes:
    """A head with these header lines (and their ends)."""
    return start + lines + b"\r\n"


def _line(line: bytes) -> bytes:
    return line + b"\r\n" + HOST + b"\r\n"


_CODINGS: Final = {
    # Values of Transfer-Encoding that some read as chunked and some do not.
    "chunked, chunked": b"chunked, chunked", "identity, chunked": b"identity, chunked",
    "gzip, chunked": b"gzip, chunked", "chunked, identity": b"chunked, identity", "identity": b"identity",
    "deflate, chunked": b"deflate, chunked", "xchunked": b"xchunked", "chunk": b"chunk",
    "chunkedchunked": b"chunkedchunked", "a word before and behind": b"cow chunked bar",
    "pigeons": b"pigeons", "aws-chunked": b"aws-chunked", "aws-chunked, chunked": b"aws-chunked, chunked",
    "trailers": b"trailers", "a parameter": b"chunked;a=b", "an empty parameter": b"chunked;",
    "a weight": b"chunked;q=0", "a comment": b"chunked (really)", "quotes": b'"chunked"',
    "single quotes": b"'chunked'", "a comma in front": b",chunked", "a comma behind": b"chunked,",
    "nothing": b"", "an encoded word": b"=?iso-8859-1?B?Y2h1bmtlZA==?=", "a vertical tab": b"\x0bchunked",
    "a form feed": b"chunked\x0c", "a file separator": b"\x1cchunked", "a null": b"chun\0ked",
    "a null behind": b"chunked\0", "a high byte": b"chunked\xa0", "high bytes around": b"\x85chunked\x85",
    "an accent": b"ch\x96nked", "a Kelvin sign": b"chun\xe2\x84\xaaed", "a fold": b"\r\n chunked",
    "two folds": b"\r\n \r\n chunked", "a fold by a tab": b" \r\n\tchunked", "a fold by LF": b"\n chunked",
    "LF and a vertical tab": b" \n\x0bchunked", "CR behind": b"chunked\r",
}
_LENGTHS: Final = {
    "a list of lengths": b"5, 5", "a list of other lengths": b"5, 6", "an empty member first": b", 5",
    "an empty member last": b"5,", "0 and another": b"0, 5", "a sign": b"+5", "a minus": b"-5",
    "minus 0": b"-0", "plus 0": b"+0", "hexadecimal": b"0x5", "nothing behind 0x": b"0x", "octal": b"0o5",
    "binary": b"0b101", "a fraction": b"5.0", "an exponent": b"5e0", "a huge exponent": b"1e400",
    "infinity": b"inf", "nan": b"nan", "an underscore": b"5_0", "a sign and an underscore": b"+1_0",
    "a space": b"5 0", "a tab": b"5\t0", "other digits": b"\xd9\xa5", "wide digits": b"\xef\xbc\x95",
    "a superscript": b"\xb2", "nothing": b"", "huge": b"99999999999999999999999",
    "2^64": b"18446744073709551616", "over 2^64": b"18446744073709551621", "2^63": b"9223372036854775808",
    "many zeros": b"0" * 19 + b"5", "2^32 and 5": b"00000000004294967301", "quotes": b'"5"',
    "single quotes": b"'5'", "brackets": b"[5]", "a prefix of digits": b"5Z", "letters": b"Z5",
    "a semicolon": b"5;", "a parameter": b"5;q=1", "a comment": b"5 (c)", "a word": b"five", "true": b"true",
    "a null": b"5\0", "a vertical tab": b"5\x0b", "a form feed": b"5\x0c", "a high byte": b"5\x85",
    "a high byte in front": b"\xa05", "a hash": b"#5", "a fold": b"\r\n 5", "a second line": b"5\r\n 0",
    "CR behind": b"5\r",
}
_HOSTS: Final = {
    "a list": b"a, b", "the same twice": b"a,a", "a path": b"a/b", "a user": b"a@b",
    "a password": b"u:p@s3.example", "a space": b"a b", "a tab": b"a\tb", "a backslash": b"a\\b",
    "quotes": b'"a"', "a fragment": b"a#b", "a query": b"a?b", "two ports": b"a:80:80",
    "a service": b"a:http", "a sign in the port": b"a:+80", "a port of six digits": b"a:999999",
    "an open bracket": b"[::1", "a later address": b"[v1.a:b]", "no brackets": b"::1",
    "a zone": b"[fe80::1%25eth0]", "a word behind brackets": b"[::1]x", "an escape": b"s3%2eexample",
    "an escaped null": b"s3%00", "a high byte": b"s3.ex\xe4mple", "a scheme": b"http://s3.example",
    "a semicolon": b"a;b", "an equals sign": b"0.0.0.0=5000", "angle brackets": b"<s3>",
    "a control character": b"a\x01", "a null": b"a\0", "a bare CR": b"a\rb", "a star": b"*",
    "an exclamation mark": b"a!", "a fold": b"a\r\n .b",
}
_HEADERS: Final = {
    # Header lines, of which some hide one that matters.
    "length and chunked": _CL + _TE, "chunked and length": _TE + _CL,
    "length 0 and chunked": b"Content-Length: 0\r\n" + _TE,
    "chunked and length far apart": _TE + b"X: y\r\n" * 20 + _CL,
    "shouted chunked and length": b"TRANSFER-ENCODING: CHUNKED\r\n" + _CL,
    "tabs around chunked, and length": b"Transfer-Encoding:\tchunked\t\r\n" + _CL,
    "identity and length": b"Transfer-Encoding: identity\r\n" + _CL,
    "empty codings and length": _CL + b"Transfer-Encoding:\r\n" * 3,
    "chunked for the next hop alone": b"Connection: Transfer-Encoding\r\n" + _TE + _CL,
    "chunked twice": _TE + _TE, "identity, then chunked": b"Transfer-Encoding: identity\r\n" + _TE,
    "chunked, then identity": _TE + b"Transfer-Encoding: identity\r\n",
    "nothing, then chunked": b"Transfer-Encoding:\r\n" + _TE,
    "chunked, then nothing": _TE + b"Transfer-Encoding:\r\n", "two lengths": _CL + b"Content-Length: 6\r\n",
    "the same length twice": _CL + _CL, "three times": _CL * 3,
    "the same length in two spellings": _CL + b"content-length: 5\r\n",
    "no length, then one": b"Content-Length:\r\n" + _CL,
    "one length, then none": _CL + b"Content-Length: \r\n",
    "space before the colon": b"Transfer-Encoding : chunked\r\n",
    "tab before the colon": b"Transfer-Encoding\t: chunked\r\n",
    "space before the name": b" Transfer-Encoding: chunked\r\n",
    "space in the name": b"Transfer Encoding: chunked\r\n",
    "a word behind the name": b"Transfer-Encoding x: chunked\r\n",
    "a backslash in the name": b"Transfer\\Encoding: chunked\r\n",
    "a high byte behind the name": b"Transfer-Encoding\x85: chunked\r\n",
    "a soft hyphen in the name": b"Transfer\xc2\xadEncoding: chunked\r\n",
    "an accent in the name": b"Transf\x82r-Encoding: chunked\r\n",
    "a bare CR in the name": b"Tra\rnsfer-Encoding: chunked\r\n",
    "a byte order mark": b"\xef\xbb\xbfTransfer-Encoding: chunked\r\n",
    "a wide colon": b"Transfer-Encoding\xef\xbc\x9a chunked\r\n",
    "LF before the colon": b"Transfer-Encoding\n : chunked\r\n",
    "a length before a space": b"Content-Length : 5\r\n", "a length without colon": b"Content-Length 5\r\n",
    "a length with two colons": b"Content-Length:: 5\r\n",
    "a length behind a colon": b":Content-Length: 5\r\n",
    "a length by an equals sign": b"Content-Length=5\r\n", "a null behind a name": b"Content-Length\0: 5\r\n",
    "a length behind a broken line": b"X-Invalid Y: \r\n" + _CL,
    "a length before an upgrade": b"Connection: upgrade\r\nContent-Length : 4\r\nUpgrade: ws\r\n",
    "a folded header": b"X: y\r\n Transfer-Encoding: chunked\r\n",
    "a header folded by a tab": b"X: y\r\n\tTransfer-Encoding: chunked\r\n",
    "chunked behind a bare CR": b"X: y\rTransfer-Encoding: chunked\r\n",
    "chunked behind a bare LF": b"X: y\nTransfer-Encoding: chunked\r\n",
    "chunked behind CR CR LF": b"X: y\r\r\nTransfer-Encoding: chunked\r\n",
    "chunked behind LF CR": b"X: y\n\rTransfer-Encoding: chunked\r\n",
    "chunked behind CR LF CR": b"X: y\r\n\rTransfer-Encoding: chunked\r\n",
    "chunked behind a null": b"X: y\0\r\nTransfer-Encoding: chunked\r\n",
    "a length behind a bare CR": b"X: y\rContent-Length: 5\r\n", "no name": b": y\r\n",
    "nothing but a colon": b":\r\n", "no colon": b"X\r\n", "a name with a space": b"X Y: z\r\n",
    "a null in a name": b"X\0: y\r\n", "a high byte in a name": b"X\xe4: y\r\n",
    "a quoted name": b'"X": y\r\n', "parentheses in a name": b"X(): y\r\n",
    "a slash in a name": b"X/Y: z\r\n", "brackets in a name": b"X[1]: y\r\n", "an at in a name": b"X@: y\r\n",
    "a comma in a name": b"X,Y: z\r\n", "a semicolon in a name": b"X;Y: z\r\n",
    "a control character in a name": b"X\x01: y\r\n", "a control character in a value": b"X: \x01\r\n",
    "a bell": b"X: \x07\r\n", "an escape": b"X: \x1b[31m\r\n",
    "a delete character in a value": b"X: \x7f\r\n", "a null and a CR in a value": b"X: v\0\ralue\r\n",
    "a bare CR in a value": b"X: va\rlue\r\n", "a request behind two LF": b"X:\n\nGET / HTTP/1.1\r\n",
    "a request line": b"GET /admin HTTP/1.1\r\n",
    "a request behind CR LF CR": b"\rZGET /evil: HTTP/1.1\r\n" + HOST,
    "a line of a space": b"X: y\r\n \r\nZ: q\r\n", "a line of a tab": b"X: y\r\n\t\r\nZ: q\r\n",
    "too many": b"".join(b"X-%d: y\r\n" % number for number in range(257)),
}
_REQUEST_LINES: Final = {
    "two spaces": b"GET  / HTTP/1.1", "a tab": b"GET\t/ HTTP/1.1", "a space at the end": b"GET / HTTP/1.1 ",
    "a tab at the end": b"GET / HTTP/1.1\t", "a space in front": b" GET / HTTP/1.1",
    "LF for spaces": b"GET\n/\nHTTP/1.1", "LF before the version": b"GET /\nHTTP/1.1",
    "a vertical tab": b"GET\x0b/\x0bHTTP/1.1", "a form feed": b"GET\x0c/ HTTP/1.1",
    "a hard space": b"GET\xa0/ HTTP/1.1", "a bare CR for a space": b"GET\r/ HTTP/1.1",
    "no target": b"GET HTTP/1.1", "an empty target": b"GET  HTTP/1.1", "a method alone": b"GET",
    "two targets": b"GET /a /b HTTP/1.1", "a space in the target": b"GET /a b HTTP/1.1",
    "a null in the target": b"GET /\0 HTTP/1.1", "a delete character in the target": b"GET /\x7f HTTP/1.1",
    "a high byte in the target": b"GET /\xe4 HTTP/1.1", "a bare CR in the line": b"GET /\r HTTP/1.1",
    "bad escapes in the query": b"GET /?%zz HTTP/1.1", "a fragment": b"GET /bucket#x HTTP/1.1",
    "an asterisk": b"GET * HTTP/1.1", "an asterisk for options": b"OPTIONS * HTTP/1.1",
    "an authority": b"GET s3.example:80 HTTP/1.1", "a tunnel": b"CONNECT s3.example:443 HTTP/1.1",
    "a relative path": b"GET bucket/k HTTP/1.1", "an exclamation mark": b"GET ! HTTP/1.1",
    "a query alone": b"GET ?a HTTP/1.1", "another host in the target": b"GET http://a/ HTTP/1.1",
    "another port in the target": b"GET http://s3.example:81/ HTTP/1.1",
    "the default port in the target alone": b"GET http://s3.example:80/ HTTP/1.1",
    "no host in the target": b"GET http:///a HTTP/1.1", "one slash": b"GET http:/s3.example/ HTTP/1.1",
    "no slash": b"GET http:s3.example/ HTTP/1.1",
    "a user in the target": b"GET http://b@s3.example/ HTTP/1.1",
    "a password in the target": b"GET http://u:p@s3.example/ HTTP/1.1",
    "a host that looks like a user": b"GET http://s3.example@a/ HTTP/1.1",
    "a backslash behind the host": b"GET http://s3.example\\a/ HTTP/1.1",
    "an escape in the host": b"GET http://s3%2eexample/ HTTP/1.1",
    "a fragment for a path": b"GET http://s3.example#@a/ HTTP/1.1",
    "a scheme within the path": b"GET s3.example/http://a HTTP/1.1", "ftp": b"GET ftp://s3.example/ HTTP/1.1",
    "file": b"GET file:///etc/passwd HTTP/1.1", "ws": b"GET ws://s3.example/ HTTP/1.1",
    "a method that is none": b"G(T / HTTP/1.1", "a method with a colon": b"GET: / HTTP/1.1",
    "a method with quotes": b'G="T / HTTP/1.1', "a null behind the method": b"GET\0 / HTTP/1.1",
    "a word behind a null": b"GET\0PUT / HTTP/1.1", "a high byte behind the method": b"GET\xdf / HTTP/1.1",
    "no minor version": b"GET / HTTP/1", "lower-case http": b"GET / http/1.1",
    "HTTP/1.1.1": b"GET / HTTP/1.1.1", "HTTP/01.1": b"GET / HTTP/01.1", "HTTP/111": b"GET / HTTP/111",
    "HTTP/1,1": b"GET / HTTP/1,1", "HTTP/1.1x": b"GET / HTTP/1.1x", "HTTP/+1.1": b"GET / HTTP/+1.1",
    "HTTP/1.32": b"GET / HTTP/1.32", "HTTP/10.1": b"GET / HTTP/10.1",
    "HTTP/4294967297.1": b"GET / HTTP/4294967297.1", "a space before the number": b"GET / HTTP/ 1.1",
    "a space before the slash": b"GET / HTTP /1.1", "the version twice": b"GET / HTTP/1.1 HTTP/1.1",
    "CR before the number": b"GET / HTTP/\r\r1.1", "CR behind the version": b"GET / HTTP/1.1\r",
    "a null behind the version": b"GET / HTTP/1.1\0", "a wide 1": b"GET / HTTP/\xef\xbc\x91.1",
    "HTTP/0.9": b"GET / HTTP/0.9", "HTTP/1.2": b"GET / HTTP/1.2", "HTTP/2.0": b"GET / HTTP/2.0",
    "HTTP/3.9": b"GET / HTTP/3.9", "FTP/1.1": b"GET / FTP/1.1", "ICE/1.0": b"GET / ICE/1.0",
    "RTSP/1.0": b"PUT / RTSP/1.0", "IHTTP/1.1": b"GET / IHTTP/1.1",
}
_GET: Final = b"GET / HTTP/1.1\r\n"
_WHOLE: Final = {
    "chunked in HTTP/1.0": head(_TE, b"POST /bucket?delete HTTP/1.0\r\n" + HOST),
    "length 0 and chunked in HTTP/1.0": head(b"Content-Length: 0\r\n" + _TE, b"POST / HTTP/1.0\r\n" + HOST),
    "two lengths in HTTP/1.0": head(_CL + b"Content-Length: 6\r\n", b"POST / HTTP/1.0\r\n" + HOST),
    "chunked before the host": _POST + _TE + HOST + _CL + b"\r\n",
    "chunked folded into the request line": _POST + b" Transfer-Encoding: chunked\r\n" + HOST + b"\r\n",
    "a length behind a tab, first of all": _POST + b"\tContent-Length: 5\r\n" + HOST + b"\r\n",
    "line feeds alone": b"POST / HTTP/1.1\nHost: h\nContent-Length: 5\n\n",
    "carriage returns alone": b"POST / HTTP/1.1\rHost: s3.example\r\r\n\r\n",
    "an end of line feeds": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\n\n\r\n\r\n",
    "an end of LF CR LF": _POST + b"Host: s3.example\n\r\n\r\n",
    "an end of CR LF LF": _POST + HOST + b"\n\r\n\r\n",
    "an end of CR CR LF": _POST + HOST + b"\r\r\n\r\n\r\n",
    "an end of carriage returns": _POST + b"Host: s3.example\r\r\r\n\r\n",
    "two hosts": _GET + b"Host: a\r\nHost: b\r\n\r\n", "the same host twice": _GET + HOST + HOST + b"\r\n",
    "the same host in two spellings": _GET + HOST + b"HOST: s3.example\r\n\r\n", "no host": _GET + b"\r\n",
    "an empty host and one": _GET + b"Host:\r\n" + HOST + b"\r\n",
    "two hosts in HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "a space before the host": _GET + b" " + HOST + b"X: y\r\n\r\n",
    "a space behind Host": _GET + b"Host : s3.example\r\n\r\n", "no version": b"GET /\r\n\r\n",
    "no version, by LF": b"GET /\n", "a line of spaces first": b"   \r\n" + _line(b"GET / HTTP/1.1"),
    "LF first": b"\n" + _line(b"GET / HTTP/1.1"), "CR first": b"\r" + _line(b"GET / HTTP/1.1"),
    "CR CR LF first": b"\r\r\n" + _line(b"GET / HTTP/1.1"),
    "a byte order mark first": b"\xef\xbb\xbf" + _line(b"GET / HTTP/1.1"),
    "a thousand empty lines first": b"\r\n" * 1000 + _line(b"GET / HTTP/1.1"),
    "nulls": b"\0" * 64 + b"\r\n\r\n", "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "the preface of HTTP/2 and settings": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200) + b"\r\n\r\n",
    "TLS, cut": bytes.fromhex("16030100c8010000c40303"),
    "SSL 2": b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10\r\n\r\n", "SSH": b"SSH-2.0-OpenSSH_9\r\n\r\n",
    "SMTP": b"EHLO example\r\n\r\n", "a key-value store": b"*1\r\n$4\r\nPING\r\n\r\n",
    "an HTTP response": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a proxy's preamble": b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n" + _line(b"GET / HTTP/1.1"),
    "a proxy's binary preamble": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12) + _line(b"GET / HTTP/1.1"),
}

REFUSED: Final = MappingProxyType({
    **{f"a coding: {name}": head(b"Transfer-Encoding: %b\r\n" % value) for name, value in _CODINGS.items()},
    **{f"a length: {name}": head(b"Content-Length: %b\r\n" % value) for name, value in _LENGTHS.items()},
    **{f"a host: {name}": _GET + b"Host: %b\r\n\r\n" % value for name, value in _HOSTS.items()},
    **{f"headers: {name}": head(lines) for name, lines in _HEADERS.items()},
    **{f"a request line: {name}": _line(line) for name, line in _REQUEST_LINES.items()},
    **_WHOLE,
})
"""Heads that nobody may act upon: 400 (or 505), closed, and nothing behind them is read."""

_BLANK: Final = b"\t "
LETTERS_AROUND_CHUNKED: Final = tuple(
    pattern % bytes([byte])
    for pattern in (
        b"Transfer-Encoding:%bchunked\r\n", b"Transfer-Encoding: chunked%b\r\n",
        b"Transfer-Encoding%b: chunked\r\n", b"%bTransfer-Encoding: chunked\r\n",
    )
    for byte in (*range(0x21), *range(0x7F, 0x100))
    if not (byte in _BLANK and pattern.index(b"%b") >= pattern.index(b":"))
)
"""One byte that is no printable ASCII at each end of the header's name and of its value, but for white space
around the value, which has no meaning."""
