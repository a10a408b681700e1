"""Users, policies and credentials by command: on a stopped store, on a running service, over the network."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from tests.cli.live import KEYS, ROOT, Live, serving
from weka_mp.cli.main import cli
from weka_mp.cli.moments import seconds_of
from weka_mp.cli.services import store_id_of
from weka_mp.supervise.places import state_directory

PASSWORD = "Correct-Horse-9"
OTHER = "Another-Horse-7"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"]}],
}


class Terminal:
    """Runs commands as a script would: nothing is asked, what is typed is standard input."""

    def __init__(self, store: Path, folder: Path) -> None:
        self.folder = folder
        self.environ: dict[str, str | None] = {**KEYS, "WEKA_MP_STORE": str(store)}
        self.environ["XDG_STATE_HOME"] = str(folder / "state")
        self.environ["XDG_CONFIG_HOME"] = str(folder / "config")
        self.said: list[str] = []

    def run(self, *words: str, typed: str = "", **environ: str) -> Result:
        result = CliRunner().invoke(cli, list(words), input=typed, env={**self.environ, **environ})
        self.said.append(result.output)
        return result

    def ok(self, *words: str, typed: str = "", **environ: str) -> str:
        result = self.run(*words, typed=typed, **environ)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refused(self, *words: str, typed: str = "", status: int = 1, **environ: str) -> str:
        result = self.run(*words, typed=typed, **environ)
        assert result.exit_code == status, result.output
        assert status == 2 or result.stderr.startswith("weka-mp: "), result.stderr
        assert status == 2 or result.stderr.count("\n") == 1, result.stderr
        return result.stderr

    def file(self, name: str, content: object) -> str:
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "store"
    path.mkdir()
    yield path
    store_id = store_id_of(str(path))
    if store_id is not None:
        shutil.rmtree(
            state_directory(store_id, {"XDG_STATE_HOME": str(tmp_path / "state")}, 0), ignore_errors=True
        )


@pytest.fixture
def terminal(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("WEKA_MP_USERNAME", "WEKA_MP_PASSWORD", "WEKA_MP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return Terminal(store, tmp_path)


def keys_of(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.splitlines())


ANN = {"WEKA_MP_USERNAME": "ann", "WEKA_MP_PASSWORD": PASSWORD}


def _users(terminal: Terminal) -> None:
    """Adding, changing, listing."""
    ok, refused = terminal.ok, terminal.refused
    assert ok("user", "add", "ann", "s3", "--posix-uid", "1000", typed=f"{PASSWORD}\n") == ""
    ok("user", "add", "eve", "readonly", "-", typed=f"{PASSWORD}\n")
    ok("user", "add", "max", "s3", PASSWORD, "--account", "acme", "--display-name", "Acme")
    ok("user", "update", "ann", "--posix-gid", "1001", "--posix-groups", "7,8")
    assert "GID" in refused("user", "update", "ann", "--posix-groups", "staff", status=2)
    assert json.loads(ok("user", "list", "-J", "-F", "username=ann")) == [
        {"username": "ann", "role": "s3", "account": "root", "posix_uid": 1000, "posix_gid": 1001,
         "posix_groups": [7, 8], "s3_policy": None, "iam_policies": []}
    ]  # fmt: skip
    ok("user", "update", "ann", "--posix-groups", "")
    assert json.loads(ok("user", "list", "-J", "-F", "username=ann"))[0]["posix_groups"] == []
    assert ok("user", "list", "-f", "csv", "-o", "username,account", "-s", "-username", "--no-header") == (
        "root,root\nmax,acme\neve,root\nann,root\n"
    )
    assert "already" in refused("user", "add", "Ann", "s3", typed=f"{PASSWORD}\n")
    assert "upper-case" in refused("user", "add", "joe", "s3", typed="password1\n")
    assert "an empty one" in refused("user", "add", "joe", "s3", typed="")
    refused("user", "add", "joe", "king", typed=PASSWORD, status=2)
    assert "weka-mp user list" in refused("user", "update", "nobody", "--role", "s3")


def _policies(terminal: Terminal) -> None:
    """Making, attaching, removing."""
    ok, refused = terminal.ok, terminal.refused
    predefined = ok("s3", "policy", "list", "--no-header", "-o", "policy", "-F", "kind=predefined")
    assert predefined.split() == ["readonly", "writeonly", "readwrite"]
    assert json.loads(ok("s3", "policy", "show", "writeonly"))["Statement"][0]["Action"] == ["s3:PutObject"]
    ok("s3", "policy", "create", "mine", terminal.file("mine.json", POLICY))
    ok("s3", "policy", "add", "other", terminal.file("other.json", POLICY))
    assert json.loads(ok("s3", "policy", "show", "mine")) == POLICY
    assert ok("s3", "policy", "attach", "readonly", "ann") == "ann: readonly\n"
    assert ok("s3", "policy", "attach", "mine", "ann") == "ann: mine (formerly readonly)\n"
    assert ok("s3", "policy", "attach", "mine", "ann") == "ann: mine\n"
    assert "ann  mine" in ok("s3", "policy", "list", "--users", "--no-header")
    assert "attached" in refused("s3", "policy", "remove", "mine")
    refused("s3", "policy", "detach", "readonly", "ann")
    assert ok("s3", "policy", "detach", "mine", "ann") == "ann: no policy (formerly mine)\n"
    ok("s3", "policy", "attach", "readwrite", "ann")
    assert ok("s3", "policy", "detach", "ann") == "ann: no policy (formerly readwrite)\n"
    ok("s3", "policy", "remove", "mine")
    assert "predefined" in refused("s3", "policy", "remove", "readonly")
    assert "weka-mp s3 policy list" in refused("s3", "policy", "show", "mine")


def _service_accounts(terminal: Terminal) -> str:
    """A secret that was made."""
    ok, refused = terminal.ok, terminal.refused
    assert "WEKA_MP_USERNAME" in refused("s3", "service-account", "add")
    made = keys_of(ok("s3", "service-account", "add", terminal.file("narrow.json", POLICY), **ANN))
    assert list(made) == ["Access-Key", "Secret-Key"]
    assert ok("s3", "service-account", "list", "--no-header", **ANN).split() == [made["Access-Key"]]
    shown = json.loads(ok("s3", "service-account", "show", made["Access-Key"], "-J", **ANN))[0]
    assert (shown["parent_user"], shown["implied_policy"], shown["policy_content"]) == ("ann", False, POLICY)
    ok("s3", "service-account", "remove", made["Access-Key"], **ANN)
    assert ok("s3", "service-account", "list", "--no-header", **ANN) == ""
    return made["Secret-Key"]


def _temporary(terminal: Terminal) -> str:
    """A secret that was made."""
    ok, refused = terminal.ok, terminal.refused
    assume = ("s3", "sts", "assume-role", "--access-key", "ann", "--duration")
    temporary = ok(*assume, "900s", typed=f"{PASSWORD}\n")
    assert [line.partition(": ")[0] for line in temporary.splitlines()] == [
        "Access-Key", "Secret-Key", "Session-Token",
    ]  # fmt: skip
    assert "900 to" in refused(*assume, "14m", "--secret-key", PASSWORD)
    refused(*assume, "900", "--secret-key", PASSWORD, status=2)
    assert "check the name" in refused(*assume, "1w", "--secret-key", OTHER)
    return keys_of(temporary)["Secret-Key"]


def _tokens(terminal: Terminal) -> str:
    """Who one is, and a token that was made."""
    ok, refused = terminal.ok, terminal.refused
    assert ok("user", "whoami", "--no-header", "-o", "username,role").split() == ["root", "clusteradmin"]
    assert ok("user", "whoami", "--no-header", "-o", "username", **ANN).strip() == "ann"
    assert "readonly, which may not" in refused(
        "user", "delete", "ann", WEKA_MP_USERNAME="eve", WEKA_MP_PASSWORD=PASSWORD
    )
    eve = {"WEKA_MP_USERNAME": "eve", "WEKA_MP_PASSWORD": PASSWORD}
    token = ok("user", "generate-token", "--access-token-timeout", "2d", **eve).strip()
    assert ok("user", "whoami", "--no-header", "-o", "username", WEKA_MP_TOKEN=token).strip() == "eve"
    ok("user", "revoke-tokens", "eve")
    assert "log in anew" in refused("user", "whoami", WEKA_MP_TOKEN=token)
    ok("user", "passwd", "--username", "ann", typed=f"{OTHER}\n")
    ok("user", "passwd", PASSWORD, WEKA_MP_USERNAME="ann", WEKA_MP_PASSWORD=OTHER)
    assert "name and the password" in refused(
        "user", "whoami", WEKA_MP_USERNAME="ann", WEKA_MP_PASSWORD=OTHER
    )
    return token


def _lock_outs_and_events(terminal: Terminal) -> None:
    """The rule, and what was kept of all this."""
    ok, refused = terminal.ok, terminal.refused
    ok("security", "lockout-config", "set", "--failed-attempts", "3", "--lockout-duration", "5m")
    rule = ("security", "lockout-config", "show", "-J")
    assert json.loads(ok(*rule)) == [{"failed_attempts": 3, "lockout_duration": 300}]
    ok("security", "lockout-config", "reset")
    assert json.loads(ok(*rule)) == [{"failed_attempts": 5, "lockout_duration": 120}]
    ok("user", "delete", "eve")
    events = json.loads(ok("events", "--num-results", "0", "-J"))
    assert [event["type"] for event in events[:4]] == ["UserCreated"] * 3 + ["UserRoleChanged"]
    assert len(events) == 24
    newest = ok("events", "-f", "csv", "--no-header", "-o", "type,user,source", "--num-results", "2",
                "--direction", "dsc", "--start-time", "5m", "-U")
    assert newest == "UserDeleted,root,local\nLockoutConfigUpdated,root,local\n"
    assert ok("events", "--category", "s3,Filesystem", "--type", "S3AsssumeRoleEvent", "-o", "user",
              "--no-header") == "ann\n"
    assert ok("events", "--severity", "major", "--no-header") == ""
    assert "name=ann" in ok("events", "-F", "type=UserPasswordChangedByAnotherUser", "-o", "parameters")
    assert "S3AsssumeRoleEvent" in ok("events", "list-types", "--no-header", "-o", "type")
    refused("events", "--start-time", "yesterday", status=2)


def _kept_logins(terminal: Terminal) -> None:
    """A login for the commands after it."""
    ok, refused = terminal.ok, terminal.refused
    who = ("user", "whoami", "--no-header", "-o", "username")
    pair = json.loads(ok("user", "login", "ann", "-J", typed=f"{PASSWORD}\n"))[0]
    assert ok(*who, WEKA_MP_TOKEN=pair["access_token"]).strip() == "ann"
    assert ok(*who).strip() == "root"  # nothing was kept
    kept = terminal.folder / "config" / "weka_mp" / "auth-token.json"
    assert ok("user", "login", typed=f"ann\n{PASSWORD}\n") == f"logged in as ann: {kept}\n"  # both asked for
    by_variables = {"WEKA_MP_USERNAME": "ann", "WEKA_MP_PASSWORD": PASSWORD}
    assert ok("user", "login", **by_variables) == f"logged in as ann: {kept}\n"
    assert ok("user", "login", "ann", typed=f"{PASSWORD}\n") == f"logged in as ann: {kept}\n"
    assert kept.stat().st_mode & 0o077 == 0
    assert PASSWORD not in kept.read_text()
    assert ok(*who).strip() == "ann"
    assert "which may not" in refused("user", "list")
    kept.chmod(0o644)
    assert "others may read it" in refused("user", "list")
    kept.chmod(0o600)
    elsewhere = json.loads(kept.read_text()) | {"for": "store of somebody else"}
    held = kept.read_text()
    kept.write_text(json.dumps(elsewhere))
    assert ok(*who).strip() == "root"  # a login is sent where it was made, and nowhere else
    kept.write_text(held)
    ok("user", "revoke-tokens", "ann", WEKA_MP_USERNAME="ann", WEKA_MP_PASSWORD=PASSWORD)
    assert "log in anew" in refused("user", "whoami")
    ok("user", "logout")
    assert "nobody is logged in" in refused("user", "logout")
    other = str(terminal.folder / "other-token.json")
    ok("user", "login", "ann", "--path", other, typed=f"{PASSWORD}\n")
    assert ok(*who).strip() == "root"
    assert ok(*who, WEKA_MP_TOKEN=other).strip() == "ann"
    refused("user", "login", "ann", "Wrong-Horse-1")
    assert ok("user") == ok("user", "list")


def _cluster(terminal: Terminal) -> None:
    """The service as a whole."""
    ok, refused = terminal.ok, terminal.refused
    workers = json.loads(ok("s3", "cluster", "-J"))
    assert workers == json.loads(ok("s3", "cluster", "status", "-J"))
    assert [worker["status"] for worker in workers] in ([], ["Online"])
    assert "weka-mp serve" in refused("s3", "cluster", "create", "default", ".config_fs", "--port", "9000")
    if workers:
        ok("s3", "log-level", "set", "DEBUG")
        assert json.loads(ok("s3", "log-level", "get", "-J")) == [{"level": "debug"}]
        ok("s3", "log-level", "set", "info")
    else:
        assert "--log-level" in refused("s3", "log-level", "get")
        assert "--log-level" in refused("s3", "log-level", "set", "debug")
    refused("events", "--type", "Nothing")


def walk_through(terminal: Terminal) -> dict[str, str]:
    """The documents' steps, one after another; the secrets that were made."""
    _users(terminal)
    _policies(terminal)
    made, temporary, token = _service_accounts(terminal), _temporary(terminal), _tokens(terminal)
    _lock_outs_and_events(terminal)
    _kept_logins(terminal)
    _cluster(terminal)
    return {"made": made, "temporary": temporary, "token": token}


def test_the_walk_through_on_a_stopped_store(terminal: Terminal, store: Path) -> None:
    walk_through(terminal)
    before = terminal.environ.pop("WEKA_MP_STORE")
    assert "no store named" in terminal.refused("user", "list", status=2)
    for words in (("--store", str(store), "user", "list"), ("user", "list", "--store", str(store))):
        assert "ann" in terminal.ok(*words)
    terminal.environ["WEKA_MP_STORE"] = before
    assert "no such" in terminal.refused("user", "list", "--store", str(store / "none")).lower()


def test_a_malformed_policy_file_is_refused_with_its_place(terminal: Terminal, tmp_path: Path) -> None:
    bad = {**POLICY, "Statement": [{**POLICY["Statement"][0], "Action": "s3:Fly"}]}  # type: ignore[dict-item]
    for name, content, told in (
        ("cut.json", '{"Version":', "not JSON"),
        ("twice.json", '{"Version": "2012-10-17", "Version": "2012-10-17", "Statement": []}', "twice"),
        ("fly.json", bad, "Statement[0]"),
        ("long.json", " " * 20_481, "longer than"),
    ):
        error = terminal.refused("s3", "policy", "add", "p", terminal.file(name, content))
        assert told in error, error
        assert str(tmp_path / name) in error
    (tmp_path / "latin.json").write_bytes(b"\xff{}")
    assert "UTF-8" in terminal.refused("s3", "policy", "add", "p", str(tmp_path / "latin.json"))
    assert "No such file" in terminal.refused("s3", "policy", "add", "p", str(tmp_path / "none"))
    assert "p\n" not in terminal.ok("s3", "policy", "list", "-f", "csv", "-o", "policy")


WHERE = {"--store", "-H", "--HOST", "-P", "--PORT", "--cacert"}
TABLE = {"-J", "--json", "-f", "--format", "-o", "--output", "-s", "--sort", "-F", "--filter", "--no-header"}
OPTIONS = {
    "user add": WHERE
    | {"--posix-uid", "--posix-gid", "--posix-groups", "--account", "--display-name", "--email"},
    "user update": WHERE | {"--role", "--posix-uid", "--posix-gid", "--posix-groups"},
    "user passwd": WHERE | {"--username"},
    "user delete": WHERE,
    "user list": WHERE | TABLE,
    "user whoami": WHERE | TABLE,
    "user revoke-tokens": WHERE,
    "user generate-token": WHERE | {"--access-token-timeout"},
    "s3 bucket create": WHERE | {"--policy", "--policy-json", "--existing-path", "--fs-name", "--hard-quota"},
    "s3 bucket add": WHERE | {"--policy", "--policy-json", "--existing-path", "--fs-name", "--hard-quota"},
    "s3 bucket remove": WHERE | {"--unlink"},
    "s3 bucket quota reset": WHERE,
    "s3 bucket policy reset": WHERE,
    "s3 bucket quota set": WHERE,
    "s3 bucket quota unset": WHERE,
    "s3 bucket inventory": WHERE
    | {"--prefix", "--versions", "-o", "--output", "-f", "--format", "--no-header", "--file"},
    "s3 bucket lifecycle-rule add": WHERE | {"--prefix", "--tags"},
    "s3 bucket lifecycle-rule list": WHERE | TABLE,
    "s3 bucket lifecycle-rule remove": WHERE,
    "s3 bucket lifecycle-rule reset": WHERE,
    "s3 bucket list": WHERE | TABLE,
    "s3 bucket destroy": WHERE | {"--unlink"},
    "s3 explain": WHERE | TABLE | {"--encoded", "--source", "--source-ip", "--secure", "--condition"},
    "s3 bucket posix": WHERE,
    "s3 bucket mount-versions": WHERE,
    "s3 bucket policy set": WHERE,
    "s3 bucket policy set-custom": WHERE,
    "s3 bucket policy get": WHERE | TABLE,
    "s3 bucket policy get-json": WHERE,
    "s3 bucket policy unset": WHERE,
    "s3 cluster status": WHERE | TABLE,
    "s3 cluster audit-webhook enable": WHERE | {"--endpoint", "--auth-token", "--verify"},
    "s3 cluster audit-webhook disable": WHERE,
    "s3 cluster audit-webhook show": WHERE | TABLE,
    "s3 notification target add": WHERE | {"--endpoint", "--auth-token", "--batch"},
    "s3 notification target update": WHERE | {"--endpoint", "--auth-token", "--batch"},
    "s3 notification target list": WHERE | TABLE,
    "s3 notification target show": WHERE | TABLE,
    "s3 notification target remove": WHERE,
    **{f"s3 cluster {name}": set() for name in (
        "create", "add", "update", "destroy", "remove", "containers")},
    "s3 retention-clock show": WHERE | TABLE,
    "s3 retention-clock accept": WHERE,
    "s3 log-level get": WHERE | TABLE,
    "s3 log-level set": WHERE,
    "user login": WHERE | TABLE | {"--path"},
    "user logout": {"--path"},
    "s3 policy list": WHERE | TABLE | {"--users"},
    "s3 policy show": WHERE,
    "s3 policy create": WHERE,
    "s3 policy add": WHERE,
    "s3 policy remove": WHERE,
    "s3 policy attach": WHERE,
    "s3 policy detach": WHERE,
    "s3 service-account list": WHERE | TABLE,
    "s3 service-account add": WHERE | TABLE | {"--policy-file"},
    "s3 service-account show": WHERE | TABLE,
    "s3 service-account remove": WHERE,
    "s3 sts assume-role": (
        WHERE | TABLE | {"--access-key", "--secret-key", "--policy-file", "--duration"}),
    "security lockout-config set": WHERE | {"--failed-attempts", "--lockout-duration"},
    "security lockout-config show": WHERE | TABLE,
    "security lockout-config reset": WHERE,
    "security tls set": WHERE | {"--private-key", "--certificate"},
    "security tls unset": WHERE,
    "security tls download": WHERE | {"--path"},
    "security tls status": WHERE | TABLE,
}


def leaves(command: click.Command, *words: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(words), command
        return
    for name, inner in command.commands.items():
        yield from leaves(inner, *words, name)


def test_the_commands_have_exactly_these_options_and_say_what_they_do() -> None:
    context = click.Context(cli)
    found = {}
    for name in ("user", "s3", "security"):
        group = cli.get_command(context, name)
        assert group is not None
        for words, command in leaves(group, name):
            assert command.get_short_help_str(), words
            options = [param for param in command.params if isinstance(param, click.Option)]
            found[words] = {flag for option in options for flag in option.opts}
    assert found == OPTIONS


def test_a_password_that_is_not_in_the_environment_is_read(terminal: Terminal) -> None:
    terminal.ok("user", "add", "ann", "S3", typed=f"{PASSWORD}\n")
    who = ("user", "whoami", "--no-header", "-o", "username")
    assert terminal.ok(*who, typed=f"{PASSWORD}\n", WEKA_MP_USERNAME="ann").strip() == "ann"
    assert "Password of ann: an empty" in terminal.refused(*who, WEKA_MP_USERNAME="ann")


def test_regression_a_refused_login_on_a_stopped_store_is_one_line(terminal: Terminal) -> None:
    environ = {**os.environ, "WEKA_MP_USERNAME": "ann", "WEKA_MP_PASSWORD": PASSWORD}
    environ |= {name: value for name, value in terminal.environ.items() if value is not None}
    command = [sys.executable, "-m", "weka_mp", "user", "whoami"]
    done = subprocess.run(
        command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr


def test_whatever_else_answers_is_no_administration(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answers = (b"[1]", b'{"a": 1}', b"<html>")

        def serve() -> None:
            for content in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n"
                    connection.sendall(head.encode() + content)

        thread = threading.Thread(target=serve)
        thread.start()
        port = str(listener.getsockname()[1])
        for told in ("no JSON object", "no administration", "not JSON"):
            assert told in terminal.refused("user", "list", "-P", port, WEKA_MP_TOKEN="t")
        thread.join(10)


@pytest.fixture
def live(store: Path) -> Iterator[Live]:
    with serving(store, "--workers", "1") as running:
        yield running


@pytest.mark.timeout(120)
def test_the_same_on_a_running_service_and_over_the_network(
    terminal: Terminal, live: Live, tmp_path: Path
) -> None:
    secrets = walk_through(terminal)
    host, _, port = str(live.status()["admin"]).removeprefix("http://").partition(":")
    there = ("-H", host, "-P", port)
    me = {"WEKA_MP_USERNAME": "ann", "WEKA_MP_PASSWORD": PASSWORD}
    assert terminal.ok("user", "whoami", *there, "-o", "username", "--no-header", **me).strip() == "ann"
    root = {"WEKA_MP_USERNAME": "testroot", "WEKA_MP_PASSWORD": KEYS["WEKA_MP_ROOT_SECRET_KEY"]}
    terminal.ok("user", "add", "far", "s3", *there, typed=f"{OTHER}\n", **root)
    assert "far" in terminal.ok("user", "list")
    assert "who are you?" in terminal.refused("user", "list", *there)
    assert "not both" in terminal.refused("user", "list", *there, "--store", str(live.store), status=2)
    for _ in range(5):
        terminal.refused("user", "whoami", *there, WEKA_MP_USERNAME="far", WEKA_MP_PASSWORD="Wrong-Horse-1")
    locked = terminal.refused("user", "whoami", *there, WEKA_MP_USERNAME="far", WEKA_MP_PASSWORD=OTHER)
    assert "try again in" in locked
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = str(unused.getsockname()[1])
        assert "does the service run" in terminal.refused("user", "list", "-P", port, status=3, **root)
    assert live.get_admin("/api/v2/users")[0] == 401
    assert live.stop() == 0
    told = live.log.read_text() + "".join(terminal.said)
    for secret in (PASSWORD, OTHER, "Wrong-Horse-1", KEYS["WEKA_MP_ROOT_SECRET_KEY"]):
        assert secret not in told
    for secret in secrets.values():
        assert secret not in live.log.read_text()
        assert "".join(terminal.said).count(secret) == 1
    assert "far" in terminal.ok("user", "list")  # kept, now that it has stopped


@pytest.mark.parametrize(
    ("text", "seconds"), [("900s", 900), ("60m", 3600), ("12h", 43200), ("2d", 172800), ("1w", 604800)]
)
def test_durations(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "900", "1y", "-1s", "1.5h", "1 d", "\u0661s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="no time"):
        seconds_of(text)
