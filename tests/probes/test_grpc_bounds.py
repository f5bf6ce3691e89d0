"""What is counted in a reply before a message is made of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.grpc_bounds import OF_AGENT, OF_USER, Bounds, too_much
from distcheck.agent.probes.ray_proto import gcs_pb2 as pb

SMALL = Bounds(1 << 20, 3, 20)


def empty_rows(count: int) -> bytes:
    return b"\x12\x00" * count


def test_a_reply_of_empty_rows_is_refused_before_it_is_parsed() -> None:
    assert "rows" in (too_much(empty_rows(2 << 20), OF_AGENT) or "")
    assert too_much(empty_rows(20_000), OF_AGENT) is None
    assert too_much(empty_rows(2 << 20), OF_USER) is None


@pytest.mark.parametrize(
    "reply",
    [
        pb.GetAllPlacementGroupReply(
            groups=[pb.PlacementGroupData(bundles=[pb.BundleData()] * 500_000)]
        ),
        pb.GetAllActorInfoReply(
            actors=[
                pb.ActorData(
                    resource_mapping=[pb.ResourceIndexes(ids=[pb.ResourceIndex()] * 500_000)]
                )
            ]
        ),
    ],
)
def test_one_row_of_many_empty_messages_is_refused_as_well(
    reply: pb.GetAllPlacementGroupReply | pb.GetAllActorInfoReply,
) -> None:
    assert "fields" in (too_much(reply.SerializeToString(), OF_AGENT) or "")


def test_a_thousand_dead_nodes_beside_a_thousand_with_their_actors_are_read() -> None:
    resources = dict.fromkeys(("CPU", "GPU", "memory", "object_store_memory", "H100"), 8.0)
    nodes = pb.GetAllNodeInfoReply(
        nodes=[
            pb.Node(
                node_id=b"%028d" % n,
                address="10.1.2.3",
                hostname="vllm-worker-0.vllm-head.llm.svc.cluster.local",
                state=n % 2,
                resources_total=resources,
                death_info=pb.DeathInfo(message="health check failed " * 20),
            )
            for n in range(2000)
        ]
    ).SerializeToString()
    actors = pb.GetAllActorInfoReply(
        actors=[
            pb.ActorData(
                actor_id=b"%016d" % n,
                class_name="RayWorkerWrapper",
                required_resources=resources,
                resource_mapping=[pb.ResourceIndexes(name="GPU", ids=[pb.ResourceIndex(index=1)])],
            )
            for n in range(8000)
        ]
    ).SerializeToString()
    assert max(len(nodes), len(actors)) < OF_AGENT.largest
    assert too_much(nodes, OF_AGENT) is None
    assert too_much(actors, OF_AGENT) is None


@given(st.binary(max_size=400))
def test_any_bytes_end_in_a_count(noise: bytes) -> None:
    assert too_much(noise, SMALL) in (
        None,
        "it has more than 3 rows",
        "its rows have more than 20 fields",
    )


@given(st.lists(st.integers(0, 6), max_size=8))
def test_rows_are_counted_as_protobuf_counts_them(sizes: list[int]) -> None:
    rows = [pb.PlacementGroupData(bundles=[pb.BundleData()] * n) for n in sizes]
    reply = pb.GetAllPlacementGroupReply(groups=rows).SerializeToString()
    refused = len(sizes) > 3 or sum(sizes) > 20
    assert (too_much(reply, SMALL) is not None) == (refused and len(reply) > 3)
