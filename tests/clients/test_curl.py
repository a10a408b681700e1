"""curl: pre-signed addresses of both versions, browser forms, raw requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.programs import run
from tests.system.service import ACCESS_KEY, REGION, SECRET_KEY, Bucket

pytestmark = [pytest.mark.mount, pytest.mark.clients]

VERSIONS = {"v4": "s3v4", "v2": "s3", "default": None}
KEY = "a folder/ü+%.txt"


def presigned(bucket: Bucket, version: str, operation: str, **arguments: object) -> str:
    options = {} if VERSIONS[version] is None else {"signature_version": VERSIONS[version]}
    client = bucket.service.client(**options)
    url: str = client.generate_presigned_url(
        operation, Params={"Bucket": bucket.name, **arguments}, ExpiresIn=60
    )
    client.close()
    assert ("X-Amz-Signature" in url) == (version == "v4"), "boto3's default in us-east-1 is version 2"
    return url


def status(*words: str | Path) -> str:
    return run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *words)


@pytest.mark.parametrize("version", VERSIONS)
def test_presigned_addresses(bucket: Bucket, version: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"by curl" * 1000)
    assert status("-T", tmp_path / "file", presigned(bucket, version, "put_object", Key=KEY)) == "200"
    assert (bucket.path / KEY).read_bytes() == b"by curl" * 1000
    get = presigned(bucket, version, "get_object", Key=KEY)
    assert run("curl", "-sf", get) == "by curl" * 1000
    assert run("curl", "-sf", "-r", "3-6", get) == "curl"
    assert status(get.replace("Signature=", "Signature=0")) == "403"
    assert status(get.replace("%20folder", "%20other")) == "403"
    named = presigned(
        bucket, version, "get_object", Key=KEY, ResponseContentDisposition='attachment; filename="x y"'
    )
    assert 'filename="x y"' in run("curl", "-sf", "-o", "/dev/null", "-D", "-", named)
    assert status("-X", "DELETE", presigned(bucket, version, "delete_object", Key=KEY)) == "204"
    assert not (bucket.path / "a folder").exists()


@pytest.mark.parametrize("version", ["v2"])  # awscrt refuses to make a version 4 one that is over
def test_an_address_that_is_over_is_refused(bucket: Bucket, version: str) -> None:
    bucket.put("object", b"x")
    options = {} if VERSIONS[version] is None else {"signature_version": VERSIONS[version]}
    client = bucket.service.client(**options)
    url = client.generate_presigned_url(
        "get_object", Params={"Bucket": bucket.name, "Key": "object"}, ExpiresIn=-10
    )
    client.close()
    assert status(url) in ("400", "403")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_browser_form(bucket: Bucket, version: str, tmp_path: Path) -> None:
    options = {} if VERSIONS[version] is None else {"signature_version": VERSIONS[version]}
    client = bucket.service.client(**options)
    form = client.generate_presigned_post(
        bucket.name, "uploads/${filename}", Fields={"x-amz-meta-k": "v"},
        Conditions=[
            {"x-amz-meta-k": "v"}, ["content-length-range", 1, 1000], ["starts-with", "$key", "uploads/"],
        ],
    )
    client.close()
    (tmp_path / "photo.jpg").write_bytes(b"jpeg")
    (tmp_path / "large.jpg").write_bytes(b"x" * 2000)
    fields = [word for name, value in form["fields"].items() for word in ("-F", f"{name}={value}")]
    assert status(*fields, "-F", f"file=@{tmp_path}/photo.jpg", form["url"]) == "204"
    assert (bucket.path / "uploads" / "photo.jpg").read_bytes() == b"jpeg"
    assert bucket.head("uploads/photo.jpg")["Metadata"] == {"k": "v"}
    assert status(*fields, "-F", f"file=@{tmp_path}/large.jpg", form["url"]) == "400"
    changed = [word.replace("uploads/", "other/") for word in fields]
    assert status(*changed, "-F", f"file=@{tmp_path}/photo.jpg", form["url"]) == "403"
    assert bucket.keys() == ["uploads/photo.jpg"]


def test_curls_own_signature(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"signed by curl")
    signing = ["--aws-sigv4", f"aws:amz:{REGION}:s3", "-u", f"{ACCESS_KEY}:{SECRET_KEY}"]
    url = f"{bucket.service.url}/{bucket.name}/object"
    signing += ["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
    assert status(*signing, "-T", tmp_path / "file", url) == "200"
    assert run("curl", "-sf", *signing, url) == "signed by curl"


def test_requests_that_are_not_signed_are_refused(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("object", b"x")
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    url = f"{bucket.service.url}/{bucket.name}"
    assert status(f"{url}/object") == "403"
    assert status(url) == "403"
    assert status(f"{bucket.service.url}/") == "403"
    assert status("-T", tmp_path / "file", f"{url}/object") == "403"
    assert bucket.get("object") == b"x"


def test_a_large_upload_waits_for_leave(bucket: Bucket, tmp_path: Path) -> None:
    """curl asks with Expect: 100-continue; a refused request must not be told to go on."""
    (tmp_path / "large").write_bytes(b"x" * 3_000_000)
    good = presigned(bucket, "v4", "put_object", Key="large")
    said = run("curl", "-sv", "--stderr", "-", "-H", "Expect: 100-continue", "-T", tmp_path / "large", good)
    assert "HTTP/1.1 100" in said
    assert (bucket.path / "large").stat().st_size == 3_000_000
    bad = good.replace("X-Amz-Signature=", "X-Amz-Signature=0")
    said = run("curl", "-sv", "--stderr", "-", "-H", "Expect: 100-continue", "-T", tmp_path / "large", bad)
    assert "HTTP/1.1 100" not in said
    assert "HTTP/1.1 403" in said
