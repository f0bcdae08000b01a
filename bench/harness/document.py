"""Refreshes the tables of docs/performance.md; its prose stays."""

from pathlib import Path
from statistics import median

from . import plot, table
from .plot import Line
from .samples import Samples
from .table import GO, LOG, NGINX, OURS


def about_rounds(rounds: int, slow: list[int], samples: Samples) -> str:
    text = f"medians of {rounds} interleaved rounds"
    if samples.sync_rates:
        rates = [median(values) for _, values in sorted(samples.sync_rates.items())]
        text += ", with " + ", ".join(f"{rate:,.0f}" for rate in rates) + " bare syncs of the disk a second"
    return text + (f"; thrown away for a slow disk: round {', '.join(str(n + 1) for n in slow)}" if slow else "")


def refresh(path: Path, about: list[str], body: list[list[str]], samples: Samples) -> None:
    """Replaces the text between two marks in the document."""
    parts = {
        "machine": "".join(f"- {line}\n" for line in about),
        "table": table.markdown(table.HEADER, body),
        "costs": table.markdown(["processor time", "of the server"], table.costs(samples)),
    }
    replace(path, parts)


def refresh_section(path: Path, name: str, about: list[str], body: list[list[str]]) -> None:
    """Replaces a table that has its own marks, and says how it was measured."""
    replace(path, {name: "".join(f"- {line}\n" for line in about) + "\n" + table.markdown(table.HEADER, body)})


def replace(path: Path, parts: dict[str, str]) -> None:
    """Replaces the text between the marks of each name."""
    text = path.read_text()
    for name, part in parts.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if text.count(start) != 1 or end not in text.partition(start)[2]:
            raise RuntimeError(f"{path} has no marks of {name}")
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = before + start + part + end + after
    path.write_text(text)


def plots(samples: Samples) -> dict[str, str]:
    """The plots for which there are figures, by name."""

    def line(name: str, pattern: str, xs: tuple[int, ...], server: str) -> Line:
        names = ((x, pattern.format(x) + "/" + server) for x in xs)
        return Line(name, [(x, samples.value(key)) for x, key in names if samples.has(key)])

    def drawn(*arguments, lines: list[Line], **options) -> str | None:
        lines = [each for each in lines if len(each.points) > 1]
        return plot.svg(*arguments, lines, **options) if lines else None

    connections, sizes = (1, 16, 64, 256), (100, 2000, 20000)
    pictures = {
        "connections": drawn(
            "Updates, each on disk before its answer", "connections", "updates/s",
            lines=[
                line(label, "post/times/2000/{}", connections, server)
                for label, server in (("this program", OURS), ("Go, in memory", GO), ("bare log", LOG))
            ],
        ),
        "entries": drawn(
            "Answers with the whole list, 16 connections", "entries", "answers/s",
            lines=[
                line("this program", "get/plain/{}", sizes, OURS),
                line("this program, gzip", "get/gzip/{}", sizes, OURS),
                line("nginx, file", "get/plain/{}", sizes, NGINX),
                line("Go, in memory", "get/plain/{}", sizes, GO),
            ],
            y_is_log=True,
        ),
    }  # fmt: skip
    return {name: picture for name, picture in pictures.items() if picture}
