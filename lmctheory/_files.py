"""Files and folders that are either complete or absent, wherever they are, and text files of which one cannot be sure."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NoReturn, TypeAlias

from lmctheory.errors import InvalidInputError

AnyPath: TypeAlias = str | os.PathLike[str]
KEPT_BY_FILE_SYSTEMS = {"lost+found"}  # what an empty folder may hold: the root of a file system does
IRREPLACEABLE = {errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES}  # a mount point, or a folder that lets no file be renamed
BYTE_ORDER_MARKS = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@contextmanager
def atomic_file(path: AnyPath, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file for writing that becomes the file `path` when the block ends without an error.

    Links are followed, and a file that exists keeps its mode. What cannot be replaced is filled in, at once, when the block ends:
    a pipe, a device, an open file of this process such as ``/dev/stdout``, a file with several names, a mount point, a file in a
    folder that may not be written to.
    """
    target, found, descriptor = _destination(path)
    temporary = None if descriptor is not None or _is_filled_in(found) else _new_neighbour(target, found)
    if temporary is None:
        content = io.BytesIO()
        file: IO[Any] = content if "b" in mode else io.TextIOWrapper(content, "utf-8", write_through=True)
        yield file
        _fill_in(target, descriptor, content.getvalue())
        return
    try:
        with open(temporary, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        try:
            os.replace(temporary, target)
        except OSError as error:
            if found is None or error.errno not in IRREPLACEABLE:
                raise
            _fill_in(target, None, Path(temporary).read_bytes())
    finally:
        Path(temporary).unlink(missing_ok=True)


def check_file(path: AnyPath) -> None:
    """Raise the OSError that writing `path` would raise, as far as it can be known before there is anything to write."""
    target, found, descriptor = _destination(path)
    if found is None and descriptor is None:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))  # only the file system knows which names it takes
        os.unlink(target)


def _destination(path: AnyPath) -> tuple[str, os.stat_result | None, int | None]:
    """Return where the links of `path` lead, what is there, and the number of the open file that it stands for, if any."""
    name = _name(path)
    descriptor = _descriptor(name)
    if descriptor is not None:
        return name, os.fstat(descriptor), descriptor
    found = _state(name)
    if name.endswith(os.sep) or (found is not None and stat.S_ISDIR(found.st_mode)):
        raise _error(errno.EISDIR, name)
    if found is not None and not os.access(name, os.W_OK):
        raise _error(errno.EACCES, name)
    return os.path.realpath(name), found, None


def _name(path: AnyPath) -> str:
    name = os.fsdecode(path)
    if "\0" in name:
        raise InvalidInputError(f"path must not hold a null character, got {name!r}")
    if not name:
        raise _error(errno.ENOENT, name)
    return name


def _state(name: str) -> os.stat_result | None:
    try:
        return os.stat(name)
    except FileNotFoundError:
        return None


def _error(number: int, name: str) -> OSError:
    return OSError(number, os.strerror(number), name)


def _descriptor(name: str) -> int | None:
    for _ in range(40):  # links that Linux follows
        folder, last = os.path.split(os.path.abspath(name))
        folder = os.path.realpath(folder)
        if last.isdecimal() and (folder == "/dev/fd" or (folder.startswith(f"/proc/{os.getpid()}/") and folder.endswith("/fd"))):
            return int(last)
        if not os.path.islink(name):
            return None
        name = os.path.join(folder, os.readlink(name))
    return None


def _is_filled_in(found: os.stat_result | None) -> bool:
    return found is not None and (not stat.S_ISREG(found.st_mode) or found.st_nlink > 1)


def _new_neighbour(target: str, found: os.stat_result | None) -> str | None:
    """Make a file beside `target` with the mode and owner of what it is to replace; None if only that can be written."""
    temporary = os.path.join(os.path.dirname(target), _temporary_name())
    try:
        with open(temporary, "xb"):
            pass
    except OSError:
        if found is None:
            raise
        return None
    if found is not None:
        with suppress(OSError, AttributeError):  # only the superuser may give files away, and Windows knows no owners
            os.chown(temporary, found.st_uid, found.st_gid)
        os.chmod(temporary, stat.S_IMODE(found.st_mode))
    return temporary


def _temporary_name() -> str:
    return f".lmctheory-{secrets.token_hex(4)}"  # short, whatever the name of the target


def _fill_in(target: str, descriptor: int | None, content: bytes) -> None:
    if descriptor is not None:  # a duplicate goes on where the other has stopped, and leaves what was there
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        return
    regular = os.path.isfile(target)
    with open(target, "r+b" if regular else "wb") as file:
        file.write(content)
        if regular:
            file.truncate()


@contextmanager
def atomic_folder(path: AnyPath, last: str = "") -> Iterator[Path]:
    """Make a temporary folder; what it holds when the block ends without an error becomes the content of the folder `path`.

    Links are followed. A new folder appears complete. One that exists stays the folder that it is (a mount point, the current
    folder), and the files are moved into it one by one, the one called `last` at the end. An error in the block leaves nothing
    behind, unless files have been written and the disk is at fault: then they are kept, and the error says where.

    Raises
    ------
    OSError
        Before the block, if `path` exists, unless as an empty folder, or cannot be made or written to. After it, or instead of an
        OSError in it, if the files that are there cannot be moved; its `strerror` names the folder in which they are.
    """
    target = Path(os.path.realpath(_name(path)))
    exists = _check_empty(target)
    missing = [] if exists else [parent for parent in target.parents if not parent.exists()]
    temporary = (target if exists else target.parent) / _temporary_name()
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _publish(temporary, target, last)
        missing = []
    except OSError as error:
        if temporary.is_dir() and any(temporary.iterdir()):
            _keep(error, temporary, path)
        raise
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        with suppress(OSError):  # not empty: kept
            for folder in (temporary, *missing):
                if folder.exists():
                    folder.rmdir()


def _check_empty(target: Path) -> bool:
    """Return whether `target` exists; raise an OSError if it does so as something else than an empty folder."""
    found = _state(str(target))
    if found is None:
        return False
    content = set(os.listdir(target)) - KEPT_BY_FILE_SYSTEMS if stat.S_ISDIR(found.st_mode) else {""}
    if content:
        holds = f" (it holds {min(content)})" if content != {""} else ""
        raise FileExistsError(errno.EEXIST, f"exists and is not an empty folder{holds}", str(target))
    return True


def _publish(temporary: Path, target: Path, last: str) -> None:
    if not target.exists():
        temporary.rename(target)
        return
    files = sorted(temporary.iterdir(), key=lambda file: (file.name == last, file.name))
    for file in files:
        if os.path.lexists(target / file.name):
            raise FileExistsError(errno.EEXIST, f"{file.name} has been put there by someone else", str(target))
    for file in files:
        file.rename(target / file.name)


def _keep(error: OSError, temporary: Path, path: AnyPath) -> NoReturn:
    message = f"{error.strerror or error}; what was finished is kept in {temporary}"
    raise OSError(error.errno or errno.EIO, message, os.fspath(path)) from error


def read_text(path: AnyPath) -> str:
    """Return the text of a UTF-8 file, without its byte-order mark, or raise `InvalidInputError` saying what the file is."""
    content = read_bytes(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{os.fsdecode(path)}: must be UTF-8 text ({_fault(error, content)})") from error


def read_bytes(path: AnyPath) -> bytes:
    """Return the bytes in a file, or raise `InvalidInputError`."""
    name = os.fsdecode(path)
    try:
        with open(path, "rb") as file:
            if stat.S_ISCHR(os.fstat(file.fileno()).st_mode) and not file.isatty():
                raise InvalidInputError(f"{name} must be a file, got a device")  # some never end
            return file.read()
    except OSError as error:
        raise InvalidInputError(f"{name} cannot be read: {error.strerror or error}") from error


def _fault(error: UnicodeDecodeError, content: bytes) -> str:
    mark = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    return f"it is {mark}" if mark else f"{error.reason} at byte {error.start}"


def read_json(path: AnyPath, *, allow_nan: bool = False) -> dict[str, Any]:
    """Return the JSON object in the file, or raise `InvalidInputError` saying what the file is instead.

    Stricter than Python: an object names each key once, numbers fit into a float, and NaN and infinities, which JSON does not
    know, are refused unless `allow_nan` is set.
    """
    content, name = read_bytes(path), os.fsdecode(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{name} is not a text file: it must be UTF-8 ({_fault(error, content)})") from error
    if not text.strip():
        raise InvalidInputError(f"{name} is not JSON: it is empty")

    def constant(text: str) -> float:
        if not allow_nan:
            raise InvalidInputError(f"{name} is not JSON: it must hold no {text}, which is no number")
        return float(text)

    def real(text: str) -> float:
        if math.isinf(float(text)):
            raise InvalidInputError(f"{name} must hold numbers that fit into a float, got {text[:20]}")
        return float(text)

    def integer(text: str) -> int:
        try:
            return int(text)
        except ValueError:  # Python converts no more than 4300 digits
            raise InvalidInputError(f"{name} must hold numbers of ordinary length, got one of {len(text)} digits") from None

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            raise InvalidInputError(f"{name} must name each key once, got {next(k for k in keys if keys.count(k) > 1)!r} again")
        return found

    try:
        document = json.loads(text, parse_constant=constant, parse_float=real, parse_int=integer, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"{name} is not JSON or is cut short: {error.msg} at line {error.lineno}") from error
    except RecursionError:
        raise InvalidInputError(f"{name} is not JSON that can be read: it is nested too deeply") from None
    if not isinstance(document, dict):
        raise InvalidInputError(f"{name} must hold a JSON object, got {type(document).__name__}")
    return document
