"""Parquet datasets through PyArrow and DuckDB by lines: see ../../driver.py."""

from __future__ import annotations

import os

import duckdb
import duckdb_extension_httpfs
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs
import s3fs
from lines import serve

ENDPOINT, CERTIFICATE, REGION = (os.environ[name] for name in ("ENDPOINT", "CERTIFICATE", "AWS_REGION"))


def _rows() -> pa.Table:
    numbers = range(1000)
    return pa.table({"number": list(numbers), "part": [number % 4 for number in numbers]})


def _file_system(name: str) -> pa.fs.FileSystem:
    if name == "local":
        return pa.fs.LocalFileSystem()
    if name == "s3fs":
        options = {"endpoint_url": ENDPOINT, "region_name": REGION}
        return pa.fs.PyFileSystem(pa.fs.FSSpecHandler(s3fs.S3FileSystem(client_kwargs=options)))
    return pa.fs.S3FileSystem(
        endpoint_override=ENDPOINT.removeprefix("https://"), scheme="https", region=REGION,
        tls_ca_file_path=CERTIFICATE,
    )


def _duckdb() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    folder = os.path.dirname(duckdb_extension_httpfs.__file__)
    connection.execute(f"LOAD '{folder}/extensions/v{duckdb.__version__}/httpfs.duckdb_extension'")
    connection.execute(f"SET ca_cert_file = '{CERTIFICATE}'")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{os.environ['AWS_ACCESS_KEY_ID']}', REGION '{REGION}',"
        f" URL_STYLE 'path', SECRET '{os.environ['AWS_SECRET_ACCESS_KEY']}',"
        f" ENDPOINT '{ENDPOINT.removeprefix('https://')}')"
    )
    return connection


def write(engine: str, path: str) -> list[str]:
    """A dataset of 1,000 rows in four partitions."""
    if engine == "httpfs":
        with _duckdb() as connection:
            connection.register("rows", _rows())
            connection.execute(f"COPY rows TO 's3://{path}' (FORMAT parquet, PARTITION_BY part)")
    else:
        ds.write_dataset(
            _rows(), path, format="parquet", partitioning=["part"], partitioning_flavor="hive",
            filesystem=_file_system(engine),
        )
    return []


def read(engine: str, path: str) -> list[str]:
    """How many rows there are, the sum of their numbers, how many partitions they are in."""
    asked = "SELECT count(*), sum(number), count(DISTINCT part) FROM"
    if engine == "httpfs":
        with _duckdb() as connection:
            files = f"read_parquet('s3://{path}/**/*.parquet', hive_partitioning=1)"
            found = connection.execute(f"{asked} {files}")
            return [str(value) for value in found.fetchone()]
    rows = ds.dataset(path, format="parquet", partitioning="hive", filesystem=_file_system(engine)).to_table()
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        return [str(value) for value in connection.execute(f"{asked} rows").fetchone()]


if __name__ == "__main__":
    serve({"read": read, "write": write})
