from pathlib import Path

import pytest

from lmctheory._files import atomic_folder


def test_folder_appears_when_it_is_complete(tmp_path):
    with atomic_folder(tmp_path / "new" / "folder") as folder:
        (folder / "file").write_text("text")
        assert not (tmp_path / "new" / "folder").exists()
    assert (tmp_path / "new" / "folder" / "file").read_text() == "text"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["folder"]


def test_folder_of_a_failure_leaves_nothing(tmp_path):
    def fail():
        with atomic_folder(tmp_path / "folder") as folder:
            (folder / "file").write_text("text")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(tmp_path.iterdir())


def test_empty_folder_is_filled_and_any_other_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_folder(".") as folder:
        (folder / "file").write_text("text")
    assert Path(tmp_path / "file").read_text() == "text"
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(FileExistsError), atomic_folder(path):
            pytest.fail("was opened")
