"""threads: holds one thread of a running process still, as if it hung, while the others go on."""
import ctypes
import os

SEIZE, INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def named(pid, name):
    """The id of the thread of that name; the main thread has the name of its program."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8") as comm:
            if comm.read().strip() == name:
                return int(thread)
    raise LookupError(f"process {pid} has no thread named {name}")


def hold(thread):
    """Until the process ends, or the calling thread does, which is the tracer."""
    for request in (SEIZE, INTERRUPT):
        if libc.ptrace(request, thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.waitpid(thread, WALL)


def bury(pid, thread):
    """The process ends only when its tracer, the calling thread, has taken note of the end of the thread that was held."""
    if thread != pid:
        os.waitpid(thread, WALL)
