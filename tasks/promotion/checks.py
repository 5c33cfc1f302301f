"""What a version must pass to take the champion's place. Outputs of both for the same samples in, findings out."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tasks import objectives
from tasks.evaluation.comparison import rounded
from tasks.objectives import Array, Facts
from tasks.schema import Gate

CALIBRATION, RECALL = "calibration_error", "recall"


class Check(NamedTuple):
    """One thing that was looked at: whether it holds, in words, and the numbers behind it."""

    name: str
    passed: bool
    told: str
    numbers: dict[str, Any]


@dataclass(frozen=True)
class Duel:
    """Both answers to the same T test samples: outputs float32 [T, K], targets [T], resamples int [R, T]."""

    objective: str
    facts: Facts
    metric: str
    targets: Array
    weights: Array
    ours: Array
    theirs: Array


def check(duel: Duel, gate: Gate) -> list[Check]:
    """Return all that is checked of the answers; where one is no finite number, that alone."""
    finite = _finite(duel)
    if not finite.passed:
        return [finite]
    judge = objectives.measures(duel.objective)
    ours, theirs = (judge.resampled(one, duel.targets, duel.facts, duel.weights) for one in (duel.ours, duel.theirs))
    whole = np.ones((1, len(duel.targets)), dtype=np.int32)
    now, held = (judge.resampled(one, duel.targets, duel.facts, whole) for one in (duel.ours, duel.theirs))
    found = [finite, _metric(duel, gate, (now, held), (ours, theirs))]
    if RECALL in now:
        found.append(_classes(duel, gate, now[RECALL][0], held[RECALL][0]))
    if CALIBRATION in now:
        found.append(_calibration(gate, float(now[CALIBRATION][0]), float(held[CALIBRATION][0])))
    return found


def _finite(duel: Duel) -> Check:
    bad = int((~np.isfinite(duel.ours)).any(axis=1).sum())
    told = f"{bad:,} of its {len(duel.ours):,} answers are no finite numbers" if bad else "all its answers are finite"
    return Check("finite", not bad, told, {"bad": bad})


def _metric(
    duel: Duel,
    gate: Gate,
    values: tuple[dict[str, Array], dict[str, Array]],
    resampled: tuple[dict[str, Array], dict[str, Array]],
) -> Check:
    """Better by more than the margin, and so in enough of the resamples, which are the same for both."""
    now, held = (float(one[duel.metric][0]) for one in values)
    gains = resampled[0][duel.metric] - resampled[1][duel.metric]
    gains = gains[np.isfinite(gains)]
    told = f"{duel.metric} {now:.4f} against {held:.4f} on the same {len(duel.targets):,} test samples"
    if not (np.isfinite(now) and np.isfinite(held) and len(gains)):
        return Check("metric", False, f"{duel.metric} is undefined on {len(duel.targets):,} test samples", {})
    share = float((gains > gate.margin).mean())
    numbers = {"new": now, "champion": held, "margin": gate.margin, "better": share, "certainty": gate.certainty}
    passed = now - held > gate.margin and share >= gate.certainty
    wanted = f"by more than {gate.margin:g} in {share:.0%} of the resamples, {gate.certainty:.0%} are asked for"
    return Check("metric", passed, f"{told}, {wanted}", rounded(numbers))


def _classes(duel: Duel, gate: Gate, now: Array, held: Array) -> Check:
    """No class that the test split holds may be found much less often than by the champion."""
    labels = duel.facts["labels"]
    falls = {label: float(held[place] - now[place]) for place, label in enumerate(labels)}
    falls = {label: fall for label, fall in falls.items() if np.isfinite(fall)}
    label, fall = max(falls.items(), key=lambda item: item[1])
    change = f"falls by {fall:.3f}" if fall > 0 else f"rises by {-fall:.3f}"
    told = f"the recall of {label!r} {change}, no other class loses more; {gate.class_fall:g} may be lost"
    return Check("classes", fall <= gate.class_fall, told, rounded({"falls": falls, "most": gate.class_fall}))


def _calibration(gate: Gate, now: float, held: float) -> Check:
    """Its confidence may not be much further from its share of right answers."""
    told = f"calibration error {now:.3f} against {held:.3f}, {gate.calibration_rise:g} more is allowed"
    numbers = {"new": now, "champion": held, "most": gate.calibration_rise}
    return Check("calibration", now - held <= gate.calibration_rise, told, rounded(numbers))
