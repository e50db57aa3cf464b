"""How much of the slow tail is queueing alone: Poisson arrivals, a constant service time, lanes that never rest.

  python3 benches/queueing.py [--lanes 2] [--load 0.8]

Prints the 99th percentile of waiting and service together, in service times: what `make bench` compares with "p99 at
80 % of saturation / unloaded p50". A real server adds its own variation to it.
"""

from __future__ import annotations

import argparse
import heapq
import random

CALLS = 2_000_000


def percentile_99(lanes: int, load: float, calls: int = CALLS) -> float:
    """Of waiting and service, in service times; first come, first served."""
    source, now, times = random.Random(1), 0.0, []
    free_at = [0.0] * lanes
    for _ in range(calls):
        now += source.expovariate(lanes * load)
        done = max(now, free_at[0]) + 1.0
        heapq.heapreplace(free_at, done)
        times.append(done - now)
    return sorted(times)[int(calls * 0.99)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--load", type=float, default=0.8)
    options = parser.parse_args()
    if options.lanes < 1 or not 0 < options.load < 1:
        parser.error("lanes must be at least 1, and load between 0 and 1")
    print(f"{percentile_99(options.lanes, options.load):.2f}")


if __name__ == "__main__":
    main()
