"""A NIMService and the NIMCache that it names."""

import pytest
from tests.lint.judge import found

SERVICE = """\
apiVersion: apps.nvidia.com/v1alpha1
kind: NIMService
metadata: {name: r1, namespace: nim}
spec:
  authSecret: ngc-api
  image: {repository: nvcr.io/nim/deepseek-ai/deepseek-r1, tag: 1.7.3}
  resources: {limits: {nvidia.com/gpu: 8}}
  storage: {nimCache: {name: %s}}
  %s
---
apiVersion: apps.nvidia.com/v1alpha1
kind: NIMCache
metadata: {name: cache, namespace: nim}
spec:
  storage: {pvc: {create: true, size: 900Gi, volumeAccessMode: ReadWriteMany}}
  %s
"""
TAINTS = "tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]"


@pytest.mark.parametrize(
    ("name", "service", "cache", "count"),
    [
        ("cache", TAINTS, "source: {}", 1),
        ("cache", TAINTS, TAINTS, 0),
        ("cache", TAINTS, "nodeSelector: {pool: cpu}", 0),
        ("cache", "tolerations: []", "source: {}", 0),
        ("another", TAINTS, "source: {}", 0),
    ],
)
def test_a_cache_is_filled_where_its_service_runs(
    name: str, service: str, cache: str, count: int
) -> None:
    held = found(SERVICE % (name, service, cache), "CONF106")
    assert [f.level for f in held] == ["hint"] * count
