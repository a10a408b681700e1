"""Objects by their keys through fsspec's s3fs."""

from __future__ import annotations

import os
from pathlib import Path

import s3fs
from lines import serve

FILES = s3fs.S3FileSystem(
    client_kwargs={"endpoint_url": os.environ["ENDPOINT"], "region_name": os.environ["AWS_REGION"]},
    use_listings_cache=False,
)


def put(bucket: str, key: str, path: str) -> list[str]:
    FILES.pipe_file(f"{bucket}/{key}", Path(path).read_bytes())
    return []


def get(bucket: str, key: str, path: str) -> list[str]:
    Path(path).write_bytes(FILES.cat_file(f"{bucket}/{key}"))
    return []


def list_keys(bucket: str, prefix: str, _page: str) -> list[str]:
    found = FILES.find(f"{bucket}/{prefix}")
    return [path.removeprefix(f"{bucket}/") for path in found]


def copy(bucket: str, source: str, key: str) -> list[str]:
    FILES.cp_file(f"{bucket}/{source}", f"{bucket}/{key}")
    return []


def delete(bucket: str, key: str) -> list[str]:
    FILES.rm_file(f"{bucket}/{key}")
    return []


if __name__ == "__main__":
    serve({"put": put, "get": get, "list": list_keys, "copy": copy, "delete": delete})
