# SPDX-License-Identifier: BSD-3-Clause
"""Appliances under test: musterd on interfaces of a sandbox, and clients that talk to it.

    bed = Testbed(links=2)                # two veth pairs to one namespace of clients
    musterd = bed.start({"tracker": {"interval": "1m"}})
    with bed.tracker(link=1, client=7, family=6) as tracker:
        tracker.announce(...)
    musterd.stop()
    bed.close()

Fixtures on top are in conftest.py.
"""

import ctypes
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections import namedtuple
from contextlib import ExitStack, contextmanager
from pathlib import Path

import sandbox
from sandbox import BUILD, Link, Namespace
from tracker_client import NoReply, Tracker

MUSTERD = Path(os.environ.get("MUSTERD", BUILD / "controlplane" / "musterd"))
PORT = 6969

START_SECONDS = 30
STOP_SECONDS = 15

HUGE_PAGES_FREE = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
# Pages of 2 MB that an appliance with the caps below may need.
HUGE_PAGES_NEEDED = 64

# One line of a metrics page: name, labels, value.
Sample = namedtuple("Sample", "name labels value")
SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$', re.MULTILINE)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

# sys/ptrace.h, and wait.h
PTRACE_ATTACH, PTRACE_DETACH, WALL = 16, 17, 0x40000000

DROPS = ("muster_drops_total", "muster_xdp_packets_total")


class ControlError(Exception):
    """The control socket answered with an error."""

    def __init__(self, error):
        super().__init__(error.get("message"))
        self.code, self.data = error.get("code"), error.get("data")


def wait_until(condition, seconds=5.0, every=0.02, what=None):
    """Waits for `condition()` to become true, and returns what it returned; fails after `seconds`.

    `what` was waited for: a text, or who tells it when it is known why it was in vain.
    """
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what or condition}")
        time.sleep(every)
    return result


def merged(base, changes):
    """`base` with `changes` laid over it, section by section."""
    result = dict(base)
    for key, value in changes.items():
        inner = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if inner else value
    return result


def enough_huge_pages():
    try:
        return int(HUGE_PAGES_FREE.read_text()) >= HUGE_PAGES_NEEDED
    except OSError:
        return False


def worker_threads(daemon):
    """Threads that DPDK named for its cores, in the order of the workers."""
    tasks = {int(task.name): (task / "comm").read_text()
             for task in Path(f"/proc/{daemon.pid}/task").iterdir()}
    return sorted((number for number, name in tasks.items() if "worker" in name), key=tasks.get)


@contextmanager
def frozen(thread):
    """Holds one thread of a process still, as a debugger does."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    assert libc.ptrace(PTRACE_ATTACH, thread, None, None) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(thread, WALL)
    try:
        yield
    finally:  # a process whose thread is held doesn't end, however it is killed
        assert libc.ptrace(PTRACE_DETACH, thread, None, None) == 0


class Musterd:
    """A musterd process, with a folder of its own for its config, key, sockets, log and BPF pins.

    `ports` are links, lans or interface names; `settings` are laid over `default_config()`.
    """

    instances = []
    _numbers = itertools.count()

    def __init__(self, namespace, ports, settings=None, name=None):
        number = next(self._numbers)
        self.namespace = namespace
        self.name = name or f"muster{number}"
        self.interfaces = [getattr(port, "interface", port) for port in ports]
        self.directory = Path("/run/muster-tests") / self.name
        self.pins = self.directory / "bpf"
        self.pins.mkdir(parents=True)
        sandbox.sh("mount", "-t", "bpf", "bpf", self.pins)
        self.control_socket = self.directory / "control.sock"
        self.metrics_port = 9969 + number % 1000
        self.log_file = self.directory / "log"
        self.config_file = self.directory / "muster.yaml"
        self.process = None
        self.configure(settings or {})
        self.instances.append(self)

    def __str__(self):
        return self.name

    # Configuration

    def default_config(self):
        workers = min(max(len(self.interfaces), 1), os.cpu_count())
        return {
            "instance": self.name,
            "listen": [f"0.0.0.0:{PORT}", f"[::]:{PORT}"],
            "ports": [{"type": "af_xdp", "interface": name} for name in self.interfaces],
            "workers": {"cores": list(range(workers)), "control_core": 0, "idle": "adaptive"},
            "memory": {"torrents": "20k", "peers": "100k", "huge_pages": enough_huge_pages()},
            "connection_id": {"key_file": str(self.directory / "connection-id.key")},
            "xdp": {"program": str(BUILD / "bpf" / "steering.bpf.o")},
            "store": {"type": "none"},
            "control": {"socket": str(self.control_socket)},
            "metrics": {"address": f"127.0.0.1:{self.metrics_port}"},
            "log": {"level": "debug", "target": "stderr"},
            # Tests put access lists into /tmp. gcov writes its counts where the build is.
            "confine": {"readable": "/tmp", "files": "MUSTER_COVERAGE" not in os.environ},
        }

    def configure(self, settings):
        """Writes the config file anew; `settings` are laid over the default."""
        self.config = merged(self.default_config(), settings)
        # JSON is YAML.
        self.config_file.write_text(json.dumps(self.config, indent=2) + "\n")

    # The process

    def command(self, *arguments):
        """The command line that runs musterd here: in its namespace, with its own bpffs."""
        setup = ("umount -l /sys && mount -t sysfs sysfs /sys"
                 f" && mount --bind {self.pins} /sys/fs/bpf && exec \"$@\"")
        return self.namespace.command("unshare", "--mount", "--propagation", "private", "--",
                                      "sh", "-c", setup, "sh", MUSTERD, *arguments)

    def start(self, ready=True):
        """Starts it and, unless told otherwise, waits until it serves."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, \
                open(self.log_file, "ab") as log:
            notify_path = self.directory / "notify"
            notify_path.unlink(missing_ok=True)
            notify.bind(str(notify_path))
            notify_path.chmod(0o666)
            self.process = subprocess.Popen(
                self.command("-c", self.config_file), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": str(notify_path)},
                preexec_fn=sandbox.die_with_parent)
            if ready:
                self._wait_ready(notify)
        return self

    def _wait_ready(self, notify):
        notify.settimeout(0.1)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                if b"READY=1" in notify.recv(4096).split(b"\n"):
                    return
            except TimeoutError:
                pass
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.log()}")
        self.kill()
        raise AssertionError(f"{self.name} not ready after {START_SECONDS} s:\n{self.log()}")

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        """Asks it to end, and checks that it ends well."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end on SIGTERM:\n{self.log()}") from None
        self.process = None
        assert code == 0, f"{self.name} ended with {code}:\n{self.log()}"

    def kill(self):
        """Ends it as a crash would."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def signal(self, number):
        self.process.send_signal(number)

    def restart(self):
        self.stop()
        return self.start()

    def close(self):
        """Ends it, whatever state it is in, and forgets it."""
        if self.is_running():
            self.kill()
        self.instances.remove(self)
        sandbox.sh("umount", self.pins)

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def pinned(self):
        """Names of what is pinned in its bpffs, but for what some kernels put there themselves."""
        return sorted(path.name for path in self.pins.iterdir() if path.suffix != ".debug")

    # What it tells

    def http(self, path):
        """(status, body) of a page of its HTTP server."""
        with self.namespace:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}",
                                            timeout=5) as reply:
                    return reply.status, reply.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

    def metrics(self):
        """All samples of /metrics."""
        status, text = self.http("/metrics")
        assert status == 200, text
        return [Sample(name, dict(LABEL.findall(labels)), float(value))
                for name, labels, value in SAMPLE.findall(text)]

    def metric(self, name, **labels):
        """The sum of the samples of that name that bear these labels."""
        found = [sample.value for sample in self.metrics()
                 if sample.name == name and labels.items() <= sample.labels.items()]
        assert found, f"no metric {name} {labels or ''}"
        return sum(found)

    def dropped(self, reason):
        """Packets dropped for that reason, by XDP and by the workers together."""
        return sum(sample.value for sample in self.metrics()
                   if sample.name in DROPS and reason in sample.labels.values())

    def call(self, method, /, **params):
        """A request to the control socket; its result, or ControlError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(10)
            control.connect(str(self.control_socket))
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            control.sendall(json.dumps(request).encode() + b"\n")
            with control.makefile() as lines:
                reply = json.loads(lines.readline())
        if "error" in reply:
            raise ControlError(reply["error"])
        return reply["result"]


class Testbed:
    """An appliance's namespace, a namespace of clients, and `links` veth pairs between them."""

    __test__ = False  # not a class of tests

    def __init__(self, links=1, host=None):
        self.host = host or sandbox.enter()
        self.links, self.daemons = [], []
        with ExitStack() as made:  # all of it is taken back, whatever fails: the next testbed needs the names
            self.clients = Namespace("clients")
            made.callback(self.clients.delete)
            made.callback(self._delete_links)
            for number in range(1, links + 1):
                self.links.append(Link(number, self.host, self.clients))
            made.callback(self._discard_all)
            self._made = made.pop_all()

    def daemon(self, settings=None, ports=None, name=None):
        """A musterd on the testbed's links (or `ports`), not yet started."""
        musterd = Musterd(self.host, self.links if ports is None else ports, settings, name)
        self.daemons.append(musterd)
        return musterd

    def start(self, settings=None, **options):
        return self.daemon(settings, **options).start()

    @contextmanager
    def running(self, settings=None, **options):
        """A musterd for the length of a `with`, checked to end well."""
        musterd = self.start(settings, **options)
        try:
            yield musterd
            musterd.stop()
        finally:
            self.discard(musterd)

    def discard(self, musterd):
        self.daemons.remove(musterd)
        musterd.close()

    def tracker(self, link=0, client=0, family=4, address=None, port=PORT, source_port=0, **options):
        """The tracker as client number `client` of a link sees it; close it after use."""
        wire = self.links[link]
        with self.clients:
            return Tracker(address or wire.address(family), port,
                           source=(wire.client_address(client, family), source_port), **options)

    def answers(self, **where):
        """True when the tracker answers a connect request."""
        with self.tracker(**where, timeout=0.3, tries=2) as tracker:
            try:
                tracker.connect()
            except NoReply:
                return False
        return True

    def _discard_all(self):
        with ExitStack() as rest:
            for musterd in list(self.daemons):
                rest.callback(self.discard, musterd)

    def _delete_links(self):
        with ExitStack() as rest:
            for link in self.links:
                rest.callback(link.delete)

    def close(self):
        """Takes all of it back; what can't be is told in the end."""
        self._made.close()
