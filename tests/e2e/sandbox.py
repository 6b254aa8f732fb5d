# SPDX-License-Identifier: BSD-3-Clause
"""Networks for tests, in namespaces of their own, so that nothing can leak into the machine.

`enter()` moves this process into new mount and network namespaces: /run, bpffs, hugetlbfs and all
interfaces made from then on are private and vanish with the process, however it ends. Inside,
`Namespace` is a network namespace, `Link` a veth pair between an appliance and its clients, and
`Lan` a bridge between several.

Needs root, iproute2 and ethtool.
"""

import ctypes
import ipaddress
import os
import socket
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MUSTER_BUILD", ROOT / "build"))

# A program that passes everything: veth delivers what the other end sends by XDP_TX only to a
# device that has an XDP program itself.
PASS_PROGRAM = BUILD / "bpf" / "pass.bpf.o"

NETNS = Path("/run/netns")

# sched.h, sys/mount.h, sys/prctl.h
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE, MNT_DETACH = 0x4000, 0x40000, 2
PR_SET_PDEATHSIG, SIGKILL = 1, 9

libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def _mount(kind, target, options=""):
    _check(libc.mount(kind.encode(), str(target).encode(), kind.encode(), 0, options.encode()),
           f"mount {kind} on {target}")


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, SIGKILL)


def sh(*command, **options):
    """Runs a command; says what it said when it fails."""
    done = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit code {done.returncode}: {done.stdout}")
    return done.stdout


def enter():
    """Moves this process (while it has one thread) into a sandbox. Returns its namespace, HOST."""
    global HOST
    if HOST:
        return HOST
    _check(libc.unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare")
    _check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate /")
    _mount("tmpfs", "/run")
    libc.umount2(b"/sys", MNT_DETACH)
    _mount("sysfs", "/sys")  # one that shows the interfaces of this network namespace
    _mount("bpf", "/sys/fs/bpf")
    Path("/dev/hugepages").mkdir(exist_ok=True)
    libc.umount2(b"/dev/hugepages", MNT_DETACH)
    if "hugetlbfs" in Path("/proc/filesystems").read_text():
        _mount("hugetlbfs", "/dev/hugepages", "pagesize=2M")
    NETNS.mkdir()
    _mount("tmpfs", NETNS)
    (NETNS / "host").touch()
    sh("mount", "--bind", "/proc/self/ns/net", NETNS / "host")
    HOST = Namespace("host", existing=True)
    return HOST


class Namespace:
    """A network namespace. `with namespace:` makes sockets in it that stay in it."""

    def __init__(self, name, existing=False):
        self.name = name
        self._outer = []
        if not existing:
            sh("ip", "netns", "add", name)
        self._file = os.open(NETNS / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._prepare()
        except Exception:
            self.delete()
            raise

    def _prepare(self):
        self.ip("link", "set", "lo", "up")
        self.sysctl("net.ipv6.ip_nonlocal_bind", 1)  # for addresses that only a route makes local
        for family in ("all", "default"):
            self.sysctl(f"net.ipv6.conf.{family}.accept_dad", 0)  # addresses are usable at once
            self.sysctl(f"net.ipv6.conf.{family}.accept_ra", 0)
            self.sysctl(f"net.ipv4.conf.{family}.rp_filter", 0)

    def __enter__(self):
        self._outer.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        _check(libc.setns(self._file, CLONE_NEWNET), f"setns {self.name}")
        return self

    def __exit__(self, *_):
        outer = self._outer.pop()
        _check(libc.setns(outer, CLONE_NEWNET), "setns back")
        os.close(outer)

    def delete(self):
        os.close(self._file)
        if self.name != "host":
            sh("ip", "netns", "delete", self.name)

    def ip(self, *arguments):
        return sh("ip", "-n", self.name, *arguments)

    def has(self, interface):
        with self:
            return interface in (name for _, name in socket.if_nameindex())

    def sysctl(self, key, value):
        with self:
            Path("/proc/sys", *key.split(".")).write_text(str(value))

    def command(self, *command):
        """The command line that runs `command` in here, but with the file systems of the sandbox."""
        return ["nsenter", f"--net={NETNS / self.name}", "--", *map(str, command)]

    def run(self, *command, **options):
        return sh(*self.command(*command), **options)

    def popen(self, *command, **options):
        """Starts a process that ends with this one at the latest."""
        return subprocess.Popen(self.command(*command), preexec_fn=die_with_parent, **options)


HOST = None


def veth(near, near_name, far, far_name, queues=1):
    """A veth pair; of one queue each, which is what AF_XDP on veth can serve, unless told otherwise."""
    sh("ip", "link", "add", near_name, "netns", near.name, "numrxqueues", queues, "numtxqueues", queues,
       "type", "veth",
       "peer", "name", far_name, "netns", far.name, "numrxqueues", queues, "numtxqueues", queues)
    for namespace, name in ((near, near_name), (far, far_name)):
        # No partial checksums, and VLAN tags within the frames: an AF_XDP socket sees bytes only.
        namespace.run("ethtool", "-K", name, "tx", "off", "txvlan", "off")


def attach_pass_program(namespace, interface):
    namespace.ip("link", "set", "dev", interface, "xdp", "obj", PASS_PROGRAM, "sec", "xdp")


class Link:
    """A veth pair between an appliance and its clients; `number` (1..99) tells its addresses.

    The appliance has 10.99.N.1 and fd99:N::1, the clients' end 10.99.N.2 and fd99:N::2. Besides, all
    of 10.(100+N).0.0/16 and fd98:N::/64 are addresses of clients: see `client_address()`.
    """

    def __init__(self, number, appliance, clients, queues=1):
        self.number, self.appliance, self.clients = number, appliance, clients
        self.interface, self.client_interface = f"mu{number}", f"cl{number}"
        self.mac, self.client_mac = f"02:00:00:00:{number:02x}:01", f"02:00:00:00:{number:02x}:02"
        try:
            self._make(queues)
        except Exception:
            self.delete()
            raise

    def _make(self, queues):
        appliance, clients = self.appliance, self.clients
        veth(appliance, self.interface, clients, self.client_interface, queues)
        self._configure(appliance, self.interface, self.mac, 1)
        self._configure(clients, self.client_interface, self.client_mac, 2)
        attach_pass_program(clients, self.client_interface)
        for family, version in ((4, "-4"), (6, "-6")):
            clients.ip(version, "route", "replace", "local", self._range(family), "dev", "lo")
            appliance.ip(version, "route", "replace", self._range(family), "via", self._address(family, 2))

    def _configure(self, namespace, interface, mac, host):
        namespace.ip("link", "set", interface, "address", mac, "up")
        namespace.ip("address", "add", f"{self._address(4, host)}/24", "dev", interface)
        namespace.ip("address", "add", f"{self._address(6, host)}/64", "dev", interface, "nodad")

    def _address(self, family, host):
        text = f"10.99.{self.number}.{host}" if family == 4 else f"fd99:{self.number:x}::{host:x}"
        return str(ipaddress.ip_address(text))

    def _range(self, family):
        return f"10.{100 + self.number}.0.0/16" if family == 4 else f"fd98:{self.number:x}::/64"

    def address(self, family=4):
        """The appliance's address."""
        return self._address(family, 1)

    def client_address(self, index=0, family=4):
        """The clients' own address (index 0), or one of 65534 others."""
        if index == 0:
            return self._address(family, 2)
        network = ipaddress.ip_network(self._range(family))
        return str(network[index])

    def delete(self):
        """Also after a test that took it away and failed before it brought it back."""
        if self.appliance.has(self.interface):
            self.appliance.ip("link", "delete", self.interface)


class Lan:
    """A bridge in a namespace of its own, with the appliance (10.98.0.1, fd97::1) and any number of
    machines on it, each in its own namespace."""

    def __init__(self, appliance, name="lan", interface="lan0"):
        self.switch = Namespace(name)
        self.switch.ip("link", "add", "bridge", "type", "bridge", "mcast_snooping", 0)
        self.switch.ip("link", "set", "bridge", "up")
        self.appliance, self.interface = appliance, interface
        self._attach(appliance, interface, 1)
        attach_pass_program(self.switch, f"{interface}-sw")

    def _attach(self, namespace, interface, host):
        veth(namespace, interface, self.switch, f"{interface}-sw")
        self.switch.ip("link", "set", f"{interface}-sw", "master", "bridge", "up")
        namespace.ip("link", "set", interface, "up")
        namespace.ip("address", "add", f"{self.machine_address(host)}/24", "dev", interface)
        namespace.ip("address", "add", f"{self.machine_address(host, 6)}/64", "dev", interface, "nodad")

    @staticmethod
    def machine_address(host, family=4):
        return f"10.98.0.{host}" if family == 4 else f"fd97::{host:x}"

    def address(self, family=4):
        """The appliance's address."""
        return self.machine_address(1, family)

    def join(self, namespace, host):
        """Puts a namespace on the bridge, with the addresses that `machine_address(host)` tells."""
        self._attach(namespace, f"eth{host}", host)

    def delete(self):
        self.switch.delete()
