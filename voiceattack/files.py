"""Files that are written whole or not at all, lines that are on the disk when a call returns, and the one error of a disk.

What a run directory holds may come from anybody. :func:`inside` keeps every path of it inside, links resolved; what is written
goes through :func:`whole_file` or :func:`append_line`, which follow no link; and what a user names is opened by
:func:`open_regular`, which takes regular files only, so that no pipe or device is waited for.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO, TextIO

import soundfile

from voiceattack.errors import DiskError, RunError, SpecError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = [
    "append_line",
    "check_folder",
    "check_regular",
    "copy_whole",
    "create_or_open",
    "files_below",
    "inside",
    "is_at",
    "one_line",
    "open_regular",
    "read_bytes",
    "read_text",
    "real_path",
    "take_lock",
    "whole_file",
    "whole_lines",
    "whole_text",
    "write_whole",
    "writing",
]

ADVICE = "free some space, check permissions, or choose another place"
# 0 where a system lacks them.
NO_LINK: int = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
BINARY: int = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
WAIT_SECONDS = 60.0
"""For another process that writes the same file."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; see :func:`whole_file`."""
    with whole_file(path) as file:
        file.write(data)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that is at ``path`` only once the block has ended: until then it lies beside it, as ``.<name>.part``.

    What a killed process leaves is a part that the next attempt writes over, never half a file. No link is followed: one at
    ``path`` is replaced, one in the part's place is removed. A second process that writes the same file waits for the first.

    Args:
        path: its folder is made when missing.

    Raises:
        OSError: the disk refuses; nothing is left behind and what was there before stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    descriptor = _open_part(part)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            yield file
        os.fsync(descriptor)
        if sys.platform == "win32":  # where an open file cannot be renamed
            os.close(descriptor)
            descriptor = -1
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    finally:
        if descriptor >= 0:
            os.close(descriptor)  # not before it is renamed: with it goes its lock


@contextlib.contextmanager
def whole_text(path: Path) -> Iterator[TextIO]:
    """:func:`whole_file` for text in UTF-8; line ends are written as they are given."""
    with whole_file(path) as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as stream:
        yield stream


def copy_whole(source: Path, target: Path) -> None:
    """Copy the content of a regular file; see :func:`whole_file`."""
    with open_regular(source) as read, whole_file(target) as written:
        shutil.copyfileobj(read, written)


def _open_part(part: Path) -> int:
    end = time.monotonic() + WAIT_SECONDS
    while True:
        descriptor = create_or_open(part)
        try:
            if take_lock(descriptor) and is_at(descriptor, part):
                os.ftruncate(descriptor, 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() > end:
            raise OSError(errno.EBUSY, "another process is writing it", os.fspath(part))
        time.sleep(0.02)


def create_or_open(path: Path) -> int:
    """A descriptor to read and write a small file of the tool's own that any earlier process may have left.

    What is there and is no ordinary file of one name (a link, a pipe, a hard link to another file) is removed, never opened.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK | BINARY, 0o666)
        except FileExistsError:
            pass
        try:
            found = os.lstat(path)
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                return os.open(path, os.O_RDWR | NO_LINK | BINARY)
            os.unlink(path)
        except FileNotFoundError:
            continue  # another process finished with it just now


def take_lock(descriptor: int) -> bool:
    """Lock an open file for this descriptor alone, without waiting; whether that worked. The lock ends with the process.

    Where a file system knows no locks, every attempt works.
    """
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # beyond all content, which stays readable
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one at ``path``: the process that had the lock may have renamed or removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def writing(path: Path, advice: str = ADVICE) -> Iterator[None]:
    """Turn what a full, read-only or otherwise unwilling disk raises into the one error that says so.

    Args:
        path: what is being written, for the message.
        advice: what its user can do.

    Raises:
        DiskError: the block raised OSError.
    """
    try:
        yield
    except OSError as error:
        raise DiskError(f"{path}: cannot be written ({one_line(error)}); {advice}") from error


def files_below(folder: Path, most: int = 10_000) -> list[Path]:
    """The files of a folder that describes something and of those below it; links to folders are not followed.

    What cannot be looked into is left out.

    Raises:
        SpecError: more than ``most`` of them: the folder named is not the one meant.
    """
    found: list[Path] = []
    for parent, _, names in os.walk(folder):
        found += [Path(parent, name) for name in names if os.path.isfile(os.path.join(parent, name))]
        if len(found) > most:
            raise SpecError(f"{folder}: holds more than {most} files; name the very folder that is meant")
    return found


def real_path(path: Path) -> str:
    """Where ``path`` leads, links followed as far as they can be read: to tell whether two paths are one file."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # a link that may not be read, a name that none can have
        return os.path.abspath(path)


def one_line(error: BaseException) -> str:
    """The reason alone: no path, no line breaks."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, soundfile.LibsndfileError):
        return " ".join(str(error.error_string).split()).rstrip(".")
    return " ".join(str(error).split()) or type(error).__name__


def inside(root: Path, relative: str | PurePath) -> Path:
    """``root / relative``, which may be read and written because it lies in ``root``, every link on the way resolved.

    Args:
        root: a run's or suite's directory; may itself be a link.
        relative: a path below it.

    Raises:
        RunError: it is absolute, holds ``..``, or leads out of ``root`` through a symbolic link.
    """
    text = os.fspath(relative)
    parts = PurePosixPath(text.replace("\\", "/"))
    if text in ("", ".") or "\0" in text or parts.is_absolute() or PurePath(text).is_absolute() or ".." in parts.parts:
        raise RunError(f"{root}: the record names {text!r}, which is outside the run; the run was tampered with")
    real = os.path.realpath(root)
    if not os.path.realpath(os.path.join(real, parts)).startswith(os.path.join(real, "")):
        raise RunError(
            f"{root}: {text!r} leads through a link to a place outside the run; the run was tampered with: remove the link"
        )
    return root / parts


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file to read; a link to one is followed.

    Raises:
        OSError: it cannot be read, or is a named pipe, a socket or a device, for which a reader would wait for ever.
    """
    try:
        _check_regular(os.stat(path), path)
        descriptor = os.open(path, os.O_RDONLY | (NO_LINK & ~getattr(os, "O_NOFOLLOW", 0)) | BINARY)
    except ValueError as error:  # NUL, or characters that the file system's encoding lacks
        raise OSError(errno.EINVAL, "no file has such a name", os.fspath(path)) from error
    try:
        _check_regular(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def check_folder(folder: Path) -> None:
    """See that all that lies below a folder are files, before a library opens them by name.

    Raises:
        OSError: there is a named pipe, a socket or a device, for which it would wait for ever; ``filename`` names it.
    """
    for below, _, names in os.walk(folder):
        for name in names:
            check_regular(Path(below, name))


def read_bytes(path: str | Path) -> bytes:
    """The whole content; raises OSError as :func:`open_regular` does."""
    with open_regular(path) as file:
        return file.read()


def read_text(path: str | Path) -> str:
    """The whole content as UTF-8, without a byte order mark; line ends stay as they are.

    Raises:
        OSError: as :func:`open_regular`.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_bytes(path).decode("utf-8-sig")


def check_regular(path: Path) -> None:
    """See that a file, if it is there, is one, before a library opens it; raises OSError as :func:`open_regular` does."""
    with contextlib.suppress(FileNotFoundError):
        _check_regular(os.stat(path), path)


def _check_regular(found: os.stat_result, path: str | Path) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(found.st_mode):
        kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
        kind = kinds.get(stat.S_IFMT(found.st_mode), "of an unknown kind")
        raise OSError(errno.EINVAL, f"it is {kind} and no file", os.fspath(path))


def append_line(file: Path, line: bytes, is_whole: Callable[[bytes], bool]) -> None:
    """Add ``line`` (without its line feed) to ``file``; on return it is on the disk.

    Args:
        file: made when missing, its folder too; a last line that a killed run tore is cut off first.
        line: one line.
        is_whole: whether a last line without a line feed is a whole one all the same.

    Raises:
        OSError: the disk refuses, or ``file`` is a link or no regular file; the lines already there stay whole.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.is_symlink():
        raise OSError(errno.ELOOP, "it is a link; put the file itself in its place", os.fspath(file))
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | NO_LINK | BINARY, 0o666)
    try:
        _check_regular(os.fstat(descriptor), file)
        _mend(descriptor, is_whole)
        before = os.fstat(descriptor).st_size
        try:
            _write(descriptor, line + b"\n")
            os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def whole_lines(file: Path, is_whole: Callable[[bytes], bool]) -> list[bytes]:
    """The lines of ``file``, none when it is missing; a torn last line is left out. Raises OSError when it cannot be read."""
    try:
        data = read_bytes(file)
    except FileNotFoundError:
        return []
    *lines, last = data.split(b"\n")
    return [*lines, last] if is_whole(last) else lines


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _mend(descriptor: int, is_whole: Callable[[bytes], bool]) -> None:
    """End a last line that lacks its line feed, or cut it off when it is torn."""
    end = os.fstat(descriptor).st_size
    if end == 0:
        return
    os.lseek(descriptor, end - 1, os.SEEK_SET)
    if os.read(descriptor, 1) == b"\n":
        return
    with os.fdopen(descriptor, "rb", closefd=False) as stream:
        stream.seek(0)
        data = stream.read()
    start = data.rfind(b"\n") + 1
    if is_whole(data[start:]):
        _write(descriptor, b"\n")
    else:
        os.ftruncate(descriptor, start)
    os.fsync(descriptor)
