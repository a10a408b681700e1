"""Buckets as websites: pages, redirections, errors, who may see them; and visitors that mean harm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.endpoint import Endpoint, running_endpoint
from tests.server.raw_http import Answer, send, signed
from tests.server.test_objects import failure
from weka_mp.s3.website import stored_location

DOMAIN = "s3-website.local"
HOST = f"site.{DOMAIN}"
INDEX = {"IndexDocument": {"Suffix": "index.html"}}
EVERYBODY = {"Effect": "Allow", "Principal": "*"}
READ = {**EVERYBODY, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site/*"}
LIST = {**EVERYBODY, "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::site"}
PAGES = {
    "index.html": b"<p>home", "about": b"<p>about", "docs/index.html": b"<p>docs", "404.html": b"<p>not here",
    "a b/\u00e4/index.html": b"<p>odd", "large": b"x" * 700_000,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    root: Path = tmp_path_factory.mktemp("websites") / "store"
    root.mkdir()
    with running_endpoint(root, domains=("local",), website_domains=(DOMAIN,)) as running:
        client = running.client()
        client.create_bucket(Bucket="site")
        for key, body in PAGES.items():
            client.put_object(Bucket="site", Key=key, Body=body, ContentType="text/html")
        client.put_object(Bucket="site", Key="moved", Body=b"", WebsiteRedirectLocation="/docs/?a=1#b")
        yield running


@pytest.fixture
def endpoint(place: Endpoint) -> Endpoint:
    """Everybody may read, nobody may list; a website with an index alone."""
    allow(place, READ)
    configure(place, INDEX)
    return place


def configure(endpoint: Endpoint, website: dict[str, Any]) -> None:
    endpoint.client().put_bucket_website(Bucket="site", WebsiteConfiguration=website)


def allow(endpoint: Endpoint, *statements: dict[str, Any]) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    endpoint.client().put_bucket_policy(Bucket="site", Policy=policy)


def ask(endpoint: Endpoint, target: str, method: str = "GET", host: str = HOST, *fields: str) -> Answer:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]
    return send(endpoint, "\r\n".join(lines).encode("latin-1"))


def where(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.headers["location"]


def test_life_of_a_website(endpoint: Endpoint) -> None:
    client = endpoint.client()
    whole = {
        **INDEX, "ErrorDocument": {"Key": "404.html"}, "RoutingRules": [
            {"Condition": {"KeyPrefixEquals": "a/", "HttpErrorCodeReturnedEquals": "404"},
             "Redirect": {"HostName": "h:80", "Protocol": "https", "HttpRedirectCode": "302",
                          "ReplaceKeyWith": "x&y"}},
            {"Redirect": {"ReplaceKeyPrefixWith": "b/"}},
        ],
    }  # fmt: skip
    for put in (whole, {"RedirectAllRequestsTo": {"HostName": "h", "Protocol": "http"}}):
        configure(endpoint, put)
        got = client.get_bucket_website(Bucket="site")
        del got["ResponseMetadata"]
        assert got == put
    for _ in range(2):
        client.delete_bucket_website(Bucket="site")
    missing = ("NoSuchWebsiteConfiguration", 404)
    assert failure(client.get_bucket_website, Bucket="site") == missing
    answer = ask(endpoint, "/")
    assert answer.status == 404
    assert b"NoSuchWebsiteConfiguration" in answer.body


def test_without_a_domain_there_is_none(tmp_path: Path) -> None:
    with running_endpoint(tmp_path) as other:
        client = other.client()
        client.create_bucket(Bucket="site")
        refused = failure(client.put_bucket_website, Bucket="site", WebsiteConfiguration=INDEX)
        assert refused == ("NotImplemented", 501)
        assert failure(client.get_bucket_website, Bucket="site") == ("NoSuchWebsiteConfiguration", 404)
        assert ask(other, "/", "GET", HOST).status == 403


@pytest.mark.parametrize(("target", "key"), [
    ("/", "index.html"), ("/index.html", "index.html"), ("/about", "about"), ("/docs/", "docs/index.html"),
    ("/about?acl", "about"), ("/about?versionId=1&X-Amz-Signature=0", "about"), ("/large", "large"),
    ("/a%20b/%C3%A4/", "a b/\u00e4/index.html"), ("http://site.s3-website.local/about", "about"),
])
def test_pages(endpoint: Endpoint, target: str, key: str) -> None:
    answer = ask(endpoint, target)
    assert (answer.status, answer.body) == (200, PAGES[key])
    assert answer.headers["content-type"] == "text/html"
    head = ask(endpoint, target, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(PAGES[key]))


def test_conditions_and_ranges(endpoint: Endpoint) -> None:
    etag = ask(endpoint, "/about").headers["etag"]
    assert ask(endpoint, "/about", "GET", HOST, f"If-None-Match: {etag}").status == 304
    part = ask(endpoint, "/about", "GET", HOST, "Range: bytes=1-2")
    assert (part.status, part.body) == (206, b"p>")
    beyond = ask(endpoint, "/about", "GET", HOST, "Range: bytes=99-")
    assert (beyond.status, b"InvalidRange" in beyond.body) == (416, True)


def test_a_directory_is_redirected_to_its_slash(endpoint: Endpoint) -> None:
    assert where(ask(endpoint, "/docs")) == (302, "/docs/")
    assert where(ask(endpoint, "/a%20b/%c3%a4?q")) == (302, "/a%20b/%C3%A4/")
    assert ask(endpoint, "/a%20b").status == 403


def test_what_an_object_says_of_its_visitors(endpoint: Endpoint) -> None:
    assert where(ask(endpoint, "/moved")) == (301, "/docs/?a=1#b")
    over_the_api = send(endpoint, signed("GET", "/site/moved"))
    assert (over_the_api.status, over_the_api.headers["x-amz-website-redirect-location"]) == (
        200, "/docs/?a=1#b"
    )


def test_who_may_see_what_is_missing(endpoint: Endpoint) -> None:
    refused = ask(endpoint, "/missing")
    assert (refused.status, b"Code: AccessDenied" in refused.body) == (403, True)
    allow(endpoint, READ, LIST)
    missing = ask(endpoint, "/missing")
    assert (missing.status, b"Code: NoSuchKey" in missing.body) == (404, True)
    assert b"Key: missing" in missing.body
    endpoint.client().delete_bucket_policy(Bucket="site")
    for target in ("/", "/about", "/docs", "/moved", "/missing"):
        assert ask(endpoint, target).status == 403, target
    # Of its own the website knows nobody: root is a visitor like any other.
    assert send(endpoint, signed("GET", "/about", host=HOST)).status == 403


def test_a_block_of_public_policies_closes_a_website(endpoint: Endpoint) -> None:
    client = endpoint.client()
    client.put_public_access_block(
        Bucket="site", PublicAccessBlockConfiguration={"RestrictPublicBuckets": True}
    )
    try:
        assert ask(endpoint, "/about").status == 403
    finally:
        client.delete_public_access_block(Bucket="site")
    assert ask(endpoint, "/about").status == 200


def test_a_page_for_errors(endpoint: Endpoint) -> None:
    configure(endpoint, {**INDEX, "ErrorDocument": {"Key": "404.html"}})
    for policies, status in (((READ,), 403), ((READ, LIST), 404)):
        allow(endpoint, *policies)
        answer = ask(endpoint, "/missing", "GET", HOST, "Range: bytes=0-1", "If-None-Match: *")
        assert (answer.status, answer.body) == (status, PAGES["404.html"])
        assert ask(endpoint, "/missing", "HEAD").status == status
    configure(endpoint, {**INDEX, "ErrorDocument": {"Key": "<gone>"}})
    answer = ask(endpoint, "/missing")
    assert (answer.status, answer.body.count(b"Code: NoSuchKey")) == (404, 2)
    assert b"Key: &lt;gone&gt;" in answer.body


def test_rules(endpoint: Endpoint) -> None:
    allow(endpoint, READ, LIST)
    configure(endpoint, {**INDEX, "RoutingRules": [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "docs/"}},
        {"Condition": {"KeyPrefixEquals": "one/"},
         "Redirect": {"ReplaceKeyWith": "page?x=1#y", "HttpRedirectCode": "307"}},
        {"Condition": {"KeyPrefixEquals": "else/"}, "Redirect": {"HostName": "www.example.com"}},
        {"Condition": {"KeyPrefixEquals": "tls/"}, "Redirect": {"Protocol": "https"}},
        {"Condition": {"KeyPrefixEquals": "about", "HttpErrorCodeReturnedEquals": "404"},
         "Redirect": {"ReplaceKeyWith": "never"}},
        {"Condition": {"HttpErrorCodeReturnedEquals": "404"}, "Redirect": {"ReplaceKeyPrefixWith": "#!/"}},
    ]})  # fmt: skip
    assert where(ask(endpoint, "/old/a%20b?q=1")) == (301, "/docs/a%20b")
    assert where(ask(endpoint, "/one/two")) == (307, "/page?x=1#y")
    assert where(ask(endpoint, "/else/k")) == (301, "http://www.example.com/else/k")
    assert where(ask(endpoint, "/tls/k", "GET", HOST + ":8080")) == (301, f"https://{HOST}/tls/k")
    assert where(ask(endpoint, "/nowhere")) == (301, "/#!/nowhere")
    assert ask(endpoint, "/about").body == PAGES["about"]
    assert where(ask(endpoint, "/aboutness")) == (301, "/never")


def test_all_elsewhere(endpoint: Endpoint) -> None:
    configure(endpoint, {"RedirectAllRequestsTo": {"HostName": "www.example.com"}})
    assert where(ask(endpoint, "/")) == (301, "http://www.example.com/")
    assert where(ask(endpoint, "/a%20b/?q=%0d&x")) == (301, "http://www.example.com/a%20b/?q=%0d&x")
    configure(endpoint, {"RedirectAllRequestsTo": {"HostName": "www.example.com", "Protocol": "https"}})
    assert where(ask(endpoint, "//evil.example/@x", "HEAD")) == (
        301, "https://www.example.com//evil.example/@x"
    )


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS", "PATCH"])
def test_only_to_be_looked_at(endpoint: Endpoint, method: str) -> None:
    answer = ask(endpoint, "/about", method, HOST, "Content-Length: 0")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.headers["content-type"].startswith("text/html")
    assert ask(endpoint, "/about").status == 200


@pytest.mark.parametrize("name", ["", "nobody.", "..", ".weka.", "a_b."])
def test_hosts_that_are_no_website(endpoint: Endpoint, name: str) -> None:
    answer = ask(endpoint, "/about", "GET", name + DOMAIN)
    assert (answer.status, b"Code: NoSuchBucket" in answer.body) == (404, True)


def test_the_api_is_elsewhere(endpoint: Endpoint) -> None:
    assert send(endpoint, signed("GET", "/about", host="site.local")).body == PAGES["about"]
    listing = send(endpoint, signed("GET", "/?list-type=2", host="site.local"))
    assert b"<ListBucketResult" in listing.body
    assert b"<ListBucketResult" not in ask(endpoint, "/?list-type=2").body


def test_pages_of_other_origins(endpoint: Endpoint) -> None:
    client = endpoint.client()
    client.put_bucket_cors(Bucket="site", CORSConfiguration={
        "CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://shop.example"]}]})
    answer = ask(endpoint, "/about", "GET", HOST, "Origin: https://shop.example")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    client.delete_bucket_cors(Bucket="site")


# ---- visitors that mean harm
@pytest.mark.parametrize("target", [
    "/%3Cscript%3Ealert(1)%3C/script%3E", "/%22onload=%22x", "/missing%0d%0aSet-Cookie:%20a=b", "/%E2%80%A8",
])
def test_what_was_asked_for_is_no_part_of_the_page(endpoint: Endpoint, target: str) -> None:
    allow(endpoint, READ, LIST)
    answer = ask(endpoint, target)
    assert answer.status == 404
    assert not {b"<script", b'"onload'} & set(answer.body.split())
    assert b"<script>" not in answer.body
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/evil.example", "\\evil.example", "\\/evil.example", "//evil.example"])
def test_no_visitor_is_sent_to_a_host_that_a_path_names(endpoint: Endpoint, path: str) -> None:
    allow(endpoint, READ, LIST)
    configure(endpoint, {**INDEX, "RoutingRules": [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": ""}},
        {"Condition": {"HttpErrorCodeReturnedEquals": "404"}, "Redirect": {"HttpRedirectCode": "302"}},
    ]})  # fmt: skip
    for target in (f"/old/{path}", f"/{path}"):
        _, to = where(ask(endpoint, target.replace("\\", "%5C")))
        assert to.startswith("/")
        assert to[1:2] not in ("/", "\\"), to


@pytest.mark.parametrize("path", [
    "/old/%0d%0aSet-Cookie:%20a=b", "/old/%00", "/old/%e2%80%8b%0a", "/old/%7f",
])
def test_no_path_ends_a_header(endpoint: Endpoint, path: str) -> None:
    configure(endpoint, {**INDEX, "RoutingRules": [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}}]})
    answer = ask(endpoint, path)
    assert answer.status == 301
    assert "set-cookie" not in answer.headers
    assert answer.headers["location"].isprintable()
    assert answer.headers["location"].isascii()


def test_what_a_file_says_of_its_visitors_ends_no_header() -> None:
    """Whoever may write a file through a mount may set any text there."""
    redirect = "/a\r\nSet-Cookie: a=b\\\xe4"
    assert stored_location(redirect) == "/a%0D%0ASet-Cookie:%20a=b%5C%C3%A4"


@pytest.mark.parametrize("target", ["/%", "/%zz", "/%ff", "/" + "k" * 1025, "/" + "k" * 1020 + "/"])
def test_paths_that_are_no_keys(endpoint: Endpoint, target: str) -> None:
    answer = ask(endpoint, target)
    assert answer.status == 400
    assert answer.headers["content-type"].startswith("text/html")


def test_what_visitors_cannot_reach(endpoint: Endpoint) -> None:
    allow(endpoint, READ, LIST)
    for target in ("/.weka/", "/.weka/version", "/../site/about", "/./about", "/docs/../about"):
        assert ask(endpoint, target).status in (403, 404, 400), target
