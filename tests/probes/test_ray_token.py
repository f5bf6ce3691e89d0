"""The token of a Ray cluster: from a file of whoever asks, read anew each time."""

from pathlib import Path

import pytest
from tests.probes.test_gcs import recorded, serving

from distcheck.agent.ray_token import gcs_look, read_token
from distcheck.agent.settings import read_settings
from distcheck.checks.evidence import Missing, RayCluster


def test_an_agent_sends_the_token_of_its_file_and_sees_it_change(tmp_path: Path) -> None:
    file = tmp_path / "token"
    look = gcs_look(str(file))
    with serving(recorded(), token="s3cret") as address:
        for text, says in (("", "is empty"), ("wr0ng", "refused the token")):
            file.write_text(text)
            seen = look(address)
            assert isinstance(seen, Missing)
            assert says in seen.reason
        file.write_text("s3cret\n")
        assert isinstance(look(address), RayCluster)


def test_an_agent_without_a_file_says_which_setting_names_it() -> None:
    with serving(recorded(), token="s3cret") as address:
        seen = gcs_look("")(address)
    assert isinstance(seen, Missing)
    assert "needs a token" in seen.reason
    assert "DISTCHECK_RAY_TOKEN_FILE" in seen.reason


def test_a_file_that_cannot_be_read_is_named_and_matters_only_where_a_token_is_asked_for(
    tmp_path: Path,
) -> None:
    look = gcs_look(str(tmp_path / "gone"))
    with serving(recorded()) as address:
        assert isinstance(look(address), RayCluster)
    with serving(recorded(), token="s3cret") as address:
        assert "gone cannot be read" in str(look(address))


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe\x00"])
def test_a_file_without_a_token_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="token file"):
        read_token(file)


def test_the_setting_is_read_from_the_environment() -> None:
    assert read_settings({"DISTCHECK_RAY_TOKEN_FILE": "/t/auth_token"}).ray_token_file == (
        "/t/auth_token"
    )
