"""A wall clock that a test sets for one program, by libfaketime.

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
import subprocess

import pytest

from harness.daemon import MAILBRAKED


class Clock:
    def __init__(self, place, seconds=0, passes=False):
        found = sorted(pathlib.Path("/usr/lib").glob(
            "*/faketime/libfaketime.so.1"))
        if not found:
            pytest.skip("needs libfaketime")
        self.library = str(found[0])
        self.passes = passes
        self.path = place.subdir("clock") / "offset"
        self.ahead(seconds)

    def ahead(self, seconds):
        """By so much; negative is behind."""
        new = self.path.with_suffix(".new")
        new.write_text("%+.3f\n" % seconds)
        new.replace(self.path)

    def env(self, **more):
        return {"LD_PRELOAD": ":".join(_sanitizer() + [self.library]),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_ONLY_CMDS": MAILBRAKED.name,
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC":
            "0" if self.passes else "1", **more}


def _sanitizer():
    """What has to be loaded before any other library."""
    out = subprocess.run(["ldd", str(MAILBRAKED)], capture_output=True,
        text=True, env={**os.environ, "LC_ALL": "C"}).stdout
    return re.findall(r"^\s*lib[at]san\.so\S* => (\S+)", out, re.M)
