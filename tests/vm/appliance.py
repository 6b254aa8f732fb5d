# SPDX-License-Identifier: BSD-3-Clause
"""musterd in a virtual machine, and its clients at the other end of the cable: this machine.

The appliance is 10.97.0.1 and fd96::1, the clients have 10.97.0.2 and fd96::2 and all the rest of these
networks.
"""

import json
import re
import urllib.request

from machine import PCI_ADDRESS, TAP, CommandFailed
from testbed import LABEL, PORT, SAMPLE, Sample, wait_until
from tracker_client import Tracker

ADDRESS = {4: "10.97.0.1", 6: "fd96::1"}
METRICS_PORT = 9969
EXCEPTION = "muster0"

DRIVER_FOLDER = f"/sys/bus/pci/devices/{PCI_ADDRESS}"

START_SECONDS = 30


def prepare_clients(namespace):
    """The clients' addresses at their end of the cable."""
    for index in range(2, 10):
        namespace.ip("address", "add", f"10.97.0.{index}/24", "dev", TAP)
        namespace.ip("address", "add", f"fd96::{index:x}/64", "dev", TAP, "nodad")


def client_address(index, family):
    return f"10.97.0.{2 + index}" if family == 4 else f"fd96::{2 + index:x}"


class Appliance:
    def __init__(self, machine, ports):
        self.machine = machine
        self.configure(ports)

    def configure(self, ports):
        """Writes its configuration; for the next start."""
        config = {
            "listen": [f"0.0.0.0:{PORT}", f"[::]:{PORT}"],
            "ports": ports,
            "workers": {"cores": [0, 1], "control_core": 0, "idle": "adaptive"},
            "memory": {"torrents": "20k", "peers": "100k"},
            "connection_id": {"key_file": "/var/lib/muster/connection-id.key"},
            "xdp": {"program": "/usr/lib/muster/steering.bpf.o"},
            "metrics": {"address": f"0.0.0.0:{METRICS_PORT}"},
            "log": {"target": "stderr"},
            "confine": {"user": "muster"},
        }
        self.machine.write("/etc/muster.yaml", json.dumps(config))

    # The process

    def start(self):
        # What is in the background may come to its redirections later than we to our first look: the log is
        # there, and empty, before.
        self.machine.run("rm -f /run/ended; : >/run/log;"
                         " { musterd -c /etc/muster.yaml; echo $? >/run/ended; } >>/run/log 2>&1 </dev/null &")
        wait_until(self._is_ready, START_SECONDS, every=0.3, what="musterd is ready")

    def _is_ready(self):
        if self._ended():
            raise AssertionError(f"musterd ended:\n{self.log()}")
        return "ready: " in self.log()

    def stop(self):
        """Asks it to end, and returns its exit code."""
        self.machine.run("kill -TERM $(pidof musterd)")
        return self.exit_code()

    def _ended(self):
        return self.machine.run("cat /run/ended 2>/dev/null || true").strip()

    def exit_code(self):
        """Waits until it has ended."""
        return int(wait_until(self._ended, 20, every=0.3, what="musterd ends"))

    def log(self):
        return self.machine.run("cat /run/log")

    def configure_interface(self, interface):
        """Gives the appliance its addresses."""
        self.machine.run(f"echo 0 >/proc/sys/net/ipv6/conf/{interface}/accept_dad; ip link set {interface} up"
                         f" && ip address add {ADDRESS[4]}/24 dev {interface}"
                         f" && ip address add {ADDRESS[6]}/64 dev {interface}")

    # What it tells

    def metrics(self):
        """Read from outside, over TCP: through whatever carries the kernel's packets."""
        with self.machine.namespace:
            with urllib.request.urlopen(f"http://{ADDRESS[4]}:{METRICS_PORT}/metrics", timeout=10) as reply:
                text = reply.read().decode()
        return [Sample(name, dict(LABEL.findall(labels)), float(value))
                for name, labels, value in SAMPLE.findall(text)]

    def page(self, path):
        """What it tells over HTTP, asked from within."""
        return self.machine.run(f"wget -q -O - http://127.0.0.1:{METRICS_PORT}{path}")

    def metric(self, name, **labels):
        found = [sample.value for sample in self.metrics()
                 if sample.name == name and labels.items() <= sample.labels.items()]
        assert found, f"no metric {name} {labels or ''}"
        return sum(found)

    # The NIC

    def is_plugged_in(self):
        return self.machine.run(f"[ -e {DRIVER_FOLDER} ] && echo yes || echo no").strip() == "yes"

    def driver(self):
        """The kernel driver that has the NIC."""
        return self.machine.run(f"readlink {DRIVER_FOLDER}/driver").strip().rpartition("/")[2]

    def interface(self):
        """The NIC's interface, as long as the kernel has it."""
        try:
            return re.sub(r"\s", "", self.machine.run(f"ls -d {DRIVER_FOLDER}/net/* {DRIVER_FOLDER}/virtio*/net/*"
                                                      " 2>/dev/null | head -n 1")).rpartition("/")[2]
        except CommandFailed:
            return ""

    def bind(self, driver):
        """Takes the NIC from its driver and gives it to `driver`; None: whatever kernel driver fits."""
        self.machine.run(f"echo {driver or ''} >{DRIVER_FOLDER}/driver_override")
        self.unbind()
        self.machine.run(f"echo {PCI_ADDRESS} >/sys/bus/pci/drivers_probe")

    def unbind(self):
        """Takes the NIC from its driver; waits until whoever uses it through vfio-pci gives it back."""
        self.machine.run(f"[ ! -e {DRIVER_FOLDER}/driver ] || echo {PCI_ADDRESS} >{DRIVER_FOLDER}/driver/unbind")

    # Its clients

    def tracker(self, client=0, family=4, **options):
        with self.machine.namespace:
            return Tracker(ADDRESS[family], PORT, source=(client_address(client, family), 0), timeout=2.0,
                           **options)

    def ping(self, family, count=3):
        self.machine.namespace.run("ping", "-c", count, "-i", 0.2, "-W", 5, ADDRESS[family])

    def is_reached(self, family):
        """True when it answers a ping."""
        try:
            self.ping(family, count=1)
        except RuntimeError:
            return False
        return True
