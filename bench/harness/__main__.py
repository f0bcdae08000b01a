"""Runs the whole benchmark: `python -m harness [--quick]`."""

import argparse
import shutil
import sys
import time
from pathlib import Path

from . import cluster, document, machine, scale, scale_table, scenarios, table
from .samples import Samples
from .scenarios import Plan, Round
from .servers import ROOT, TARGET, WORK, Ours
from .updates import fill

PAGE, SCALE_PAGE = ROOT / "docs" / "performance.md", ROOT / "docs" / "scale.md"
QUICK = Plan(rounds=1, many=100_000, expiring=20_000, days=7, away=5, with_others=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures this program beside others.")
    parser.add_argument("--quick", action="store_true", help="one round of less, in 4 minutes")
    parser.add_argument("--only", choices=sorted([*PARTS, "postgres"]), action="append", help="only this part; may be repeated")
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else Plan()
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    started, samples, found = time.monotonic(), Samples(), scale.Found()
    parts = PARTS | {"postgres": lambda plan, samples: scale.measure(plan, samples, found)}
    for name, part in parts.items():
        if not arguments.only or name in arguments.only:
            print(f"{name}: since {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
            part(plan, samples)
    slow = samples.drop_rounds_of_a_slow_disk() if samples.sync_rates else []
    body = table.lines(samples, table.rows(plan))
    sections = {name: table.lines(samples, rows()) for name, rows in table.SECTIONS.items()}
    rounds = document.about_rounds(plan.rounds, slow, samples)
    here = machine.describe(WORK)
    about = [*here, machine.versions() if body else machine.clients(), rounds]
    everything = [*body, *(line for lines in sections.values() for line in lines)]
    print("\n".join(about) + "\n\n" + table.markdown(table.HEADER, everything))
    if costs := table.costs(samples):
        print(table.markdown(["processor time", "of the server"], costs))
    several = scale_table.tables(plan, samples, found)
    print("\n".join(several.values()))
    if arguments.quick or arguments.only:
        write(TARGET / "bench", everything, samples)
    else:
        write(ROOT / "docs", body, samples)
        document.refresh(PAGE, about, body, samples)
    if not arguments.quick:
        for name, lines in sections.items():
            if lines:
                document.refresh_section(PAGE, name, [*here, machine.clients(), rounds], lines)
        if several:
            about = [*here, f"{cluster.version()}, {machine.clients()}", rounds]
            document.replace(SCALE_PAGE, {"machine": scale_table.bullets(about), **several})
    print(f"done in {time.monotonic() - started:.0f} s", file=sys.stderr)


def write(folder: Path, body: list[list[str]], samples: Samples) -> None:
    """Writes a table as CSV, and the plots. Only a whole run writes them into docs."""
    (folder / "performance.csv").write_text(table.as_csv(body))
    for name, picture in document.plots(samples).items():
        (folder / f"performance-{name}.svg").write_text(picture)


def repeated(scenario, rounds=None):
    def part(plan: Plan, samples: Samples) -> None:
        for number in range(min(plan.rounds, rounds or plan.rounds)):
            scenario(Round(number, plan, samples))

    return part


def million(plan: Plan, samples: Samples) -> None:
    with Ours() as many:
        fill(many.port, range(plan.many))
        for number in range(min(plan.rounds, 3)):
            a_round = Round(number, plan, samples)
            scenarios.million(a_round, many)
            scenarios.thousand(a_round)


PARTS = {
    "posting": repeated(scenarios.posting),
    "tokens": repeated(scenarios.tokens),
    "tls": repeated(scenarios.tls),
    "reading": repeated(scenarios.reading),
    "mixed": repeated(scenarios.mixed),
    "slow disk": repeated(scenarios.slow_disk, 3),
    "expiry": repeated(scenarios.expiry, 3),
    "history": repeated(scenarios.history, 1),
    "million": million,
}

if __name__ == "__main__":
    main()
