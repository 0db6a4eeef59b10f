"""Makes a MANIFEST of a future format version, with valid checksums (lsm/FORMAT.md, "Log records" and "MANIFEST")."""

import ctypes
import struct

HEADER = 23
FULL = 1
TAG_FORMAT_VERSION = 1

_xxhash = ctypes.CDLL("libxxhash.so.0")
_xxhash.XXH3_64bits.restype = ctypes.c_uint64
_xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def raise_format_version(path, version=99):
    with open(path, "r+b") as file:
        head = file.read(32768)
        checksum, length, kind = struct.unpack_from("<Q12xHB", head)
        covered = head[8:HEADER + length]
        assert kind == FULL and checksum == _xxhash.XXH3_64bits(covered, len(covered)), "no log record at the start"
        payload = bytearray(covered[HEADER - 8:])
        assert payload[0] == TAG_FORMAT_VERSION and payload[1] < 0x80, "the format version does not come first"
        payload[1] = version
        covered = covered[:HEADER - 8] + bytes(payload)
        file.seek(0)
        file.write(struct.pack("<Q", _xxhash.XXH3_64bits(covered, len(covered))) + covered)
