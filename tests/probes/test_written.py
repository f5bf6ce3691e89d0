"""The time of a file's last write goes into evidence with what its lines show."""

import os
from pathlib import Path

from tests.probes.test_podlogs import INIT
from tests.probes.test_ray_session import FIRST, Ray

from distcheck.agent.logs.distil import Distiller
from distcheck.agent.written import dated

WEEK_AGO = 1_767_864_000
"""2026-01-08T09:20:00Z."""


def test_rays_worker_files_have_the_time_of_their_last_write(tmp_path: Path) -> None:
    ray = Ray(tmp_path)
    path = ray.worker(FIRST, 77, INIT.format(rank=1), at=WEEK_AGO)
    assert ray.look().nccl.written == {f"vllm-head-0:{path}": "2026-01-08T09:20:00Z"}


def test_a_file_without_lines_that_count_is_not_named(tmp_path: Path) -> None:
    ray = Ray(tmp_path)
    ray.worker(FIRST, 77, "nothing of NCCL, and nothing of vLLM\n", at=WEEK_AGO)
    seen = ray.look()
    assert (seen.nccl.written, seen.vllm.written) == ({}, {})


def test_the_containers_own_log_is_dated_too(tmp_path: Path) -> None:
    ray = Ray(tmp_path)
    lines = INIT.format(rank=1).splitlines()
    ray.node.log("0.log", "".join(f"2026-01-15T09:20:00.1Z stdout F {x}\n" for x in lines))
    (file,) = ray.look().nccl.written
    assert file == "vllm-head-0:vllm/0.log"


def test_a_file_system_that_keeps_no_time_dates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text(INIT.format(rank=1))
    distiller = Distiller("0.log")
    distiller.feed(path.read_bytes())
    part = distiller.finish()
    for seconds, files in ((0, []), (WEEK_AGO, ["0.log"])):
        os.utime(path, (0, seconds))
        with path.open("rb") as file:
            assert list(dated(part, file.fileno()).nccl.written) == files
