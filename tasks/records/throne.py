"""Who is champion, since when, why, and who was it before."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import RegistryError
from tasks.records import tracking
from tasks.records.registry import CHALLENGER, CHAMPION, DECISION, Version, listed, named

if TYPE_CHECKING:
    from tasks.records.tracking import MlflowClient

SINCE, ROLLED_BACK = "champion_since", "rolled_back"
"""Tags of a version: when it last became champion (UTC), and why it was taken from the throne."""


def holder(versions: list[Version]) -> Version | None:
    """Return the champion among the versions of a model."""
    return next((one for one in versions if CHAMPION in one["aliases"]), None)


def award(root: Path, name: str, version: Version, decision: dict[str, Any], against: str | None) -> bool:
    """Give a version the alias that a decision grants, and keep its numbers with the version and its run.

    `against`: the version that was champion when it was decided, null for none. Where that is another one by now,
    nothing is done and False returned: it must be decided anew.
    """
    with tracking.connected(root) as client:
        held = holder(listed(client, name))
        if (held["version"] if held else None) != against:
            return False
        _tell(client, name, version, decision["reason"])
        client.log_dict(version["run_id"], decision, f"gate/version-{version['version']}.json")
        _place(client, name, version["version"], decision["alias"], fresh=against != version["version"])
    return True


def promote(root: Path, name: str, which: str, because: str) -> Version:
    """Make a version, an alias or a number, champion by a person's decision; return the champion it follows, or it."""
    with tracking.connected(root) as client:
        versions = listed(client, name)
        chosen, held = named(root, name, which, versions), holder(versions)
        if held is not None and held["version"] == chosen["version"]:
            raise RegistryError(f"{name}: version {chosen['version']} is champion already")
        if chosen.get(ROLLED_BACK):
            client.delete_model_version_tag(name, chosen["version"], ROLLED_BACK)
        _tell(client, name, chosen, f"promoted by hand: {because}")
        _place(client, name, chosen["version"], CHAMPION, fresh=True)
    return chosen


def rollback(root: Path, name: str, because: str) -> tuple[Version, Version]:
    """Give the throne back to the version that held it before; return the one that loses it and the one that gets it.

    The gate does not let the loser return by itself. RegistryError where there was none before.
    """
    with tracking.connected(root) as client:
        versions = listed(client, name)
        held = holder(versions)
        if held is None:
            raise RegistryError(f"{name} has no champion to roll back; make one: transfer run {name}")
        former = [one for one in versions if one.get(SINCE) and not one.get(ROLLED_BACK) and one is not held]
        if not former:
            raise RegistryError(f"{name}: version {held['version']} is the only one that ever was champion")
        heir = max(former, key=lambda one: str(one[SINCE]))
        client.set_model_version_tag(name, held["version"], ROLLED_BACK, because)
        _tell(client, name, held, f"rolled back to version {heir['version']}: {because}")
        _tell(client, name, heir, f"champion again: version {held['version']} was rolled back ({because})")
        _place(client, name, heir["version"], CHAMPION, fresh=True)
    return held, heir


def _tell(client: "MlflowClient", name: str, version: Version, reason: str) -> None:
    client.set_model_version_tag(name, version["version"], DECISION, reason)


def _place(client: "MlflowClient", name: str, version: str, alias: str, fresh: bool) -> None:
    """Set the alias, which one version has at a time; a champion is no challenger any more."""
    if alias == CHAMPION and fresh:
        client.set_model_version_tag(name, version, SINCE, datetime.now(UTC).isoformat(timespec="microseconds"))
    client.set_registered_model_alias(name, alias, version)
    aliases = client.get_registered_model(name).aliases
    if alias == CHAMPION and str(aliases.get(CHALLENGER)) == version:
        client.delete_registered_model_alias(name, CHALLENGER)
