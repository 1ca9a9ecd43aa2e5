"""
Run a program that cannot outlive the process that started it.

    python -I -S local/leash.py SIGNAL PARENT_PID [--unprivileged] PROGRAM ARGUMENT...

The kernel sends SIGNAL to the program when the parent dies, however it dies: an exit handler does
not run after SIGKILL, and a watching process could be killed as well. Standard library only, and
replaced by the program with exec, so the process id stays and nothing of it remains in memory.

On systems other than Linux there is no such signal; there only an orderly stop ends the children.
"""

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def become_unprivileged() -> None:
    """
    Turn from root into `nobody`, keeping only the right to pass folder permissions.

    Postgres refuses to run as root. Its wheel and its data may lie below a home folder that only
    root may enter, and opening that folder to everybody (as the wheel's own helper does) is worse
    than one capability.
    """
    nobody = pwd.getpwnam("nobody")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    bit = 1 << _CAP_DAC_OVERRIDE
    data = (_Data * 2)(_Data(bit, bit, bit), _Data(0, 0, 0))
    # Where a container withholds the capability, plain permissions decide: no reason to give up.
    if libc.capset(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), data) == 0:
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def main(arguments: list[str]) -> None:
    death_signal, parent_pid, *program = arguments
    if program[0] == "--unprivileged":
        program = program[1:]
        become_unprivileged()
    if sys.platform == "linux":
        # After the change of user: the kernel forgets the signal when the credentials change.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(parent_pid):  # it died before the line above
        sys.exit(1)
    os.execvp(program[0], program)  # noqa: S606 - replacing ourselves is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
