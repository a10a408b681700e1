"""From windows to figures: a table for people, JSON for programs, plots for pages."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import weka_mp
from weka_mp.bench.runner import Cell, Window
from weka_mp.bench.work import Parameters
from weka_mp.clock import Clock
from weka_mp.s3.signing_time import extended_iso

__all__ = ["Machine", "Row", "as_json", "as_table", "plot", "rows_of"]

@dataclass(frozen=True, slots=True)
class Machine:
    """Where and when; load: the one-minute load average when the run began."""

    date: str
    processor: str
    cores: int
    kernel: str
    python: str
    version: str
    load: float

    @classmethod
    def here(cls, clock: Clock) -> Machine:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        return cls(
            extended_iso(clock.now_ns() / 1e9),
            names[0] if names else platform.machine(),
            os.cpu_count() or 1,
            platform.release(),
            platform.python_version(),
            weka_mp.__version__,
            round(os.getloadavg()[0], 1),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A verb on a target: medians over the rounds.

    per_second: operations; mib_per_second: payload; latencies in microseconds; CPU in microseconds an
    operation; memory in MiB. None: not known for this target.
    """

    verb: str
    target: str
    kind: str
    operations: int
    per_second: float
    mib_per_second: float
    p50_us: float
    p90_us: float
    p99_us: float
    server_cpu_us: float | None
    client_cpu_us: float
    memory_mib: float | None


def rows_of(cells: Sequence[Cell]) -> list[Row]:
    """One row for each cell that has a window, in the order of the cells."""
    return [_row(cell) for cell in cells if cell.windows and all(w.latencies for w in cell.windows)]


def _row(cell: Cell) -> Row:
    def median(values: list[float]) -> float:
        return round(statistics.median(values), 1)

    windows = cell.windows
    p50, p90, p99 = (median([_percentile(window, share) for window in windows]) for share in (50, 90, 99))
    server = [w.server_cpu / len(w.latencies) * 1e6 for w in windows if w.server_cpu is not None]
    return Row(
        cell.verb.value,
        cell.target,
        cell.kind,
        len(windows[0].latencies),
        median([len(w.latencies) / w.seconds for w in windows]),
        median([w.moved / w.seconds / 2**20 for w in windows]),
        p50,
        p90,
        p99,
        median(server) if server else None,
        median([w.client_cpu / len(w.latencies) * 1e6 for w in windows]),
        round(cell.memory / 2**20, 1) if cell.memory else None,
    )


def _percentile(window: Window, share: int) -> float:
    ordered = sorted(window.latencies)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)] / 1e3


def as_table(machine: Machine, mode: str, parameters: Parameters, rows: Sequence[Row]) -> str:
    """Markdown, so that it can be pasted into a page of results."""
    lines = [
        f"{machine.date}, `weka-mp bench {mode}`: {parameters.count} x {parameters.size} bytes, "
        f"{parameters.lanes} at once, medians of {parameters.rounds} interleaved rounds",
        f"{machine.processor}, {machine.cores} cores, Linux {machine.kernel}, Python {machine.python}, "
        f"weka_mp {machine.version}, load {machine.load} at the start",
        "",
        "| verb | target | ops/s | MiB/s | p50 µs | p90 µs | p99 µs | server CPU µs/op | client CPU µs/op "
        "| server MiB |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        figures = (
            row.per_second, row.mib_per_second, row.p50_us, row.p90_us, row.p99_us,
            row.server_cpu_us, row.client_cpu_us, row.memory_mib,
        )
        shown = " | ".join("–" if figure is None else _short(figure) for figure in figures)
        lines.append(f"| {row.verb} | {row.target} | {shown} |")
    return "\n".join(lines)


def _short(figure: float) -> str:
    return f"{figure:.0f}" if figure >= 100 else f"{figure:.1f}"


def as_json(machine: Machine, mode: str, parameters: Parameters, rows: Sequence[Row]) -> dict[str, Any]:
    """The same figures, with their names."""
    return {
        "machine": asdict(machine),
        "mode": mode,
        "parameters": asdict(parameters),
        "rows": [asdict(row) for row in rows],
    }


def plot(rows: Sequence[Row], title: str, path: Path) -> None:
    """Throughput, median latency and server CPU of each target by verb, as one picture.

    The ending of the path decides the format (.svg, .png, .pdf). Raises ModuleNotFoundError when matplotlib
    is not installed (the extra `bench` brings it).
    """
    from matplotlib.figure import Figure

    verbs, targets = list(dict.fromkeys(r.verb for r in rows)), list(dict.fromkeys(r.target for r in rows))
    panels = (("per_second", "operations/s"), ("p50_us", "median µs"), ("server_cpu_us", "server CPU µs/op"))
    figure = Figure(figsize=(4 + 1.5 * len(verbs), 9), layout="constrained")
    figure.suptitle(title)
    known = {(row.verb, row.target): asdict(row) for row in rows}
    for axes, (name, label) in zip(figure.subplots(len(panels), 1), panels, strict=True):
        for place, target in enumerate(targets):
            heights = [known.get((verb, target), {}).get(name) or 0 for verb in verbs]
            lefts = [at + place * 0.8 / len(targets) for at in range(len(verbs))]
            axes.bar(lefts, heights, 0.8 / len(targets), label=target, align="edge")
        axes.set_xticks([at + 0.4 for at in range(len(verbs))], verbs)
        axes.set_ylabel(label)
        axes.set_yscale("log")
    figure.axes[0].legend(fontsize="small")
    figure.savefig(path)
