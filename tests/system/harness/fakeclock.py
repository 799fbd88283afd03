"""Clocks that a test sets for one mailbraked.

	clock = Clock(place)
	d = brake(start=False)
	d.start(env=clock.env())
	clock.ahead(3600)		# it is an hour later, all at once

Only the wall clock: what the monotonic clock counts goes on as it is, as it
does when an administrator or ntpd sets the time.  With passes=True both go
on together, as they do when time passes.
"""

import os
import pathlib
import re
import struct
import subprocess

from harness.daemon import MAILBRAKED

SOURCE = pathlib.Path(__file__).with_suffix(".c")


class Clock:
    def __init__(self, place, seconds=0, passes=False):
        directory = place.subdir("clock")
        self.library = directory / "fakeclock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o",
            str(self.library), str(SOURCE)], check=True)
        self.passes = passes
        self.path = directory / "ahead"
        self.ahead(seconds)

    def ahead(self, seconds):
        """By so much; negative is behind."""
        with open(self.path, "r+b" if self.path.exists() else "wb",
            buffering=0) as f:
            f.write(struct.pack("=q", round(seconds * 1000)))

    def env(self, **more):
        return {"LD_PRELOAD": ":".join(_sanitizer() + [str(self.library)]),
            "FAKECLOCK": str(self.path),
            **({"FAKECLOCK_PASSES": "1"} if self.passes else {}), **more}


def _sanitizer():
    """What has to be loaded before any other library."""
    out = subprocess.run(["ldd", str(MAILBRAKED)], capture_output=True,
        text=True, env={**os.environ, "LC_ALL": "C"}).stdout
    return re.findall(r"^\s*lib[at]san\.so\S* => (\S+)", out, re.M)
