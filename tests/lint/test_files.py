"""Which files a PATH means, and what is said of those that cannot be read."""

import os
from pathlib import Path

import pytest

from distcheck.agent.cli.app import main
from distcheck.agent.manifests.files import texts
from distcheck.agent.manifests.source import Problem

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n"


def names(path: Path) -> list[str]:
    found = list(texts(str(path)))
    return [os.path.relpath(f.file if isinstance(f, Problem) else f[0], path) for f in found]


def test_a_folder_means_its_manifests_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.json", "notes.txt", "sub/d.yaml", ".git/e.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(POD)
    assert names(tmp_path) == ["a.yaml", "b.yml", "c.json", "sub/d.yaml"]


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    assert names(tmp_path) == []


def test_a_link_that_leads_nowhere_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to(tmp_path / "gone")
    (one,) = texts(str(tmp_path))
    assert isinstance(one, Problem)
    assert "No such file" in one.says


def test_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root nothing is refused: the refusal is the system call's own."""
    real = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    (tmp_path / "shut").mkdir()
    (tmp_path / "a.yaml").write_text(POD)
    monkeypatch.setattr(os, "scandir", refusing)
    assert names(tmp_path) == ["a.yaml", "shut"]
    assert main(["lint", str(tmp_path)]) == 2


@pytest.mark.parametrize(
    ("words", "code"), [(("empty",), 3), (("none",), 2), (("none", "good"), 2)]
)
def test_what_is_not_there_is_no_clean_result(
    tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "good").write_text(POD.replace("[]", "[{name: a, image: 'vllm/vllm-openai:v1'}]"))
    assert main(["lint", *(str(tmp_path / w) for w in words)]) == code


def test_one_file_is_judged_once_whatever_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(POD.replace("[]", "[{name: a, image: vllm/vllm-openai}]"))
    monkeypatch.chdir(tmp_path)
    main(["lint", "./a.yaml", "a.yaml", ".", "--only", "CONF075"])
    assert "1 warning in 1 file, 1 object" in capsys.readouterr().out


def test_a_folder_of_other_json_is_named_by_its_first_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(9):
        (tmp_path / f"{number}.json").write_text('{"a": 1,}  // why\n{')
    assert main(["lint", str(tmp_path)]) == 3
    assert capsys.readouterr().out.count("no Kubernetes object") == 5
    (tmp_path / "pod.yaml").write_text(POD)
    main(["lint", str(tmp_path)])
    assert "no Kubernetes object" not in capsys.readouterr().out
