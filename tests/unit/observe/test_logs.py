"""Where records go, in processes of their own (logging is process-wide)."""

import json
import subprocess
import sys
from pathlib import Path


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_child_logs_json_with_uncaught_exceptions_of_main_and_threads() -> None:
    done = _python(
        "import logging, threading\n"
        "from weka_mp.observe.logs import configure_child\n"
        "configure_child('worker-9', 'info', 'json')\n"
        "log = logging.getLogger('weka_mp.t')\n"
        "log.debug('hidden'); log.info('shown', extra={'fields': {'a': 1}})\n"
        "thread = threading.Thread(target=lambda: 1 / 0, name='T'); thread.start(); thread.join()\n"
        "raise KeyError('end')\n"
    )
    assert all(line.startswith("\x1e") for line in done.stderr.split("\n")[:-1])
    records = [json.loads(line[1:]) for line in done.stderr.split("\n")[:-1]]
    assert [record["message"] for record in records] == [
        "shown",
        "uncaught exception in thread T",
        "uncaught exception",
    ]
    assert records[0]["a"] == 1 and {record["process"] for record in records} == {"worker-9"}
    assert "ZeroDivisionError" in records[1]["exception"] and "KeyError" in records[2]["exception"]
    assert done.returncode == 1


def test_the_file_is_rotated_by_size_and_count(tmp_path: Path) -> None:
    path = tmp_path / "w.log"
    done = _python(
        "import logging\n"
        "from weka_mp.observe.logs import configure_main\n"
        f"sink = configure_main(level='info', path={str(path)!r}, form='json', max_size=1000, keep=2)\n"
        "for n in range(40): logging.getLogger('weka_mp').info('record %d', n)\n"
        "sink.relay(b'raw words', 'mount-0', 5)\n"
        "sink.close()\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["w.log", "w.log.1", "w.log.2"]
    assert all(entry.stat().st_size <= 1000 for entry in tmp_path.iterdir())
    last = json.loads(path.read_text().splitlines()[-1])
    assert (last["process"], last["message"], last["level"]) == ("mount-0", "raw words", "warning")


def test_a_child_whose_supervisor_is_gone_is_silent() -> None:
    done = _python(
        "import logging, os\n"
        "read, write = os.pipe(); os.close(read)\n"
        "from weka_mp.observe import logs\n"
        "handler = logs.PipeHandler(write, 'x', 'text'); log = logging.getLogger('weka_mp')\n"
        "log.addHandler(handler)\n"
        "log.propagate = False\n"
        "log.warning('to nobody'); assert log.handlers == []\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
