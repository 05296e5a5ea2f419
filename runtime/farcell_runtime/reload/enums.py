"""An enumeration whose members changed, with those that stay the objects that they were."""

from __future__ import annotations

from typing import Any

from farcell_runtime.reload.journal import Journal

_MAPS = ("_member_map_", "_value2member_map_", "_member_names_", "_unhashable_values_")


def pour(journal: Journal, old: Any, new: Any) -> set[str]:
    """Give ``old`` the members of ``new``; the names that are taken care of."""
    place: dict[int, Any] = {}  # id of a new member → what stands for it
    for name, member in new._member_map_.items():
        if id(member) not in place:
            place[id(member)] = _placed(journal, old, old._member_map_.get(name), member)
    members = {name: place[id(member)] for name, member in new._member_map_.items()}
    for name, member in members.items():
        if old._member_map_.get(name) is not member:
            journal.set_member(old, name, _attribute(new, name, member))
    for name in old._member_map_:
        if name not in members and name in vars(old):
            journal.delete_member(old, name)
    for name in _MAPS:
        if name in vars(new):
            journal.set_member(old, name, _translated(vars(new)[name], place))
    journal.flush()
    return {*members, *old._member_map_, *_MAPS}


def _placed(journal: Journal, cls: type, old: Any, new: Any) -> Any:
    """The member that stands for ``new``: the old one, if it can be made equal."""
    if old is None or (isinstance(old, (int, str, bytes, float, tuple)) and old != new):
        members = vars(new)
        journal.set_class(new, cls)
        journal.set_item(members, "__objclass__", cls)
        return new
    members = vars(old)
    for key, value in vars(new).items():
        if key != "__objclass__" and (key not in members or members[key] is not value):
            journal.set_item(members, key, value)
    return old


def _attribute(cls: Any, name: str, member: Any) -> Any:
    """What a class binds a member's name to: the member, or what leads to it."""
    value = vars(cls).get(name, member)
    return member if type(value) is cls else value


def _translated(value: Any, place: dict[int, Any]) -> Any:
    if isinstance(value, dict):
        return {key: place.get(id(each), each) for key, each in value.items()}
    return list(value) if isinstance(value, list) else value
