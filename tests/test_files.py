"""Files and folders: complete or absent, and filled in where they are."""

import errno
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

import lmctheory as lmc
from lmctheory._files import atomic_file, atomic_folder, check_file, read_json


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


def test_existing_folder_stays_the_same_one(tmp_path, monkeypatch):
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir(mode=0o750)
    (folder / "lost+found").mkdir()  # of a file system's root
    link.symlink_to(folder)
    before = folder.stat()
    rename, moved = Path.rename, []
    monkeypatch.setattr(Path, "rename", lambda path, target: moved.append(path.name) or rename(path, target))
    with atomic_folder(f"{link}/", last="b") as temporary:
        assert temporary.parent == folder
        for name in "bca":
            (temporary / name).write_text(name)
    assert moved == ["a", "c", "b"]
    assert (folder.stat().st_ino, folder.stat().st_mode) == (before.st_ino, before.st_mode)
    assert link.is_symlink()


def test_dangling_link_to_a_folder_gets_its_target(tmp_path):
    (tmp_path / "link").symlink_to("target")
    with atomic_folder(tmp_path / "link") as temporary:
        (temporary / "file").touch()
    assert (tmp_path / "target" / "file").exists()
    assert (tmp_path / "link").is_symlink()


def test_parents_that_were_made_go_with_a_failure(tmp_path):
    with suppress(RuntimeError), atomic_folder(tmp_path / "a" / "b" / "c"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("exists", [False, True])
def test_files_that_cannot_be_moved_are_kept_and_named(tmp_path, exists):
    target = tmp_path / "folder"
    if exists:
        target.mkdir()

    def fill():
        with atomic_folder(target) as temporary:
            (temporary / "file").write_text("result")
            target.mkdir(exist_ok=True)
            (target / "file").write_text("of someone else")

    with pytest.raises(FileExistsError, match=r"file has been put there by someone else; what was finished is kept in ") as stop:
        fill()
    assert Path(stop.value.strerror.split("kept in ")[1], "file").read_text() == "result"
    assert (target / "file").read_text() == "of someone else"


def test_what_a_full_disk_left_is_kept_and_named(tmp_path):
    with pytest.raises(OSError, match="No space left on device; what was finished is kept in ") as stop:
        fill_disk(tmp_path / "folder")
    assert Path(stop.value.strerror.split("kept in ")[1], "first").exists()


def fill_disk(path):
    with atomic_folder(path) as temporary:
        (temporary / "first").touch()
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "No such file or directory"),
        ("file", "exists and is not an empty folder"),
        ("file/", "exists and is not an empty folder"),
        ("file/folder", "Not a directory"),
        ("n" * 300, "File name too long"),
        ("loop", "Too many levels of symbolic links"),
    ],
)
def test_names_that_can_be_no_folder_are_refused_before_the_work(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("loop").symlink_to("loop")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match=message), atomic_folder(name):
        pytest.fail("was opened")
    assert sorted(tmp_path.iterdir()) == before


def write(path, text="new"):
    with atomic_file(path, "w") as file:
        file.write(text)


def test_mode_follows_the_umask_or_the_file_that_was_there(tmp_path):
    old = os.umask(0o027)
    try:
        write(tmp_path / "new")
    finally:
        os.umask(old)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
    (tmp_path / "new").chmod(0o604)
    write(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o604
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


@pytest.mark.parametrize("there", [True, False])
def test_links_to_files_are_followed(tmp_path, there):
    (tmp_path / "folder").mkdir()
    if there:
        (tmp_path / "folder" / "real").write_text("old, and longer than the new one")
    (tmp_path / "first").symlink_to("folder/real")
    (tmp_path / "second").symlink_to("first")
    check_file(tmp_path / "second")
    write(tmp_path / "second")
    assert (tmp_path / "folder" / "real").read_text() == "new"
    assert (tmp_path / "first").is_symlink()
    assert (tmp_path / "second").is_symlink()


def test_all_names_of_a_file_see_the_new_content(tmp_path):
    (tmp_path / "one").write_text("old, and longer than the new one")
    os.link(tmp_path / "one", tmp_path / "other")
    write(tmp_path / "one")
    assert (tmp_path / "other").read_text() == "new"


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM])
def test_a_file_that_cannot_be_replaced_is_filled_in(tmp_path, monkeypatch, number):
    """A file that is a mount point; one of somebody else in a folder such as /tmp."""

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    (tmp_path / "file").write_text("old, and longer than the new one")
    inode = (tmp_path / "file").stat().st_ino
    monkeypatch.setattr("lmctheory._files.os.replace", refuse)
    write(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "file").stat().st_ino == inode
    with pytest.raises(OSError, match=os.strerror(number)):
        write(tmp_path / "another")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_names_of_255_bytes_are_written(tmp_path):
    for name in ("n" * 255, "é" * 127, "\udcff" * 255):
        check_file(tmp_path / name)
        write(tmp_path / name)
        assert (tmp_path / name).read_text() == "new"
        with pytest.raises(OSError, match="File name too long"):
            check_file(tmp_path / (name + "nn"))


def test_a_failed_write_leaves_the_old_file(tmp_path):
    (tmp_path / "file").write_text("old")
    with suppress(RuntimeError), atomic_file(tmp_path / "file", "w") as file:
        file.write("half")
        raise RuntimeError
    assert (tmp_path / "file").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "No such file or directory"),
        ("folder", "Is a directory"),
        ("folder/", "Is a directory"),
        ("absent/", "Is a directory"),
        ("file/", "Not a directory"),
        (".", "Is a directory"),
        ("absent/file", "No such file or directory"),
        ("file/file", "Not a directory"),
        ("loop", "Too many levels of symbolic links"),
    ],
)
def test_names_that_can_be_no_file_are_refused(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").touch()
    Path("loop").symlink_to("loop")
    for refused in (check_file, write):
        with pytest.raises(OSError, match=message):
            refused(name)
    assert len(list(tmp_path.rglob("*"))) == 3
    with pytest.raises(lmc.InvalidInputError, match="null character"):
        check_file("a\0b")


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_pipes_and_open_files_get_the_content(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        write(tmp_path / "pipe")
        assert reader.communicate()[0] == b"new"
    assert (tmp_path / "pipe").is_fifo()
    with open(tmp_path / "file", "wb", buffering=0) as file:
        file.write(b"before, ")
        (tmp_path / "link").symlink_to(f"/dev/fd/{file.fileno()}")
        write(tmp_path / "link")
        file.write(b", after")
    assert (tmp_path / "file").read_bytes() == b"before, new, after"
    write("/dev/null")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(OSError, match="No space left"):
        write("/dev/full")


JSON = {
    "deep": (b"[" * 100_000, "nested too deeply"),
    "deep object": (b'{"a":' * 100_000, "nested too deeply"),
    "twice": (b'{"a": 1, "b": {"c": 1, "c": 2}}', "must name each key once, got 'c' again"),
    "NaN": (b'{"a": NaN}', "must hold no NaN"),
    "infinity": (b'{"a": [-Infinity]}', "must hold no -Infinity"),
    "large": (b'{"a": 1e999}', "must hold numbers that fit into a float, got 1e999"),
    "digits": (b'{"a": ' + b"9" * 5000 + b"}", "must hold numbers of ordinary length, got one of 5000 digits"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "is not a text file: it must be UTF-8 (it is UTF-16)"),
    "UTF-32": ('{"a": 1}'.encode("utf-32"), "is not a text file: it must be UTF-8 (it is UTF-32)"),
    "binary": (b'{"a": "\xe9"}', "is not a text file: it must be UTF-8 (invalid continuation byte at byte 7)"),
    "empty": (b"", "is not JSON: it is empty"),
    "blank": (b"\xef\xbb\xbf \n", "is not JSON: it is empty"),
    "short": (b'{"a": ', "is not JSON or is cut short: Expecting value at line 1"),
    "two": (b"{}{}", "is not JSON or is cut short: Extra data"),
    "number": (b"3", "must hold a JSON object, got int"),
}


@pytest.mark.parametrize("kind", JSON)
def test_json_is_read_strictly(tmp_path, kind):
    content, message = JSON[kind]
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(lmc.InvalidInputError) as stop:
        read_json(tmp_path / "x.json")
    assert str(stop.value).startswith(str(tmp_path / "x.json"))
    assert message in str(stop.value)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (".", "cannot be read: Is a directory"),
        ("/dev/zero", "must be a file, got a device"),
        ("absent", "cannot be read: No such"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(lmc.InvalidInputError, match=message):
        read_json(path)


def test_json_that_is_right_is_read(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, -2.5e-3, null], "b": {"a": "\xc3\xa9"}}')
    assert read_json(path) == {"a": [1, -0.0025, None], "b": {"a": "é"}}
    path.write_text('{"a": NaN, "b": -Infinity}')
    assert str(read_json(path, allow_nan=True)) == "{'a': nan, 'b': -inf}"
