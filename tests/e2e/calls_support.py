"""Recording what calls do, so that two directories can be compared.

A call_* function gets an empty directory and returns a list of (what, result): nothing in a result may depend on where
it ran. Errors are recorded by name, not raised.
"""

import os
import stat
import zlib

from harness import errno_name


class Recorder(list):
    def do(self, what, function, *arguments, **options):
        """Records the value, or the errno's name; returns the value, None after an error."""
        try:
            value = function(*arguments, **options)
        except OSError as error:
            self.append((what, errno_name(error)))
            return None
        self.append((what, value if isinstance(value, (int, bytes, str, list, tuple, dict, bool, type(None))) else "ok"))
        return value

    def fd(self, what, path, flags, mode=0o644, dir_fd=None):
        """open, recorded without the descriptor's number; -1 after an error."""
        try:
            fd = os.open(path, flags, mode, dir_fd=dir_fd)
        except OSError as error:
            self.append((what, errno_name(error)))
            return -1
        self.append((what, "ok"))
        return fd

    def note(self, what, value):
        self.append((what, value))


def attributes(path):
    """What must be alike; sizes of directories and inode numbers need not be."""
    st = os.lstat(path)
    result = {"mode": oct(st.st_mode), "nlink": st.st_nlink, "uid": st.st_uid, "gid": st.st_gid, "rdev": st.st_rdev}
    if not stat.S_ISDIR(st.st_mode):
        result["size"] = st.st_size
    return result


def times(path):
    st = os.lstat(path)
    return st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns


def changed(before, after):
    """Which of atime, mtime, ctime moved, and whether any moved backwards."""
    return [name for name, a, b in zip(("atime", "mtime", "ctime"), before, after) if a != b], any(
        b < a for a, b in zip(before[1:], after[1:]))


def write_file(path, data=b"data"):
    with open(path, "wb") as file:
        file.write(data)


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def hash_of(data):
    return zlib.crc32(data)


def segments(fd):
    """Where SEEK_DATA and SEEK_HOLE say that data lies."""
    found, position, size = [], 0, os.fstat(fd).st_size
    while position < size:
        try:
            begin = os.lseek(fd, position, os.SEEK_DATA)
        except OSError:
            break
        position = os.lseek(fd, begin, os.SEEK_HOLE)
        found.append((begin, position))
    return found
