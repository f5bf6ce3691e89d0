"""`/dev/shm` of a spec, and the limit that the kubelet cuts it to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.cluster.declared_shm import pod_memory_limit, shm_of

GIB = 1 << 30
DSHM = {"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}
Object = dict[str, Any]


def _container(name: str, mount: str = "", memory: str = "", **more: object) -> Object:
    mounts = [{"name": mount, "mountPath": "/dev/shm/"}] if mount else []
    limits = {"memory": memory} if memory else {}
    return {"name": name, "volumeMounts": mounts, "resources": {"limits": limits}, **more}


def _pod(*containers: Object, init: tuple[Object, ...] = (), **spec: object) -> Object:
    inner = {"containers": list(containers), "initContainers": list(init), **spec}
    return {"metadata": {"name": "a-0"}, "spec": {"volumes": [DSHM], **inner}}


def test_the_volume_of_the_container_itself() -> None:
    one = _container("vllm", "dshm", "64Gi")
    found = shm_of(_pod(one), one, [one])
    assert found is not None
    assert (found.size_bytes, found.medium, found.elsewhere) == (16 * GIB, "memory", None)
    assert found.memory_limit == 64 * GIB


def test_a_volume_that_only_another_container_mounts_names_it() -> None:
    one, other = _container("vllm"), _container("proxy", "dshm")
    found = shm_of(_pod(one, other), one, [one, other])
    assert found is not None
    assert found.elsewhere == ("proxy",)
    assert found.memory_limit is None


def test_a_volume_for_it_that_no_container_mounts_is_declared_for_nobody() -> None:
    one = _container("vllm")
    found = shm_of(_pod(one), one, [one])
    assert found is not None
    assert found.elsewhere == ()


@pytest.mark.parametrize(
    "volume",
    [
        {"name": "cache", "emptyDir": {"medium": "Memory"}},
        {"name": "dshm", "emptyDir": {}},
        {"name": "dshm", "persistentVolumeClaim": {"claimName": "x"}},
    ],
)
def test_other_volumes_that_nobody_mounts_there_declare_nothing(volume: Object) -> None:
    one = _container("vllm")
    assert shm_of(_pod(one, volumes=[volume]), one, [one]) is None


def test_an_empty_dir_without_a_medium_is_on_disk() -> None:
    one = _container("vllm", "dshm")
    found = shm_of(_pod(one, volumes=[{"name": "dshm", "emptyDir": {}}]), one, [one])
    assert found is not None
    assert found.medium == "disk"


def test_the_pods_limit_holds_only_where_every_container_has_one() -> None:
    full, none = _container("a", memory="8Gi"), _container("b")
    assert pod_memory_limit(_pod(full, _container("b", memory="1Gi"))) == 9 * GIB
    assert pod_memory_limit(_pod(full, none)) is None
    assert pod_memory_limit(_pod(full, init=(none,))) is None
    assert pod_memory_limit(_pod()) is None


def test_sidecars_add_and_an_init_container_counts_where_it_is_larger() -> None:
    main, proxy = (
        _container("a", memory="8Gi"),
        _container("p", memory="1Gi", restartPolicy="Always"),
    )
    assert pod_memory_limit(_pod(main, init=(proxy,))) == 9 * GIB
    assert pod_memory_limit(_pod(main, init=(_container("i", memory="20Gi"),))) == 20 * GIB
    later = (proxy, _container("i", memory="20Gi"))
    assert pod_memory_limit(_pod(main, init=later)) == 21 * GIB


def test_the_pods_own_limit_counts_before_its_containers() -> None:
    limits = {"limits": {"memory": "4Gi"}}
    assert pod_memory_limit(_pod(_container("a"), resources=limits)) == 4 * GIB


@given(st.text(max_size=20))
def test_any_quantity_is_a_limit_or_none(text: str) -> None:
    found = pod_memory_limit(_pod(_container("a", memory=text)))
    assert found is None or found > 0
