"""Measures padan over gRPC against other ways to compare the same two photographs, in one run on the same cores.

  make bench-peers                     sets everything up, builds the release binary, runs this
  python3 bench_peers.py --json FILE   with what is set up already

Every subject gets the same two JPEG files and does all of the work: decode, detect, align, embed, compare. Rounds are
interleaved, every subject in each. Exit codes: 0 done (a peer that could not be measured is in the table with the
reason), 1 padan could not be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
from typing import Any

from figures import FAILED, MEASURED, MISSING, Outcome, report, round_medians, table
from peers import REPOSITORY, RUNTIME, Peer, Setup, all_peers
from running import Bench, PeerError
from subjects import digest

PICTURES = REPOSITORY / "benches" / "pictures"


def latency(bench: Bench, peer: Peer, outcome: Outcome, runs: int) -> None:
    """One round of one caller at a time."""
    with bench.server(peer, peer.alone) as address, bench.callers(peer, peer.alone, address) as (callers, told):
        outcome.match, outcome.versions, outcome.models = told["match"], told["versions"], told["models"]
        callers[0].tell({"do": "latency", "runs": runs})
        outcome.latency_ms.append(callers[0].read()["ms"])


def throughput(bench: Bench, peer: Peer, setup: Setup, seconds: float) -> float:
    """Pairs a second that a set-up completes."""
    with bench.server(peer, setup) as address:
        if peer.subject == "padan" and bench.has_load:
            return bench.load(address, setup.threads, seconds)
        with bench.callers(peer, setup, address) as (callers, _):
            for caller in callers:
                caller.tell({"do": "throughput", "seconds": seconds})
            answers = [caller.read(seconds) for caller in callers]
            return sum(answer["pairs"] / answer["seconds"] for answer in answers)


def best_setup(bench: Bench, peer: Peer, outcome: Outcome, seconds: float) -> Setup:
    """The set-up that completes most in a short trial."""
    trials = {setup: throughput(bench, peer, setup, seconds) for setup in peer.saturation}
    outcome.trials = {peer.described(setup): rate for setup, rate in trials.items()}
    best = max(trials, key=trials.get)
    outcome.setup = peer.described(best)
    if peer.subject == "padan":
        outcome.setup += " of padan load" if bench.has_load else " of grpcio"
    return best


def measure(bench: Bench, peers: list[Peer], options: argparse.Namespace) -> list[Outcome]:
    """Trials, then rounds in turn. A peer that fails once is left out from then on."""
    outcomes = [Outcome(peer.name) for peer in peers]
    setups: dict[str, Setup] = {}

    def attempt(peer: Peer, outcome: Outcome, at: int) -> None:
        try:
            if at == 0:
                setups[peer.name] = best_setup(bench, peer, outcome, options.trial_seconds)
                say(f"{peer.name}: tried {len(outcome.trials)} set-ups, best: {outcome.setup}")
                return
            latency(bench, peer, outcome, options.runs)
            outcome.pairs_per_s.append(throughput(bench, peer, setups[peer.name], options.seconds))
            one, many = round_medians(outcome.latency_ms)[-1], outcome.pairs_per_s[-1]
            say(f"round {at}/{options.rounds}: {peer.name}: {one:.1f} ms, {many:.2f} pairs/s")
        except PeerError as error:
            outcome.status, outcome.reason = FAILED, str(error)
            say(f"{peer.name}: {error}")

    for peer, outcome in zip(peers, outcomes, strict=True):
        missing = peer.why_missing()
        if missing is not None:
            outcome.status, outcome.reason = MISSING, missing
            say(f"{peer.name}: not installed: {missing}")
    for at in range(options.rounds + 1):
        for peer, outcome in zip(peers, outcomes, strict=True):
            if outcome.status == MEASURED:
                attempt(peer, outcome, at)
        if outcomes[0].status != MEASURED:
            break  # Nothing to compare the others with.
    return outcomes


def cpu_model() -> str:
    """What the processor calls itself."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str:
    """Of the checkout, with a mark when files differ from it; empty without git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return found.stdout.strip()


def context(options: argparse.Namespace, cores: list[int]) -> dict[str, Any]:
    """What the figures hold for."""
    pictures = {"probe": options.probe, "reference": options.reference}
    return {
        "machine": {
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "cores_used": cores,
            "load_1min": os.getloadavg()[0],
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "commit": commit(),
        "pictures": {
            role: {"file": file.name, "bytes": file.stat().st_size, "sha256": digest(file)}
            for role, file in pictures.items()
        },
        "rounds": options.rounds,
        "runs": options.runs,
        "seconds": options.seconds,
        "trial_seconds": options.trial_seconds,
    }


def say(text: str) -> None:
    """Progress, beside the table on standard output."""
    print(text, file=sys.stderr, flush=True)


def parsed() -> argparse.Namespace:
    """Options; the defaults are what the documentation's figures are measured with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    release = REPOSITORY / "target" / "release" / "padan"
    parser.add_argument("--json", type=pathlib.Path, help="write everything that was measured to this file")
    parser.add_argument("--binary", type=pathlib.Path, default=release, help="padan (default: target/release/padan)")
    parser.add_argument("--probe", type=pathlib.Path, default=PICTURES / "selfie_1280x960.jpg")
    parser.add_argument("--reference", type=pathlib.Path, default=PICTURES / "reference_240x320.jpg")
    parser.add_argument("--cores", type=int, default=2, help="use so many cores, for everything (default: 2)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--runs", type=int, default=20, help="runs of one caller in a round (default: 20)")
    parser.add_argument("--seconds", type=float, default=6, help="at saturation in a round (default: 6)")
    parser.add_argument("--trial-seconds", type=float, default=4, help="for each set-up that is tried (default: 4)")
    names = [peer.name for peer in all_peers(1)[1:]]
    parser.add_argument("--only", nargs="+", choices=names, metavar="PEER", help=f"of {', '.join(map(repr, names))}")
    options = parser.parse_args()
    if min(options.rounds, options.runs, options.cores, options.seconds, options.trial_seconds) <= 0:
        parser.error("rounds, runs, cores and seconds must be above 0")
    return options


def main() -> int:
    # Ends what was started, as for Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = parsed()
    if not options.binary.is_file():
        say(f"{options.binary} is missing: run `make bench-peers`, or `cargo build --release`")
        return 1
    # What is started here inherits the cores: servers, callers and load generators share them.
    cores = sorted(os.sched_getaffinity(0))[: options.cores]
    os.sched_setaffinity(0, cores)
    logs = REPOSITORY / "target" / "bench-peers"
    logs.mkdir(parents=True, exist_ok=True)
    told = context(options, cores)
    peers = all_peers(len(cores), RUNTIME)
    if options.only:
        peers = [peer for peer in peers if peer.name in ("padan", *options.only)]
    bench = Bench(options.probe.resolve(), options.reference.resolve(), options.binary.resolve(), logs)
    outcomes = measure(bench, peers, options)
    if outcomes[0].status != MEASURED:
        say(f"padan was not measured: {outcomes[0].status}: {outcomes[0].reason}")
        return 1
    told = report(outcomes, told)
    print(f"\n{table(told)}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
