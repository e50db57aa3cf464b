"""The measures of `padan evaluate --scores` against scikit-learn, SciPy and a plain bootstrap in NumPy.

  cargo build && .runtime/venv/bin/python -B -m unittest discover -s tests/python

PADAN_BINARY names another binary than target/debug/padan.
"""

from __future__ import annotations

import csv
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binomtest
from sklearn.metrics import det_curve, roc_curve

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("PADAN_BINARY", REPOSITORY / "target" / "debug" / "padan"))
PEOPLE = 130
SAMPLES = 3
# The lowest takes 30,000 impostor comparisons, and there are some 33,000.
TARGETS = (1e-4, 1e-3, 1e-2)
RESAMPLES = 1000
# An end of an interval of 1,000 resamples has a standard error of 0.085 standard deviations of what is resampled. Two
# of them differ by 0.12 in the mean of squares; four times that is 0.48, and the interval is 3.92 wide.
TOLERANCE = 0.48 / 3.92
# Stands for a comparison that could not be made: below every similarity.
LOST = -2.0
TIMEOUT_S = 120


class Scores:
    """Comparisons whose similarity depends on the people, so that those of one person hang together."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        ease = random.normal(0, 0.08, PEOPLE)
        samples = [(person, sample) for person in range(PEOPLE) for sample in range(SAMPLES)]
        quality = dict(zip(samples, random.normal(0, 0.05, len(samples))))
        rows = []
        for place, one in enumerate(samples):
            for other in samples[place + 1 :]:
                genuine = one[0] == other[0]
                # Of two people's pairs less than half are compared: a list need not be complete.
                if not genuine and random.random() > 0.45:
                    continue
                mean = 0.62 if genuine else 0.1
                similarity = mean + ease[one[0]] + ease[other[0]] + quality[one] + quality[other]
                similarity = np.clip(similarity + random.normal(0, 0.08), -1, 1)
                # Two decimals for some, so that there are ties.
                similarity = round(similarity, 2 if random.random() < 0.3 else 6)
                rows.append((similarity if random.random() > 0.01 else None, genuine, one[0], other[0]))
        order = random.permutation(len(rows))
        self.rows = [rows[place] for place in order]
        kept = [row for row in self.rows if row[1] or row[0] is not None]
        # padan computes with 32 bits, and compares in them.
        self.similarity = np.array([LOST if row[0] is None else row[0] for row in kept], np.float32)
        self.genuine = np.array([row[1] for row in kept])
        self.people = np.array([row[2:] for row in kept])
        impostor = np.flatnonzero(~self.genuine)
        self.descending = impostor[np.argsort(-self.similarity[impostor], kind="stable")]

    def write(self, path: pathlib.Path, with_people: bool) -> None:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["similarity", "genuine", "probe_person", "reference_person"][: 4 if with_people else 2])
            for similarity, genuine, *people in self.rows:
                names = [f"person {person}" for person in people] if with_people else []
                writer.writerow(["" if similarity is None else similarity, int(genuine), *names])

    def rates(self, threshold: float, weights: np.ndarray | None = None) -> tuple[float, float]:
        """FMR and FNMR, where each comparison counts `weights` times."""
        weights = np.ones(len(self.similarity)) if weights is None else weights
        matches = self.similarity >= np.float32(threshold)
        fmr = weights[~self.genuine & matches].sum() / weights[~self.genuine].sum()
        return fmr, weights[self.genuine & ~matches].sum() / weights[self.genuine].sum()

    def threshold(self, target: float, weights: np.ndarray) -> np.float32:
        """The lowest threshold whose FMR does not exceed the target."""
        sums = np.cumsum(weights[self.descending])
        first_refused = self.descending[np.argmax(sums > target * sums[-1] * (1 + 1e-12))]
        return np.nextafter(self.similarity[first_refused], np.float32(2))

    def weights(self, random: np.random.Generator, with_people: bool) -> np.ndarray:
        """How often each comparison counts when people, or else comparisons, are drawn with replacement."""
        units = PEOPLE if with_people else len(self.similarity)
        drawn = np.bincount(random.integers(0, units, units), minlength=units)
        if not with_people:
            return drawn
        return np.where(self.genuine, drawn[self.people[:, 0]], drawn[self.people].prod(axis=1))


def run(path: pathlib.Path, targets: tuple[float, ...]) -> subprocess.CompletedProcess[str]:
    fmr = ",".join(str(target) for target in targets)
    command = [BINARY, "evaluate", "--scores", path, "--fmr", fmr, "--json", "-"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=TIMEOUT_S)


class MeasuresTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        if not BINARY.is_file():
            raise FileNotFoundError(f"{BINARY} is missing: run `cargo build`, or name a binary with PADAN_BINARY")
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.scores = Scores(seed=20)
        cls.measured = {with_people: cls.measure(with_people) for with_people in (True, False)}
        similarity = cls.scores.similarity.astype(np.float64)
        cls.roc = roc_curve(cls.scores.genuine, similarity, drop_intermediate=False)
        cls.det = det_curve(cls.scores.genuine, similarity)

    @classmethod
    def measure(cls, with_people: bool) -> dict:
        path = cls.folder / f"scores-{with_people}.csv"
        cls.scores.write(path, with_people)
        done = run(path, TARGETS)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def at_fmr(self, with_people: bool = True) -> dict[float, dict]:
        return {float(target): rates for target, rates in self.measured[with_people]["at_fmr"].items()}

    def test_what_could_not_be_compared_counts_among_the_genuine_only(self) -> None:
        lost = sum(row[0] is None for row in self.scores.rows)
        self.assertGreater(lost, 0)
        for measured in self.measured.values():
            self.assertEqual(measured["genuine"], self.scores.genuine.sum())
            self.assertEqual(measured["impostor"], (~self.scores.genuine).sum())

    def test_rates_at_targets_are_those_of_scikit_learn(self) -> None:
        fmr, fnmr, _ = self.det
        at_fmr = self.at_fmr()
        self.assertEqual(sorted(at_fmr), sorted(TARGETS))
        for target, rates in at_fmr.items():
            with self.subTest(target=target):
                self.assertAlmostEqual(rates["fnmr"], fnmr[fmr <= target].min(), places=12)
                counted = self.scores.rates(rates["threshold"])
                impostor, genuine = (~self.scores.genuine).sum(), self.scores.genuine.sum()
                self.assertEqual(rates["false_matches"], round(counted[0] * impostor))
                self.assertEqual(rates["false_non_matches"], round(counted[1] * genuine))
                self.assertLessEqual(counted[0], target)
                lower = np.nextafter(np.float32(rates["threshold"]), np.float32(-2))
                self.assertGreater(self.scores.rates(lower)[0], target)

    def test_every_point_of_the_curve_is_on_that_of_scikit_learn(self) -> None:
        fpr, tpr, thresholds = self.roc
        curve = self.measured[True]["curve"]
        self.assertGreater(len(curve), 100)
        self.assertLessEqual(len(curve), 400)
        for point in curve:
            # The last of the descending thresholds that is not below the point's.
            threshold = float(np.float32(point["threshold"]))
            place = np.searchsorted(-thresholds, -threshold, side="right") - 1
            self.assertAlmostEqual(point["fmr"], fpr[place], places=12)
            self.assertAlmostEqual(point["fnmr"], 1 - tpr[place], places=12)

    def test_the_equal_error_rate_is_that_of_the_roc_curve(self) -> None:
        fpr, tpr, _ = self.roc
        expected = brentq(lambda rate: 1 - rate - np.interp(rate, fpr, tpr), 0, 1, xtol=1e-14)
        for measured in self.measured.values():
            self.assertAlmostEqual(measured["eer"]["rate"], expected, places=9)

    def test_wilson_intervals_are_those_of_scipy(self) -> None:
        impostor, genuine = int((~self.scores.genuine).sum()), int(self.scores.genuine.sum())
        for rates in self.at_fmr().values():
            for errors, total, name in (
                (rates["false_matches"], impostor, "fmr_wilson"),
                (rates["false_non_matches"], genuine, "fnmr_wilson"),
            ):
                interval = binomtest(errors, total).proportion_ci(confidence_level=0.95, method="wilson")
                np.testing.assert_allclose(rates[name], [interval.low, interval.high], rtol=0, atol=1e-9)

    def test_bootstrap_intervals_are_those_of_numpy(self) -> None:
        widths = {}
        for with_people in (True, False):
            random = np.random.default_rng(21)
            drawn = {target: {"fmr_bootstrap": [], "fnmr_bootstrap": [], "fnmr_at_target": []} for target in TARGETS}
            at_fmr = self.at_fmr(with_people)
            for _ in range(RESAMPLES):
                weights = self.scores.weights(random, with_people)
                for target, values in drawn.items():
                    fmr, fnmr = self.scores.rates(at_fmr[target]["threshold"], weights)
                    own = self.scores.rates(self.scores.threshold(target, weights), weights)
                    for name, value in zip(values, (fmr, fnmr, own[1])):
                        values[name].append(value)
            for target, values in drawn.items():
                for name, resampled in values.items():
                    with self.subTest(with_people=with_people, target=target, name=name):
                        low, high = np.quantile(resampled, [0.025, 0.975])
                        widths[with_people, target, name] = high - low
                        # Rates are counted: the ends may be a comparison apart.
                        total = (self.scores.genuine == name.startswith("fnmr")).sum()
                        tolerance = TOLERANCE * (high - low) + 1.5 / total
                        np.testing.assert_allclose(at_fmr[target][name], [low, high], rtol=0, atol=tolerance)
        # The two ways must differ, or else this test could not tell them apart.
        self.assertGreater(widths[True, 1e-2, "fmr_bootstrap"], 1.5 * widths[False, 1e-2, "fmr_bootstrap"])

    def test_a_target_that_the_impostors_cannot_support_is_refused(self) -> None:
        done = run(self.folder / "scores-True.csv", (1e-6,))
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("3000000", done.stderr)


if __name__ == "__main__":
    unittest.main()
