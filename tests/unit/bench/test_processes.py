"""Processes are found by what they serve."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from weka_mp.bench.processes import cpu_seconds, listeners, memory_bytes, with_descendants


def test_the_process_that_listens_is_found_and_nobody_after_it_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert os.getpid() in listeners(port)
    assert os.getpid() not in listeners(port)


def test_descendants_belong_to_their_ancestor() -> None:
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", nested], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        found = with_descendants([process.pid])
        assert process.pid in found
        assert len(found) == 2
        process.communicate("\n")
    assert with_descendants([process.pid]) == {process.pid}
    assert cpu_seconds([process.pid]) == 0


def test_cpu_and_memory_of_this_process() -> None:
    assert cpu_seconds([os.getpid()]) > 0
    assert memory_bytes([os.getpid()]) > 1 << 20
