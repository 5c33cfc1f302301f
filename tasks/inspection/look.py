"""Looks at data once: what is there, and what a section of params.yaml for it would be."""

from typing import Any, NamedTuple

from tasks.inspection import census, contents, findings, layouts, proposal, recipes
from tasks.inspection.findings import Line
from tasks.inspection.proposal import Proposal
from tasks.inspection.request import Request, check

PIXELS_MOST = 50_000_000
"""Larger pictures are not opened while looking; the recipe's own limit may be lower."""


class Look(NamedTuple):
    """What was found, line by line, and what is proposed."""

    found: list[Line]
    proposal: Proposal


def at(request: Request, content: dict[str, Any]) -> Look:
    """Look at what a request names; `content` is that of params.yaml.

    Raises ConfigError for a name or an option that cannot be, SourceError for data that cannot be learnt from.
    """
    check(request, content)
    layout = layouts.recognised(request)
    objective = (request.objective, "") if request.objective else census.objective(layout)
    recipe = recipes.recipe(request.root, layout.modality, objective[0], request.backbone)
    limit = min(recipe.dataset["preprocess"].get("pixel_limit", PIXELS_MOST), PIXELS_MOST)
    counted = census.taken(layout, objective[0])
    seen = contents.seen(counted.table, layout.modality, limit) if layout.whole else contents.unseen()
    made = proposal.proposed(request, layout, counted, seen, objective, recipe)
    return Look(findings.lines(layout, counted, seen, objective[0]), made)
