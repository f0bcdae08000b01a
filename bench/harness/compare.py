"""Compares this tree with another commit: `python -m harness.compare COMMIT BINARY [--only PART]`."""

import argparse
import shutil
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from . import document, load, machine, scenarios, table
from .samples import Samples
from .scenarios import GZIP, READERS, Kind, Plan, Round
from .servers import WORK, Ours
from .updates import fill

BASE = "base"
# The units of figures that are not rates. Less of them is better.
UNITS = {":p50": " ms", ":p99": " ms", ":max": " ms", ":cpu": " µs", "resident": " bytes", "/peak": " bytes", "first answer": " s"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/compare", description="Measures this tree beside another commit.")
    parser.add_argument("commit", help="what the other program was built from")
    parser.add_argument("binary", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=sorted(PARTS), action="append", help="only this part; may be repeated")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is started anew (default: 5)")
    arguments = parser.parse_args()
    kinds = [Ours, partial(Ours, name=BASE, binary=arguments.binary)]
    plan, samples = Plan(rounds=arguments.rounds), Samples()
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    try:
        for name, part in PARTS.items():
            if not arguments.only or name in arguments.only:
                print(f"{name} ...", file=sys.stderr, flush=True)
                part(kinds, plan, samples)
    finally:
        # A part that fails does not take the figures of the others with it.
        report(arguments.commit, plan, samples)


def report(commit: str, plan: Plan, samples: Samples) -> None:
    slow = samples.drop_rounds_of_a_slow_disk() if samples.sync_rates else []
    print("\n".join([*machine.describe(WORK), document.about_rounds(plan.rounds, slow, samples)]), end="\n\n")
    print(table.markdown(["figure", "this tree", commit, "ratio", "of each round"], lines(samples)))


def lines(samples: Samples) -> list[list[str]]:
    """Every figure that both builds have, in the order of measurement."""
    body = []
    for name in samples.rounds:
        work, _, rest = name.partition(f"/{table.OURS}")
        base = f"{work}/{BASE}{rest}"
        if samples.has(base):
            unit = next((unit for end, unit in UNITS.items() if f"{work}{rest}".endswith(end)), "/s")
            both = [table.number(samples.value(each)) + unit for each in (name, base)]
            ratios = " ".join(f"{ratio:.2f}" for ratio in samples.ratios(name, base))
            body.append([work + rest, *both, f"{samples.ratio(name, base):.2f}", ratios])
    return body


def repeated(scenario):
    def part(kinds: list[Kind], plan: Plan, samples: Samples) -> None:
        for number in range(plan.rounds):
            scenario(Round(number, plan, samples), kinds)

    return part


def lists(a_round: Round, kinds: list[Kind]) -> None:
    """The list of 20,000 entries, plain and compressed, and a part of it."""
    for kind in a_round.turn(kinds):
        with kind() as server:
            fill(server.port, range(20000))
            for name, path, headers in (
                ("plain", "/status.json", None),
                ("gzip", "/status.json", GZIP),
                ("repo", "/status.json?repo=repo-07", None),
            ):
                a_round.take(f"get/{name}/20000", server, lambda p=path, h=headers: load.get(
                    server.port, p, READERS, a_round.plan.seconds, h))  # fmt: skip


def million(kinds: list[Kind], plan: Plan, samples: Samples) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(kind()) for kind in kinds]
        for server in servers:
            fill(server.port, range(plan.many))
            server.stop()
        for number in range(plan.rounds):
            a_round = Round(number, plan, samples)
            for server in a_round.turn(servers):
                scenarios.million(a_round, server, connections=(64, 1000))
                server.stop()


PARTS = {
    "updates": repeated(scenarios.updates),
    "lists": repeated(lists),
    "mixed": repeated(scenarios.mixed),
    "expiry": repeated(scenarios.expiry),
    "million": million,
}

if __name__ == "__main__":
    main()
