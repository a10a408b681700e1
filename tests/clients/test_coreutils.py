"""Everyday programs on the mount, compared with the same commands in an ordinary directory."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tests.clients.programs import make_tree, run
from tests.system.service import Bucket

pytestmark = [pytest.mark.mount, pytest.mark.clients]

SCRIPT = r"""
set -e
echo hello > a; cat a a > b; cp b c; mv c d; ln a hard; ln -s a soft; mkdir -p x/y/z
cp -a d x/y/; cp -r x copy; mv copy moved; touch -d '2001-02-03 04:05:06.789' a
truncate -s 100 b; truncate -s 3 d; dd if=/dev/zero of=z bs=1000 count=7 seek=2 status=none
printf more >> a; install -m 751 a installed; chmod u+x b; mkdir gone; rmdir gone; rm -r moved
mv a 'new name'; tee t1 t2 < b > /dev/null; head -c 5 'new name' > h; sort -o sorted b
sed -i s/hello/bye/ hard
split -b 3000 z part.; cat part.* | cmp - z; rm part.*; mktemp tmp.XXXXXX > /dev/null; rm tmp.*
ln -sf b soft; cp --sparse=always z sparse; shuf -i 1-100 | sort -n > numbers; paste numbers numbers > pasted
mkdir perm; chmod 1777 perm; mkdir -m 700 private; touch -h soft; mkfifo fifo; cp -l b linked; mv -T x xx
mv -n b d; mv --exchange -T b d 2>/dev/null || { mv b tmp; mv d b; mv tmp d; }
"""



def facts(folder: Path) -> list[str]:
    shown = run("find", ".", "-mindepth", "1", "-printf", "%P %y %m %n %l\n", cwd=folder).splitlines()
    sizes = run("find", ".", "-type", "f", "-printf", "%P %s\n", cwd=folder).splitlines()
    return sorted(shown) + sorted(sizes)


def test_coreutils_do_what_they_do_elsewhere(bucket: Bucket, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for folder in (plain, bucket.path):
        run("sh", "-c", SCRIPT, cwd=folder)
    assert facts(bucket.path) == facts(plain)
    for path in plain.rglob("*"):
        if path.is_file():
            name = str(path.relative_to(plain))
            assert (bucket.path / name).read_bytes() == path.read_bytes(), name
            assert bucket.get(name) == path.read_bytes(), name
    moment = os.stat(bucket.path / "hard").st_mtime
    assert moment > 1_000_000_000


def test_ls_df_du_and_find(bucket: Bucket) -> None:
    bucket.put("folder/object", b"x" * 10_000)
    assert run("ls", "-1", bucket.path / "folder") == "object\n"
    assert run("find", bucket.path, "-type", "f", "-size", "+5k").endswith("folder/object\n")
    assert int(run("du", "-s", "--apparent-size", "-B1", bucket.path / "folder").split()[0]) >= 10_000
    assert run("df", "--output=target", bucket.path).splitlines()[1] == str(bucket.path.parent)
    assert run("stat", "-c", "%s %F", bucket.path / "folder" / "object") == "10000 regular file\n"


def test_user_attributes_by_getfattr(bucket: Bucket) -> None:
    bucket.put("object", b"x")
    path = bucket.path / "object"
    run("setfattr", "-n", "user.comment", "-v", "some text", path)
    assert 'user.comment="some text"' in run("getfattr", "--absolute-names", "-d", path)
    assert "weka" not in run("getfattr", "--absolute-names", "-d", "-m", "-", path)
    run("cp", "--preserve=xattr", path, bucket.path / "copy")
    assert "some text" in run("getfattr", "--absolute-names", "-d", bucket.path / "copy")


def test_tar_in_and_out(bucket: Bucket, tmp_path: Path) -> None:
    make_tree(tmp_path / "tree", 300, "tar")
    run("tar", "-C", tmp_path, "-cf", bucket.path / "archive.tar", "tree")
    run("tar", "-C", bucket.path, "-xpf", bucket.path / "archive.tar")
    run("diff", "-r", tmp_path / "tree", bucket.path / "tree")
    assert run("tar", "-C", bucket.path, "-df", bucket.path / "archive.tar") == ""
    (tmp_path / "from-s3.tar").write_bytes(bucket.get("archive.tar"))
    assert run("tar", "-C", tmp_path, "-df", tmp_path / "from-s3.tar") == ""
    assert len(bucket.keys("tree/")) == 300


def test_rsync_copies_once(bucket: Bucket, tmp_path: Path) -> None:
    make_tree(tmp_path / "tree", 300, "rsync")
    (tmp_path / "tree" / "link").symlink_to("pkg1")
    run("rsync", "-aH", f"{tmp_path}/tree/", f"{bucket.path}/tree/")
    run("diff", "-r", tmp_path / "tree", bucket.path / "tree")
    assert run("rsync", "-aHi", f"{tmp_path}/tree/", f"{bucket.path}/tree/") == ""
    assert run("rsync", "-aHi", f"{bucket.path}/tree/", f"{tmp_path}/tree/") == ""
    bucket.put("tree/pkg1/sub 1/file-1.c", b"from S3")
    said = run("rsync", "-aHi", f"{bucket.path}/tree/", f"{tmp_path}/tree/").splitlines()
    assert [line.split(" ", 1)[1] for line in said if line.startswith(">f")] == ["pkg1/sub 1/file-1.c"]
    run("rsync", "-a", "--inplace", "--no-whole-file", f"{tmp_path}/tree/", f"{bucket.path}/tree/")
    run("rsync", "-a", "--delete", f"{tmp_path}/tree/pkg2/", f"{bucket.path}/tree/")
    run("diff", "-r", tmp_path / "tree" / "pkg2", bucket.path / "tree")


@pytest.mark.parametrize("journal", ["delete", "truncate", "persist", "wal"])
def test_sqlite(bucket: Bucket, journal: str, tmp_path: Path) -> None:
    database = bucket.path / "data.sqlite"
    done = run(
        "sqlite3", database, f"pragma journal_mode={journal};",
        "create table t(a integer primary key, b text);",
        "with recursive n(i) as (select 1 union all select i+1 from n where i<2000)"
        " insert into t select i, 'row ' || i from n;",
    )
    assert done.splitlines()[0] == journal
    with sqlite3.connect(database) as writer:
        for number in range(20):
            writer.execute("update t set b = ? where a % 20 = ?", (f"changed {number}", number))
            writer.commit()
        other = sqlite3.connect(database)
        assert other.execute("select count(*) from t where b like 'changed%'").fetchone() == (2000,)
        other.close()
    writer.execute("pragma wal_checkpoint(truncate)")
    writer.close()
    assert run("sqlite3", database, "pragma integrity_check") == "ok\n"
    (tmp_path / "copy.sqlite").write_bytes(bucket.get("data.sqlite"))
    assert run("sqlite3", tmp_path / "copy.sqlite", "pragma integrity_check", "select count(*) from t") == (
        "ok\n2000\n"
    )


def test_editors_way_of_saving(bucket: Bucket) -> None:
    """Write beside, sync, rename over: S3 readers see the old or the new text."""
    bucket.put("text", b"old", Metadata={"k": "v"})
    for number in range(20):
        temporary = bucket.path / ".text.swp"
        with temporary.open("wb") as file:
            file.write(b"version %d" % number)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(bucket.path / "text")
        assert bucket.get("text") == b"version %d" % number
    assert bucket.keys() == ["text"]


def test_appending_from_many_shells(bucket: Bucket) -> None:
    log = bucket.path / "log"
    run(
        "sh", "-c",
        'for i in 1 2 3 4; do (for j in $(seq 50); do echo "line $i $j" >> "$0"; done) & done; wait', log,
    )
    lines = log.read_text().splitlines()
    assert len(lines) == 200
    assert sorted(lines) == sorted(f"line {i} {j}" for i in range(1, 5) for j in range(1, 51))
    assert bucket.get("log") == log.read_bytes()
