"""Says in a line what a stage counted."""

from typing import Any

WORDS = {
    "used": "samples",
    "decoded": "decoded",
    "featurised": "featurised",
    "refused": "refused",
    "reused": "reused",
    "duplicates": "duplicates kept once",
    "near_duplicates": "much like one of another split",
    "truncated": "truncated",
    "unknown": "without a known word",
    "cut": "longer than the window",
    "several": "of which the first of several frames or pages is used",
    "untested": "classes missing in validation or test",
}
"""What a user calls a counter, in the order they are told."""

NEWS_EVEN_IF_NONE = ("refused", "reused")


def sentence(counted: dict[str, Any]) -> str:
    """Return what a stage has to say of itself (`said`), or else its counters in words."""
    if "said" in counted:
        return str(counted["said"])
    told = [(key, counted[key]) for key in WORDS if key in counted]
    return ", ".join(f"{value:,.0f} {WORDS[key]}" for key, value in told if value or key in NEWS_EVEN_IF_NONE)
