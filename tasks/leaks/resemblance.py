"""Of each sample, the one of every split that resembles it most: a copy, or a little changed."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tasks.leaks.banding import candidates
from tasks.leaks.correlation import stacked
from tasks.leaks.fingerprints import Fingerprint
from tasks.objectives import Array

PART = 512
"""Pairs compared at one go: as many as fit into the cores' caches, side by side."""


class Resemblance(NamedTuple):
    """For sample n and split s: its likest other sample there, int64 [N, S] (-1: none), and the likeness [N, S]."""

    partner: Array
    likeness: Array


def find(looks: Fingerprint, marks: Sequence[Array], splits: Array, kinds: int, likeness: float) -> Resemblance:
    """Find who resembles whom by at least `likeness`; `splits` int64 [N] is each sample's split below `kinds`.

    Samples of one mark are looked at as one, so that a thousand empty pictures cost no more than two.
    """
    member, first_of = _alike_exactly(marks)
    chosen = stacked([marks[row] for row in first_of])
    holders = _holders(member, splits, len(first_of), kinds)
    partner = np.full((len(marks), kinds), -1, np.int64)
    found = np.zeros((len(marks), kinds), np.float32)
    _note_exact(partner, found, member, splits, holders)
    best = Resemblance(np.full_like(holders[..., 0], -1), np.zeros(holders.shape[:2], np.float32))
    for one, other, alike in _pairs(looks, chosen, likeness):
        for here, there in ((one, other), (other, one)):
            _keep(best, here, holders[there, :, 0], alike)
    better = (best.likeness[member] > found) & (best.partner[member] >= 0)
    return Resemblance(np.where(better, best.partner[member], partner), np.where(better, best.likeness[member], found))


def _alike_exactly(marks: Sequence[Array]) -> tuple[Array, list[int]]:
    """Return int64 [N], which distinct mark each sample has, and the first sample with each."""
    numbers: dict[bytes, int] = {}
    first_of: list[int] = []
    member = np.empty(len(marks), np.int64)
    for row, mark in enumerate(marks):
        member[row] = numbers.setdefault(mark.tobytes(), len(numbers))
        if member[row] == len(first_of):
            first_of.append(row)
    return member, first_of


def _holders(member: Array, splits: Array, marks: int, kinds: int) -> Array:
    """Return int64 [marks, kinds, 2], the first two samples with each mark in each split; -1 where there are none."""
    holders = np.full((marks, kinds, 2), -1, np.int64)
    for row in range(len(member) - 1, -1, -1):
        place = holders[member[row], splits[row]]
        place[1], place[0] = place[0], row
    return holders


def _note_exact(partner: Array, found: Array, member: Array, splits: Array, holders: Array) -> None:
    """Enter for each sample another one with its mark, in every split that has one."""
    own = np.arange(len(member))
    for split in range(holders.shape[1]):
        first, second = holders[member, split].T
        other = np.where(first == own, second, first)
        partner[:, split], found[:, split] = other, other >= 0


def _pairs(looks: Fingerprint, marks: Sequence[Array], likeness: float) -> Iterator[tuple[Array, Array, Array]]:
    """Yield pairs of marks and their likeness, where it is enough."""
    if len(marks) < 2:
        return
    for one, other in candidates(looks.keys(marks, likeness)):
        first, second = one % len(marks), other % len(marks)
        apart = first != second
        for start in range(0, len(first), PART):
            part = slice(start, start + PART)
            here, there = first[part][apart[part]], second[part][apart[part]]
            if not len(here):
                continue
            alike = looks.alike(marks, here, there)
            enough = alike >= likeness
            yield here[enough], there[enough], alike[enough]


def _keep(best: Resemblance, rows: Array, partners: Array, alike: Array) -> None:
    """Enter the likest of `partners` int64 [P, S] for each of `rows`; of equally like ones the lowest."""
    for split in range(partners.shape[1]):
        there = partners[:, split] >= 0
        one, other, like = rows[there], partners[there, split], alike[there]
        order = np.lexsort((other, -like, one))
        one, other, like = one[order], other[order], like[order]
        first = np.flatnonzero(np.diff(one, prepend=-1))
        one, other, like = one[first], other[first], like[first]
        known = best.likeness[one, split]
        better = (like > known) | ((like == known) & (other < best.partner[one, split]))
        best.partner[one[better], split] = other[better]
        best.likeness[one[better], split] = like[better]
