"""One thread of a process that stands still, while the others go on."""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
    ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long
SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000


def _ptrace(request, thread):
    if _libc.ptrace(request, thread, None, None) == -1:
        error = ctypes.get_errno()
        raise OSError(error, "ptrace: " + os.strerror(error))


class Halted:
    """with Halted(id): that thread does nothing meanwhile.  A process's id
    is that of its main thread; of a process of ours nobody else may wait
    for it then.  To be left by the thread that entered it."""

    def __init__(self, thread):
        self.thread = thread

    def __enter__(self):
        _ptrace(SEIZE, self.thread)
        _ptrace(INTERRUPT, self.thread)
        _, status = os.waitpid(self.thread, WALL)
        assert os.WIFSTOPPED(status), status
        return self

    def __exit__(self, *exception):
        _ptrace(DETACH, self.thread)
