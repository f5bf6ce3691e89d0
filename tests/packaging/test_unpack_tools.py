"""`make tools` on a machine that helm and kubectl of the wheel do not run on."""

import importlib.util
from pathlib import Path

import pytest


def test_another_machine_is_told_and_gets_nothing_that_it_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(__file__).parents[2] / "tools" / "unpack_tools.py"
    spec = importlib.util.spec_from_file_location("unpack_tools", path)
    assert spec is not None
    assert spec.loader is not None
    tools = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tools)
    monkeypatch.setattr(tools, "HERE", ("Darwin", "arm64"))
    (tmp_path / "x.whl").touch()
    tools.unpack(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert "this is Darwin arm64" in capsys.readouterr().err
