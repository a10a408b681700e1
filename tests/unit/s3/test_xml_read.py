"""XML that no client of S3 sends: refused as MalformedXML where it begins, without a tree of it."""

from __future__ import annotations

import encodings
import pkgutil
import tracemalloc

import pytest

from weka_mp.s3.bodies import BODY_LIMITS, completed_parts, delete_entries, new_bucket
from weka_mp.s3.errors import S3Error
from weka_mp.s3.xml_read import document

MIB = 1024 * 1024
KEY = b"<Object><Key>k</Key></Object>"
LAUGHS = b"".join(b'<!ENTITY l%d "%b">' % (n + 1, b"&l%d;" % n * 10) for n in range(9))
BOMBS = {
    "billion laughs": b'<!DOCTYPE d [<!ENTITY l0 "lol">' + LAUGHS + b"]><Delete>&l9;</Delete>",
    "quadratic blow-up": b'<!DOCTYPE d [<!ENTITY a "' + b"a" * 50_000 + b'">]><Delete>' + b"&a;" * 50_000
    + b"</Delete>",
    "external entity": b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete>&x;</Delete>',
    "parameter entity": b'<!DOCTYPE d [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x">%x;]><Delete/>',
    "external type": b'<!DOCTYPE d SYSTEM "http://127.0.0.1:1/x"><Delete>' + KEY + b"</Delete>",
    "a type alone": b"<!DOCTYPE Delete><Delete>" + KEY + b"</Delete>",
    "default attributes": b'<!DOCTYPE d [<!ATTLIST Delete a CDATA "b">]><Delete>' + KEY + b"</Delete>",
    "a tower": b"<Delete>" + b"<a>" * 500_000,
    "a closed tower": b"<Delete>" + b"<a>" * 200_000 + b"</a>" * 200_000 + b"</Delete>",
    "elements": b"<Delete>" + b"<Object/>" * 200_000 + b"</Delete>",
    "attributes": b"<Delete " + b" ".join(b'a%d=""' % n for n in range(100_000)) + b"/>",
    "namespaces": b"<Delete " + b" ".join(b'xmlns:a%d="b"' % n for n in range(90_000)) + b"/>",
    "nested namespaces": b"<Delete>" + b'<a xmlns="b">' * 17,
    "truncated": b"<Delete>" + KEY + b"</Del",
    "two roots": b"<Delete>" + KEY + b"</Delete><Delete/>",
    "text behind": b"<Delete>" + KEY + b"</Delete>x",
    "a null": b"<Delete><Object><Key>\0</Key></Object></Delete>",
    "a reference to null": b"<Delete><Object><Key>&#0;</Key></Object></Delete>",
    "no UTF-8": b"<Delete><Object><Key>\xff\xfe</Key></Object></Delete>",
    "overlong UTF-8": b"<Delete><Object><Key>\xc0\xaf</Key></Object></Delete>",
    "a surrogate": b"<Delete><Object><Key>\xed\xa0\x80</Key></Object></Delete>",
    "UTF-7": b'<?xml version="1.0" encoding="UTF-7"?>+ADw-Delete+AD4-+ADw-/Delete+AD4-',
    "UTF-32": "<Delete/>".encode("utf-32"),
    "XML 1.1": b'<?xml version="1.1"?><Delete><Object><Key>&#1;</Key></Object></Delete>',
    "another root": b"<Elsewhere>" + KEY + b"</Elsewhere>",
    "nothing but space": b" \n ",
    "an element unknown": b"<Delete><Other/></Delete>",
    "a key with elements": b"<Delete><Object><Key><b/></Key></Object></Delete>",
    "two keys": b"<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
    "1,001 entries": b"<Delete>" + KEY * 1001 + b"</Delete>",
    "no entry": b"<Delete/>",
    "more bytes than allowed": b"<Delete>" + b" " * BODY_LIMITS["DeleteObjects"] + KEY + b"</Delete>",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(S3Error) as caught:
            delete_entries(BOMBS[name])
        assert caught.value.code == "MalformedXML"
        assert tracemalloc.get_traced_memory()[1] < 40 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "ascii"])
def test_encodings_that_xml_parsers_must_know(encoding: str) -> None:
    named = {"utf-8-sig": "UTF-8", "ascii": "US-ASCII"}.get(encoding, encoding)
    text = f'<?xml version="1.0" encoding="{named}"?><Delete><Object><Key>k</Key></Object></Delete>'
    entries, quiet = delete_entries(text.encode(encoding))
    assert ([entry.key for entry in entries], quiet) == ([b"k"], False)


@pytest.mark.parametrize("name", sorted(module.name for module in pkgutil.iter_modules(encodings.__path__)))
def test_codecs_of_python_are_no_encodings_of_xml(name: str) -> None:
    if name in ("utf_8", "utf_16", "ascii"):
        name = f"x-{name}"
    body = f'<?xml version="1.0" encoding="{name}"?><Delete><Object><Key>k</Key></Object></Delete>'
    with pytest.raises(S3Error) as caught:
        document(body.encode("ascii"), "Delete", MIB)
    assert caught.value.code == "MalformedXML"


def test_the_largest_documents_pass() -> None:
    entries, _ = delete_entries(b"<Delete>" + KEY * 1000 + b"</Delete>")
    assert len(entries) == 1000
    checksum = "<ChecksumSHA512>" + "A" * 86 + "==</ChecksumSHA512>"
    part = "<Part><PartNumber>{}</PartNumber><ETag>" + "a" * 32 + f"</ETag>{checksum}</Part>"
    body = "".join(part.format(number) for number in range(1, 10_001))
    document_bytes = f"<CompleteMultipartUpload>{body}</CompleteMultipartUpload>".encode()
    assert len(document_bytes) <= BODY_LIMITS["CompleteMultipartUpload"]
    assert len(completed_parts(document_bytes)) == 10_000


@pytest.mark.parametrize(("part", "argument"), [
    ("<PartNumber>0</PartNumber><ETag>a</ETag>", "PartNumber"),
    ("<PartNumber>-4</PartNumber><ETag>a</ETag>", "PartNumber"),
    ("<PartNumber>10001</PartNumber><ETag>a</ETag>", "PartNumber"),
    ("<PartNumber>1</PartNumber><ETag>a</ETag><ChecksumCRC32>x</ChecksumCRC32>", "Checksum"),
    (
        "<PartNumber>1</PartNumber><ETag>a</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32>"
        "<ChecksumCRC32C>AAAAAA==</ChecksumCRC32C>", "Checksum",
    ),
])
def test_what_no_part_can_be_is_named(part: str, argument: str) -> None:
    with pytest.raises(S3Error) as caught:
        completed_parts(f"<CompleteMultipartUpload><Part>{part}</Part></CompleteMultipartUpload>".encode())
    assert (caught.value.code, caught.value.details["ArgumentName"]) == ("InvalidArgument", argument)


def test_one_part_more_is_refused() -> None:
    part = "<Part><PartNumber>{}</PartNumber><ETag>a</ETag></Part>"
    body = "".join(part.format(min(number, 10_000)) for number in range(1, 10_002))
    with pytest.raises(S3Error) as caught:
        completed_parts(f"<CompleteMultipartUpload>{body}</CompleteMultipartUpload>".encode())
    assert caught.value.code == "MalformedXML"


def test_a_bucket_configuration_is_bounded() -> None:
    spaces = b" " * BODY_LIMITS["CreateBucket"]
    body = b"<CreateBucketConfiguration>" + spaces + b"</CreateBucketConfiguration>"
    with pytest.raises(S3Error) as caught:
        new_bucket(body)
    assert caught.value.code == "MalformedXML"


@pytest.mark.parametrize("body", [
    "<Delete>x<Object><Key>k</Key></Object></Delete>", "<Delete><Object><Key>k</Key></Object>x</Delete>",
    "<Delete><Object>x<Key>k</Key></Object></Delete>",
    "<Delete><Object><Key>k</Key><![CDATA[x]]></Object></Delete>",
    "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
    "<Delete><Object><Key><b/>k</Key></Object></Delete>",
    "<Delete><Object><Key>&#1;</Key></Object></Delete>",
    "<Delete><Object><Key>\ud800</Key></Object></Delete>",
    "<s:Delete><Object><Key>k</Key></Object></s:Delete>",
    "<Delete a='1' a='2'><Object><Key>k</Key></Object></Delete>",
])
def test_what_no_request_says_is_malformed(body: str) -> None:
    with pytest.raises(S3Error) as caught:
        delete_entries(body.encode("utf-8", "surrogatepass"))
    assert caught.value.code == "MalformedXML"


@pytest.mark.parametrize("body", [
    "<Delete><Object><Key><![CDATA[a<b]]></Key></Object></Delete>",
    "<Delete><Object><Key>a&lt;b</Key></Object></Delete>",
    "<Delete><Object><Key>a<!-- x -->&#60;<?x y?>b</Key></Object></Delete>",
    '<Delete xmlns="urn:x"> <Object xmlns="urn:y">\n<Key>a&lt;b</Key>\t</Object> </Delete>',
    '<s:Delete xmlns:s="urn:x"><s:Object><s:Key>a&lt;b</s:Key></s:Object></s:Delete>',
    "\ufeff<?xml version='1.0' standalone='no'?><Delete x='y'><Object><Key>a&lt;b</Key></Object></Delete>",
])
def test_the_same_key_in_many_spellings(body: str) -> None:
    entries, quiet = delete_entries(body.encode())
    assert ([entry.key for entry in entries], quiet) == ([b"a<b"], False)
