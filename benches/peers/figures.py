"""From measured rounds to figures, a table and JSON. Pure: nothing here runs or reads anything."""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import Any

MEASURED, MISSING, FAILED = "measured", "not installed", "failed"


@dataclasses.dataclass
class Outcome:
    """What became of one subject. All lists have one entry for each round."""

    name: str
    status: str = MEASURED
    # Why it was not measured.
    reason: str = ""
    # Whether it calls the pair a match.
    match: bool | None = None
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    # SHA-256 of each model file.
    models: dict[str, str] = dataclasses.field(default_factory=dict)
    # Milliseconds of each comparison by one caller.
    latency_ms: list[list[float]] = dataclasses.field(default_factory=list)
    # Comparisons a second at saturation.
    pairs_per_s: list[float] = dataclasses.field(default_factory=list)
    # The set-up that was measured at saturation, and what each candidate completed a second when it was tried.
    setup: str = ""
    trials: dict[str, float] = dataclasses.field(default_factory=dict)


def quantile(values: list[float], share: float) -> float:
    """The nearest-rank quantile: the least value that `share` (above 0, at most 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def round_medians(rounds: list[list[float]]) -> list[float]:
    """The median of each round."""
    return [statistics.median(values) for values in rounds]


def ratio(numerators: list[float], denominators: list[float]) -> float:
    """The median of the ratios of each round: what slowed a whole round slowed both of its figures."""
    return statistics.median(top / bottom for top, bottom in zip(numerators, denominators, strict=True))


def figures(outcome: Outcome, padan: Outcome) -> dict[str, Any]:
    """One subject's figures; ratios are times, subject / padan, so that above 1 padan is the faster one."""
    told: dict[str, Any] = {"name": outcome.name, "status": outcome.status}
    if outcome.status != MEASURED:
        return told | {"reason": outcome.reason}
    medians = round_medians(outcome.latency_ms)
    taken = [value for values in outcome.latency_ms for value in values]
    return told | {
        "match": outcome.match,
        "versions": outcome.versions,
        "models": outcome.models,
        "latency_ms": {
            "median": statistics.median(medians),
            "p90": statistics.median(quantile(values, 0.9) for values in outcome.latency_ms),
            "runs": len(taken),
            "round_medians": medians,
        },
        "throughput": {
            "pairs_per_s": statistics.median(outcome.pairs_per_s),
            "setup": outcome.setup,
            "rounds": outcome.pairs_per_s,
            "trials": outcome.trials,
        },
        "ratio": {
            "latency": ratio(medians, round_medians(padan.latency_ms)),
            "throughput": ratio(padan.pairs_per_s, outcome.pairs_per_s),
        },
    }


def report(outcomes: list[Outcome], context: dict[str, Any]) -> dict[str, Any]:
    """Everything, for JSON; padan is the first outcome."""
    return context | {"subjects": [figures(outcome, outcomes[0]) for outcome in outcomes]}


def row(subject: dict[str, Any]) -> list[str]:
    """The cells of one subject."""
    if subject["status"] != MEASURED:
        return [subject["name"], subject["status"]]
    latency, served, ratios = subject["latency_ms"], subject["throughput"], subject["ratio"]
    return [
        subject["name"],
        f"{latency['median']:.1f}",
        f"{latency['p90']:.1f}",
        f"{ratios['latency']:.2f}",
        f"{served['pairs_per_s']:.2f}",
        f"{ratios['throughput']:.2f}",
        "match" if subject["match"] else "no match",
        served["setup"],
    ]


HEADER = [
    "pair of photographs",
    "one caller, ms",
    "p90",
    "/ padan",
    "saturated, pairs/s",
    "padan /",
    "decides",
    "saturated by",
]


def table(told: dict[str, Any]) -> str:
    """The report for people: what was measured on what, a row for each subject, and what was not measured and why."""
    rows = [HEADER] + [row(subject) for subject in told["subjects"]]
    widths = [max(len(cells[at]) for cells in rows if at < len(cells)) for at in range(len(HEADER))]
    # Text to the left, figures to the right.
    aligned = [
        "  ".join(
            cell.ljust(width) if at in (0, 6, 7) or len(cells) < len(HEADER) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=False))
        ).rstrip()
        for cells in rows
    ]
    machine = told["machine"]
    lines = [f"{machine['cpu']}, {len(machine['cores_used'])} cores used, load {machine['load_1min']:.1f} at the start"]
    lines += [f"{role}: {picture['file']}, {picture['bytes']:,} bytes" for role, picture in told["pictures"].items()]
    shares = f"{told['runs']} runs by one caller and {told['seconds']:g} s at saturation"
    lines += [
        f"{told['rounds']} rounds of {shares}, every subject in each; medians of rounds",
        "",
        aligned[0],
        "-" * max(map(len, aligned)),
        *aligned[1:],
    ]
    lines += [
        f"\n{subject['name']}: {subject['status']}: {subject['reason']}"
        for subject in told["subjects"]
        if subject["status"] != MEASURED
    ]
    return "\n".join(lines)
