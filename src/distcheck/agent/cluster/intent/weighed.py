"""Places weighed against each other: whom to follow, and what to keep as a conflict."""

from typing import Any

from msgspec import structs

from distcheck.agent.cluster.intent.asked import ALIKE, OPEN, Asked, same
from distcheck.agent.redact import HIDDEN, shown_name
from distcheck.checks.evidence import Conflict, Intent

_NOT_COMPARED = frozenset({"dp_local", "dp_balancer", "gpus"})
_MOST_PLACES = 4
_OF_PODS = ("args of ", "environment of ", "NIM_PASSTHROUGH_ARGS of ", "NIM_MODEL_PROFILE of ")


def followed(intent: Intent, asked: Asked) -> Intent:
    """`intent` with what `asked` adds; where the two differ, a conflict beside it."""
    one = _Weighed(intent)
    for name, value in asked.values.items():
        shown = shown_name(value) if name == "model" and isinstance(value, str) else value
        have = one.value(name)
        if shown == HIDDEN or (name == "model" and have and _is_copy(intent, asked)):
            continue
        if have is None:
            one.take(name, shown, asked)
        elif same(name, have, shown):
            one.agree(name, asked)
        elif not asked.fills and name not in _NOT_COMPARED:
            one.differ(name, shown, asked)
    if intent.engine == "unknown" and asked.engine != "unknown":
        one.take("engine", asked.engine, asked)
    one.settings(asked)
    return one.done(asked)


def _is_copy(intent: Intent, asked: Asked) -> bool:
    """NIM starts its engine on a folder of its own, whatever the model is called."""
    return intent.engine == "nim" and asked.source.startswith("argv")


class _Weighed:
    """An intent in the making."""

    def __init__(self, intent: Intent) -> None:
        self._intent, self._changes = intent, dict[str, Any]()
        self._sources, self._agreed = dict(intent.sources), dict(intent.agreed)
        self._conflicts, self._assumed = list(intent.conflicts), set(intent.assumed)
        self._ports, self._nccl = dict(intent.ports), dict(intent.nccl)

    def value(self, name: str) -> Any:
        return self._changes.get(name, getattr(self._intent, name))

    def take(self, name: str, value: object, asked: Asked) -> None:
        self._changes[name], self._sources[name] = value, asked.source
        self._agreed[name] = (asked.source,)
        self._assumed.discard(name)
        if asked.assumed:
            self._assumed.add(name)

    def agree(self, name: str, asked: Asked) -> None:
        known = self._agreed.get(name) or (self._sources.get(name, ""),)
        alike = sum(p.startswith("argv") == asked.source.startswith("argv") for p in known)
        if asked.source not in known and alike < _MOST_PLACES and not asked.fills:
            self._agreed[name] = (*known, asked.source)
        if asked.source.startswith("argv") and not self._sources.get(name, "").startswith("argv"):
            self._sources[name] = asked.source

    def differ(self, name: str, value: object, asked: Asked) -> None:
        """What runs is followed over what may have changed since; a pod's own spec is not."""
        have, source = self.value(name), self._sources.get(name, "")
        runs = asked.source.startswith("argv")
        filled_in = runs and OPEN in self._intent.unread and _is_spec(source)
        if name in self._assumed or filled_in:
            self.take(name, value, asked)
        elif runs and not source.startswith(("argv", "--expect")) and not _is_spec(source):
            self._conflicts.append(Conflict(name, str(have), source))
            self.take(name, value, asked)
        else:
            meant = {c.value for c in self._conflicts if c.name == name and _is_spec(c.source)}
            bound = any(map(_is_spec, (source, *self._agreed.get(name, ()))))
            against = runs and (bound or source == "--expect") and str(value) not in meant
            self._conflicts.append(Conflict(name, str(value), asked.source, against))

    def settings(self, asked: Asked) -> None:
        """Ports and NCCL variables: the first place wins, which is the leader's."""
        for name, port in asked.ports.items():
            if name not in self._ports:
                self._ports[name], self._sources[f"ports.{name}"] = port, asked.source
        where = asked.nccl_source or asked.source
        for name, value in asked.nccl.items():
            have, source = self._nccl.get(name), self._sources.get(f"nccl.{name}", "")
            stronger = have is None or (_is_process(where) and not _is_process(source))
            if have not in (None, value) and name in ALIKE and not asked.fills:
                told = (str(have), source) if stronger else (value, where)
                self._conflicts.append(Conflict(name, *told))
            if stronger:
                self._nccl[name], self._sources[f"nccl.{name}"] = value, where

    def done(self, asked: Asked) -> Intent:
        runs = asked.source.startswith("argv")
        told, more = asked.unread, self._intent.unread
        unread = {**more, **told} if runs else {**told, **more}
        unread = {k: why for k, why in unread.items() if k not in asked.settled}
        return structs.replace(
            self._intent,
            **self._changes,
            sources=self._sources,
            conflicts=tuple(dict.fromkeys(self._conflicts)),
            agreed=self._agreed,
            assumed=tuple(sorted(self._assumed)),
            ports=self._ports,
            nccl=self._nccl,
            unread=unread,
        )


def _is_spec(source: str) -> bool:
    """Whether it is a pod's own spec, which cannot change after the pod was made."""
    return source.startswith(_OF_PODS)


def _is_process(source: str) -> bool:
    return " (pid " in source
