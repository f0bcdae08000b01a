"""The measured values by name and round, and their ratios."""

from collections import defaultdict
from statistics import median


class Samples:
    """Values of a name in each round; a round can be dropped as a whole."""

    def __init__(self):
        self.rounds: dict[str, dict[int, float]] = defaultdict(dict)
        self.sync_rates: dict[int, list[float]] = defaultdict(list)

    def add(self, name: str, round_number: int, value: float) -> None:
        self.rounds[name][round_number] = value

    def drop_rounds_of_a_slow_disk(self) -> list[int]:
        """Drops the rounds in which the disk had less than half of its usual speed.

        The rule is older than the figures: half the median of all rounds, before any of them.
        """
        rates = {number: median(values) for number, values in self.sync_rates.items()}
        usual = median(rates.values())
        slow = [number for number, rate in rates.items() if rate < usual / 2]
        for values in self.rounds.values():
            for number in slow:
                if len(values) > 1:
                    values.pop(number, None)
        return slow

    def has(self, name: str) -> bool:
        return bool(self.rounds.get(name))

    def value(self, name: str) -> float:
        """The median over the rounds."""
        return median(self.rounds[name].values())

    def ratio(self, name: str, base: str) -> float:
        """The median of the ratios within each round."""
        return median(self.ratios(name, base))

    def ratios(self, name: str, base: str) -> list[float]:
        """The ratio within each round."""
        ours, theirs = self.rounds[name], self.rounds[base]
        return [ours[number] / theirs[number] for number in sorted(ours.keys() & theirs.keys())]
