"""Runs a program on a terminal of its own, as a user would, and lets the test type and read."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

from harness import Failure, tail


class Terminal:
    """`stdout` and `stderr`: whether these are the terminal, too; otherwise they are pipes that are read at the end."""

    def __init__(self, *command, rows=40, columns=120, stdout=True):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.shown = ""

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen([str(word) for word in command], stdin=slave, stderr=slave,
                                        stdout=slave if stdout else subprocess.PIPE, preexec_fn=own_terminal)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def _read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.shown += os.read(self.master, 65536).decode(errors="replace")

    def wait_for(self, wanted, seconds=30):
        """Until this is shown, after what was waited for before."""
        deadline = time.monotonic() + seconds
        while wanted not in self.shown:
            if time.monotonic() > deadline or self.process.poll() is not None and not self._pending():
                raise Failure(f"the terminal never showed {wanted!r}, but:\n{tail(self.shown)}")
            self._read(0.1)
        seen, self.shown = self.shown[:self.shown.index(wanted) + len(wanted)], self.shown[self.shown.index(wanted) + len(wanted):]
        return seen

    def _pending(self):
        return bool(select.select([self.master], [], [], 0)[0])

    def finish(self, seconds=60):
        """Returns the exit code (-N for a signal) and what was shown since the last wait_for."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                os.killpg(self.process.pid, signal.SIGKILL)
                raise Failure(f"still running after {seconds} s, showing:\n{tail(self.shown)}")
            self._read(0.1)
        while self._pending():
            self._read(0)
        if self.process.stdout:
            self.process.stdout.close()
        return self.process.returncode, self.shown

    def is_restored(self):
        """Whether the terminal's modes are those from before."""
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        os.close(self.master)
        os.close(self.slave)
