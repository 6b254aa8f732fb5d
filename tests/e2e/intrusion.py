# SPDX-License-Identifier: BSD-3-Clause
"""Makes a running process do what an intruder would: system calls in one of its threads.

    with Intruder(thread_id) as thread:
        thread.call(SYS_OPEN, b"/etc/passwd", os.O_RDONLY)   # -> descriptor or -errno

The thread is stopped by ptrace(2), given a system call's registers at a `syscall` instruction of its own
libc, stepped over it, and put back as it was.
"""

import ctypes
import os
import re
from pathlib import Path

PTRACE_SINGLESTEP, PTRACE_GETREGS, PTRACE_SETREGS = 9, 12, 13
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
WALL = 0x40000000  # wait4(2): threads, too
SYSCALL_INSTRUCTION = b"\x0f\x05"
RED_ZONE = 4096  # bytes below the stack pointer that are left alone
NO_SYSTEM_CALL = 2**64 - 1

REGISTERS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
             "fs_base gs_base ds es fs gs").split()
ARGUMENTS = "rdi rsi rdx r10 r8 r9".split()

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in REGISTERS]


def ptrace(request, thread, data=None):
    if libc.ptrace(request, thread, None, data) == -1:
        raise OSError(ctypes.get_errno(), f"ptrace request {request}")


class Intruder:
    def __init__(self, thread):
        self.thread = thread

    def __enter__(self):
        ptrace(PTRACE_ATTACH, self.thread)
        os.waitpid(self.thread, WALL)
        self.memory = open(f"/proc/{self.thread}/mem", "r+b", buffering=0)
        self.instruction = self.find_instruction()
        self.kept = self.registers()
        return self

    def __exit__(self, *_):
        ptrace(PTRACE_SETREGS, self.thread, ctypes.byref(self.kept))
        self.memory.close()
        ptrace(PTRACE_DETACH, self.thread)

    def registers(self):
        registers = Registers()
        ptrace(PTRACE_GETREGS, self.thread, ctypes.byref(registers))
        return registers

    def find_instruction(self):
        for line in Path(f"/proc/{self.thread}/maps").read_text().splitlines():
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) r-xp .*/libc\.so", line)
            if match:
                start, end = (int(text, 16) for text in match.groups())
                self.memory.seek(start)
                at = self.memory.read(end - start).find(SYSCALL_INSTRUCTION)
                if at >= 0:
                    return start + at
        raise LookupError("no libc with a system call in it")

    def call(self, number, *arguments):
        """What the system call returned; bytes are passed by their address."""
        registers = Registers.from_buffer_copy(self.kept)
        place = self.kept.rsp - RED_ZONE & ~0xff
        values = []
        for argument in arguments:
            if isinstance(argument, bytes):
                place -= len(argument) + 64 & ~0x3f
                self.memory.seek(place)
                self.memory.write(argument + b"\0")
                argument = place
            values.append(argument % 2**64)
        for name, value in zip(ARGUMENTS, values + [0] * (len(ARGUMENTS) - len(values))):
            setattr(registers, name, value)
        registers.rax, registers.orig_rax, registers.rip = number, NO_SYSTEM_CALL, self.instruction
        ptrace(PTRACE_SETREGS, self.thread, ctypes.byref(registers))
        ptrace(PTRACE_SINGLESTEP, self.thread)
        os.waitpid(self.thread, WALL)
        return ctypes.c_longlong(self.registers().rax).value
