"""Pages of other origins: what their browsers ask and are told, by a bucket's rules."""

from __future__ import annotations

from tests.server.raw_http import send, signed
from tests.server.test_objects import failure

RULES = {"CORSRules": [
    {
        "ID": "shop", "AllowedOrigins": ["https://*.shop.example"], "AllowedMethods": ["GET", "PUT"],
        "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60,
    },
    {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]},
]}  # fmt: skip
SHOP = "https://a.shop.example"


def asked(endpoint, origin, method, bucket="bucket", headers=None):
    fields = [f"Origin: {origin}", f"Access-Control-Request-Method: {method}"]
    if headers is not None:
        fields.append(f"Access-Control-Request-Headers: {headers}")
    lines = [f"OPTIONS /{bucket}/k HTTP/1.1", "Host: 127.0.0.1", *fields, "", ""]
    return send(endpoint, "\r\n".join(lines).encode())


def test_life_of_the_rules(client, bucket):
    missing = ("NoSuchCORSConfiguration", 404)
    assert failure(client.get_bucket_cors, Bucket=bucket) == missing
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    assert client.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES["CORSRules"]
    client.delete_bucket_cors(Bucket=bucket)
    client.delete_bucket_cors(Bucket=bucket)
    assert failure(client.get_bucket_cors, Bucket=bucket) == missing
    for call in (client.get_bucket_cors, client.delete_bucket_cors):
        assert failure(call, Bucket="nobody") == ("NoSuchBucket", 404)


def test_a_browser_asks_before_it_sends(endpoint, client, bucket):
    answer = asked(endpoint, SHOP, "PUT")
    assert (answer.status, answer.code) == (403, "AccessForbidden")
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    answer = asked(endpoint, SHOP, "PUT", headers="x-amz-date, authorization")
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["access-control-allow-headers"] == "x-amz-date, authorization"
    assert answer.headers["access-control-max-age"] == "60"
    for origin, method in (("https://evil.example", "PUT"), (SHOP, "DELETE")):
        refused = asked(endpoint, origin, method)
        assert (refused.status, refused.code) == (403, "AccessForbidden")
        assert "access-control-allow-origin" not in refused.headers
        assert "Origin" in refused.headers["vary"]
    client.delete_bucket_cors(Bucket=bucket)
    assert asked(endpoint, SHOP, "PUT").status == 403


def test_whether_there_is_such_a_bucket_is_not_told(endpoint, client, bucket):
    there, missing = asked(endpoint, SHOP, "PUT"), asked(endpoint, SHOP, "PUT", bucket="missing")
    bad = asked(endpoint, SHOP, "PUT", bucket="..%2f..")
    assert there.status == missing.status == 403
    assert there.code == missing.code
    assert bad.status in (400, 403)


def test_every_answer_tells_the_page(endpoint, client, bucket):
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    for target, status in (("/bucket/k", 200), ("/bucket/missing", 404)):
        answer = send(endpoint, signed("GET", target, headers={"Origin": SHOP}))
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert answer.headers["access-control-expose-headers"] == "ETag"
        assert "Origin" in answer.headers["vary"]
    unsigned = send(endpoint, f"GET /bucket/k HTTP/1.1\r\nHost: a\r\nOrigin: {SHOP}\r\n\r\n".encode())
    assert (unsigned.status, unsigned.headers["access-control-allow-origin"]) == (403, SHOP)
    for origin in ("https://evil.example", "null"):
        answer = send(endpoint, signed("GET", "/bucket/k", headers={"Origin": origin}))
        assert answer.status == 200
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["vary"] == (
            "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
        )
    plain = send(endpoint, signed("GET", "/bucket/k"))
    assert "vary" not in plain.headers


def test_a_request_that_names_a_method_is_told_the_rule_for_that(endpoint, client, bucket):
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    for named, allowed in (("GET", "GET, PUT"), ("DELETE", None)):
        asked_for = {"Origin": SHOP, "Access-Control-Request-Method": named}
        answer = send(endpoint, signed("PUT", "/bucket/k", b"x", headers=asked_for))
        assert answer.status == 200
        assert answer.headers.get("access-control-allow-methods") == allowed
