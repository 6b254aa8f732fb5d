# SPDX-License-Identifier: BSD-3-Clause
"""A virtual machine with one NIC, on a tap of the namespace that it is started in.

    machine = Machine(namespace, "e1000e")
    machine.run("cat /proc/version")
    machine.close()

QEMU translates the guest's code (no KVM is needed), so it is slow: 10 to 80 thousand packets a second.
The NIC sits behind a virtual IOMMU, without which Debian's kernels let no user process drive it.
"""

import itertools
import json
import re
import shutil
import socket
import time
from collections import namedtuple
from pathlib import Path

import image
from image import Unavailable

QEMU = "qemu-system-x86_64"

MEMORY_MIB = 768
HUGE_PAGES = 160

BOOT_SECONDS = 60
# A machine that isn't closed in time is ended.
LIFE_SECONDS = 120

TAP = "vt0"
MAC = "52:54:00:4d:53:54"
# Where the NIC appears in the guest: behind a root port, from which it can be unplugged.
PCI_ADDRESS = "0000:01:00.0"

# What QEMU calls the NIC, its options, queues, and its drivers: of the kernel's PCI bus, and of DPDK.
Nic = namedtuple("Nic", "options queues kernel_driver dpdk_driver")
NICS = {
    # The virtual IOMMU translates for modern devices only, and only when asked to.
    "virtio-net-pci": Nic("disable-legacy=on,iommu_platform=on,mq=on,vectors=8", 2, "virtio-pci",
                          "net_virtio"),
    "e1000e": Nic("", 1, "e1000e", "net_e1000_em"),
    "vmxnet3": Nic("", 1, "vmxnet3", "net_vmxnet3"),
}


class CommandFailed(Exception):
    """A command in the guest ended with an exit code."""


class Machine:
    _numbers = itertools.count()

    def __init__(self, namespace, nic, fill_more=None, memory=MEMORY_MIB, huge_pages=HUGE_PAGES, options=""):
        """`fill_more` puts more into the file system; `options` go to the kernel's command line."""
        if not shutil.which(QEMU):
            raise Unavailable(f"no {QEMU} (qemu-system-x86)")
        self.namespace, self.nic = namespace, NICS[nic]
        self.directory = Path("/run/muster-vm") / f"{next(self._numbers)}"
        self.directory.mkdir(parents=True)
        self._counter = itertools.count()
        self.closed = False
        self._make_tap()
        self._start(nic, fill_more, memory, f"hugepages={huge_pages} {options}")
        try:
            self._shell = self._connect("shell")
            self._shell.settimeout(BOOT_SECONDS)
            self._unread = b""
            self._read_until(rb"booted\r?\n", BOOT_SECONDS)
        except Exception:
            self.close()
            raise

    def _make_tap(self):
        queues = ["multi_queue"] if self.nic.queues > 1 else []
        self.namespace.ip("tuntap", "add", "dev", TAP, "mode", "tap", "vnet_hdr", *queues)
        self.namespace.ip("link", "set", TAP, "up")

    def _start(self, nic, fill_more, memory, options_line):
        kernel = image.kernel()
        initramfs = image.build_initramfs(kernel, self.directory / "initramfs", fill_more)
        queues = f",queues={self.nic.queues}" if self.nic.queues > 1 else ""
        options = f",{self.nic.options}" if self.nic.options else ""
        self.process = self.namespace.popen(
            "timeout", LIFE_SECONDS, QEMU, "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", 2, "-m", memory,
            "-kernel", next((kernel / "boot").glob("vmlinuz-*")), "-initrd", initramfs,
            "-append", "console=ttyS0 quiet loglevel=5 panic=-1 intel_iommu=on iommu=pt"
                       f" {options_line}",
            "-device", "intel-iommu",
            "-netdev", f"tap,id=wire,ifname={TAP},script=no,downscript=no,vhost=off{queues}",
            "-device", "pcie-root-port,id=root,chassis=1,addr=4",
            "-device", f"{nic},netdev=wire,id=nic,bus=root,mac={MAC}{options}",
            "-serial", f"file:{self.directory}/console",
            "-serial", f"unix:{self.directory}/shell,server=on,wait=on",
            "-qmp", f"unix:{self.directory}/qmp,server=on,wait=off")

    def _connect(self, name):
        path, deadline = self.directory / name, time.monotonic() + 10
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        while True:
            try:
                connection.connect(str(path))
                return connection
            except (FileNotFoundError, ConnectionRefusedError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"QEMU doesn't start:\n{self.console()}") from None
                time.sleep(0.05)

    # Commands in the guest

    def _read_until(self, pattern, seconds):
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self._unread)):
            left = deadline - time.monotonic()
            try:
                self._shell.settimeout(max(left, 0.01))
                data = self._shell.recv(65536)
            except TimeoutError:
                data = b""
            if not data:
                raise AssertionError(f"no answer from the guest within {seconds} s: "
                                     f"{self._unread.decode(errors='replace')}\n{self.console()}")
            self._unread += data
        before, self._unread = self._unread[:found.start()], self._unread[found.end():]
        return before, found

    def run(self, command, seconds=30):
        """What a shell command prints; CommandFailed when it ends with another code than 0."""
        number = next(self._counter)
        self._shell.sendall(f"{{ {command}\n}} 2>&1; echo \"<<{number}:$?>>\"\n".encode())
        printed, found = self._read_until(rb"<<%d:(\d+)>>\r?\n" % number, seconds)
        text = printed.decode(errors="replace")
        if found.group(1) != b"0":
            raise CommandFailed(f"{command}: exit code {found.group(1).decode()}: {text}")
        return text

    def write(self, path, text):
        self.run(f"cat >{path} <<'END OF FILE'\n{text}\nEND OF FILE")

    # From outside

    def qmp(self, command, **arguments):
        """A command to QEMU itself: pulls the cable, removes the device."""
        with self._connect("qmp") as connection, connection.makefile("rw") as lines:
            lines.readline()  # the greeting
            for request in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                lines.write(json.dumps(request))
                lines.flush()
                while "event" in (reply := json.loads(lines.readline())):
                    pass
        assert "error" not in reply, reply
        return reply["return"]

    def plug(self, connected):
        """Puts the cable in, or pulls it."""
        self.qmp("set_link", name="nic", up=connected)

    def unplug(self):
        """Asks the guest to give the NIC up, as its user presses the button beside the slot."""
        self.qmp("device_del", id="nic")

    def console(self):
        path = self.directory / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self):
        if not self.closed:
            self.closed = True
            self.process.terminate()
            self.process.wait(10)
            self.namespace.ip("link", "delete", TAP)
