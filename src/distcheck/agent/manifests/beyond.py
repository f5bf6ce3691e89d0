"""What is seen and not judged: pods of kinds that lint does not know, accelerators of others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from distcheck.agent.manifests.bundles import Known
from distcheck.agent.manifests.kinds import is_of
from distcheck.agent.manifests.locate import located
from distcheck.agent.manifests.making import BY_ENGINE, KINDS, KSERVE, is_known
from distcheck.agent.manifests.source import Problem
from distcheck.checks.knowledge.spelling import nearest
from distcheck.checks.manifest.container import is_engine
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.template import Template

_OURS = ("nvidia.com/gpu", "nvidia.com/mig-")
_OTHERS = (
    "amd.com/gpu", "habana.ai/gaudi", "google.com/tpu", "gpu.intel.com/", "huawei.com/Ascend",
    "aws.amazon.com/neuron", "cambricon.com/", "hygon.com/", "metax-tech.com/gpu", "tencent.com/",
)  # fmt: skip


def beyond(held: Iterable[Known], templates: Sequence[Template]) -> Iterator[Problem]:
    """Notes: one for each kind of a file, and one for each accelerator."""
    by_number = {k.thing.place.of: k for k in held}
    made = {t.place.of for t in templates}
    told: set[tuple[str, str]] = set()
    found = [
        *((k, _kind(k)) for n, k in by_number.items() if n not in made),
        *_runtimes(by_number, templates),
        *_accelerators(by_number, templates),
    ]
    for one, says in found:
        name = one.document.source.name
        if says and (name, says) not in told:
            told.add((name, says))
            yield Problem(name, located(one, one.thing.place.spot).line, 1, says, fatal=False)


def _runtimes(
    by_number: Mapping[int, Known], templates: Iterable[Template]
) -> Iterator[tuple[Known, str]]:
    """InferenceServices of LLMs whose pods are not known: KServe takes them from the runtime."""
    for template in templates:
        unknown = template.pods is None or not template.serves
        if template.kind == "InferenceService" and template.rest and unknown:
            from distcheck.agent.manifests.kserve_words import (  # noqa: PLC0415 - rarely needed
                unseen_runtime,
            )

            one = by_number[template.owner_place.of]
            yield one, unseen_runtime(one.thing, template.rest)


def _kind(one: Known) -> str:
    """Operators make pods of kinds that nothing here understands."""
    if one.thing.kind == _TEMPLATE:
        return _OF_TEMPLATE if _holds_servers(one.thing.place) else ""
    known = is_known(one.thing.kind) and one.thing.kind not in BY_ENGINE
    if known or not serves_somewhere(one.thing.place.value):
        return ""
    if one.thing.kind in BY_ENGINE:
        return f"kind {one.thing.kind}: no command in it starts a server, so it is not judged"
    if meant := _meant(one.thing.kind, str(one.document.value.get("apiVersion") or "")):
        kind = one.thing.kind.partition(".")[0]
        return f"kind {kind} is none of its API: did you mean {meant}? Its pods are not judged"
    return f"kind {one.thing.kind}: not one that lint knows, so its pods are not judged"


_TEMPLATE = "Template.template.openshift.io"
_OF_TEMPLATE = "an OpenShift Template: its objects are not judged; give the output of `oc process`"


def _holds_servers(template: Place) -> bool:
    """Whether something in it serves: its images and sizes may be parameters."""
    kinds = {one.text("kind") for one in template.each("objects")}
    return bool(kinds & {*KSERVE, "LeaderWorkerSet", "NIMService"}) or serves_somewhere(
        template.value
    )


def _meant(kind: str, version: str) -> str:
    """The kind of the same API group that is a letter off, or in another case."""
    name, group = kind.partition(".")[0], version.rpartition("/")[0]
    near = nearest(name, KINDS)
    return near if near and is_of(near, group) else ""


def serves_somewhere(value: Any) -> bool:
    """Whether anything in it asks for an accelerator or runs an engine's image."""
    waiting, seen = [value], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            image = str(one.get("image") or "")
            if _asks(one.get("resources")) or is_engine(image) or "/ai-dynamo/" in image:
                return True
            waiting += [v for v in one.values() if isinstance(v, dict | list)]
        else:
            waiting += [v for v in one if isinstance(v, dict | list)]
    return False


def _asks(resources: Any) -> bool:
    if not isinstance(resources, dict):
        return False
    amounts = (resources.get("limits"), resources.get("requests"))
    names = [str(n) for held in amounts if isinstance(held, dict) for n in held]
    return any(n.startswith((*_OURS, *_OTHERS)) for n in names)


def _accelerators(
    by_number: Mapping[int, Known], templates: Iterable[Template]
) -> Iterator[tuple[Known, str]]:
    """Sizes are counted in NVIDIA's GPUs."""
    for template in templates:
        for name in uncounted(template):
            says = f"{name}: not counted as GPUs, so sizes against them are not judged"
            yield by_number[template.place.of], says


def uncounted(template: Template) -> Iterator[str]:
    """What gives its pods accelerators that are not counted: resources of others, claims."""
    yield from (n for c in template.containers for n in c.limits if n.startswith(_OTHERS))
    if template.may_have_claimed:
        yield "resources.claims"
