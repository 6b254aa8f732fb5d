# SPDX-License-Identifier: BSD-3-Clause
"""Muster as it is installed, on a machine whose first process is systemd: what `meson install` brings, the host's
preparation, and the service from its start over reload and watchdog to its end."""

import json
import re

import pytest

import image
from appliance import METRICS_PORT, Appliance
from machine import CommandFailed
from sandbox import ROOT
from testbed import PORT, wait_until

NIC = "e1000e"
INTERFACE = "eth0"
CONFIG = "/etc/muster/muster.yaml"
MEMORY_MIB = 1280

# The watchdog must not take ten seconds here; a process that was stopped ignores SIGABRT.
DROP_IN = "[Service]\nWatchdogSec=4\nTimeoutAbortSec=1\n"
RESTART_SECONDS = 40


def fill(tree):
    image.fill_systemd(tree)
    image.fill_python(tree, ROOT / "tools" / "host")


class Service(Appliance):
    """The appliance as systemd runs it."""

    def __init__(self, machine):
        self.machine = machine
        machine.run("mkdir -p /etc/muster")
        self.configure({})

    def configure(self, settings):
        config = {
            "listen": [f"0.0.0.0:{PORT}", f"[::]:{PORT}"],
            "ports": [{"type": "af_xdp", "interface": INTERFACE}],
            "workers": {"cores": [1], "control_core": 0, "idle": "adaptive"},
            "memory": {"torrents": "20k", "peers": "100k"},
            "xdp": {"program": "/usr/local/lib/muster/steering.bpf.o"},
            "metrics": {"address": f"0.0.0.0:{METRICS_PORT}"},
            "store": {"type": "file"},
            "confine": {"user": "muster"},
        }
        self.machine.write(CONFIG, json.dumps({**config, **settings}))

    def ctl(self, command, seconds=60):
        return self.machine.run(f"systemctl {command}", seconds)

    def start(self, command="start muster"):
        try:
            self.ctl(command, 90)
        except CommandFailed:
            pytest.fail(self.journal())
        assert self.show("ActiveState") == "active", self.journal()

    def show(self, value, unit="muster"):
        return self.ctl(f"show --value -p {value} {unit}").strip()

    def journal(self, *options):
        return self.machine.run(f"journalctl --no-pager -o cat -u muster {' '.join(options)}")

    def host(self, action):
        """Findings of the installed muster-host that aren't right, and what it ran."""
        printed = self.machine.run(f"muster-host {action} -c {CONFIG} --json 2>/run/ran || true; echo; cat /run/ran", 90)
        assert printed.startswith("["), printed
        findings, _ = json.JSONDecoder().raw_decode(printed)
        commands = re.findall(r"^\+ (.*?)\r?$", printed, re.MULTILINE)
        return {finding["subject"]: finding for finding in findings if not finding["ok"]}, findings, commands


@pytest.fixture(scope="module")
def service(make_machine):
    machine = make_machine(NIC, fill_more=fill, memory=MEMORY_MIB, huge_pages=0, options="muster.systemd")
    service = Service(machine)
    wait_until(lambda: machine.run("systemctl is-active multi-user.target || true").strip() == "active", 60, every=0.5,
               what="systemd is up")
    return service


# The host

def test_host_is_prepared_by_what_check_prints(service):
    service.machine.run("umount /sys/fs/bpf; umount /dev/hugepages; ethtool -K eth0 rxvlan on; ip link set eth0 down")
    wrong, findings, _ = service.host("check")
    assert {"huge pages", "bpffs", "hugetlbfs", "user", INTERFACE} <= set(wrong)
    texts = " ".join(finding["text"] for finding in findings)
    assert "takes VLAN tags off" in texts and "link is down" in texts

    _, _, told = service.host("apply --dry-run")
    assert service.host("check")[0] == wrong, "a dry run changes nothing"
    wrong, findings, ran = service.host("apply")
    # A link that is set up brings interrupts, which are to be placed, too.
    assert ran[:len(told)] == told
    # A reboot and a time server are all that it can't do.
    assert set(wrong) <= {"isolation", "clock"}, wrong
    assert "rx-vlan-offload: off" in service.machine.run("ethtool -k eth0")
    assert "vm.nr_hugepages" in service.machine.run("cat /etc/sysctl.d/60-muster.conf")


def test_host_has_nothing_to_do_twice(service):
    assert service.host("apply")[2] == []


# The service

def test_starts_as_the_manual_says(service):
    service.machine.run("systemd-sysusers && systemd-tmpfiles --create muster.conf"
                        " && mkdir -p /run/systemd/system/muster.service.d", 60)
    service.machine.write("/run/systemd/system/muster.service.d/fast.conf", DROP_IN)
    service.configure_interface(INTERFACE)
    service.ctl("daemon-reload")
    service.start("enable --now muster-host muster")
    assert re.fullmatch(r"\d+ announces/s, \d+ peers, load \d+ %",
                        wait_until(lambda: service.show("StatusText").replace("ready", ""), 10))


def test_answers_while_it_is_confined(service, family, info_hash):
    for port in (1, 2):
        with service.tracker(port, family) as tracker:
            reply = tracker.announce(info_hash, port=2000 + port)
    assert len(reply.peers) == 1
    pid = service.show("MainPID")
    status = service.machine.run(f"cat /proc/{pid}/status")
    muster = service.machine.run("id -u muster").strip()
    assert re.search(rf"^Uid:\s+{muster}\s+{muster}", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s+2", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0000000000001000", status, re.MULTILINE)  # CAP_NET_ADMIN


def test_host_has_nothing_to_do_beside_a_running_daemon(service):
    assert service.host("apply")[2] == []


@pytest.mark.parametrize("command, allowed", [
    ("touch /var/lib/muster/x && rm /var/lib/muster/x", True),
    ("touch /run/muster/x && rm /run/muster/x", True),
    ("touch /etc/x", False),
    ("touch /usr/x", False),
    ("ls /root/. && touch /root/x", False),
    ("echo 0 >/sys/fs/cgroup/cgroup.subtree_control", False),
])
def test_writes_where_it_may_and_nowhere_else(service, command, allowed):
    """As root in the service's own mount namespace."""
    enter = f"nsenter -t {service.show('MainPID')} -m /bin/sh -c '{command}'"
    if allowed:
        service.machine.run(enter)
    else:
        with pytest.raises(CommandFailed):
            service.machine.run(enter)


def test_reload_waits_until_the_configuration_is_in_force(service, info_hash):
    service.configure({"tracker": {"interval": "10m", "interval_jitter": 0}})
    service.ctl("reload muster")
    with service.tracker() as tracker:
        assert tracker.announce(info_hash).interval == 600


def test_reload_of_a_wrong_file_fails_and_changes_nothing(service, info_hash):
    service.configure({"tracker": {"interval": "soon"}})
    with pytest.raises(CommandFailed):
        service.ctl("reload muster")
    assert "tracker.interval: expected a duration" in service.journal()
    assert service.show("ActiveState") == "active"
    with service.tracker() as tracker:
        assert tracker.announce(info_hash).interval == 600
    service.configure({})


def test_watchdog_restarts_a_daemon_that_hangs_and_swarms_outlive_it(service, info_hash):
    with service.tracker(1) as tracker:
        tracker.announce(info_hash)
    service.machine.run("musterctl snapshot && sleep 3")
    pid = service.show("MainPID")
    service.machine.run(f"kill -STOP {pid}")
    wait_until(lambda: service.show("NRestarts") == "1" and service.show("ActiveState") == "active", RESTART_SECONDS,
               every=0.5, what="the service is restarted")
    assert service.show("MainPID") != pid
    assert "Watchdog timeout" in service.journal()
    wait_until(lambda: "serving" in service.machine.run("musterctl store"), 10, every=0.5, what="the store is loaded")
    with service.tracker(2) as tracker:
        assert len(tracker.announce(info_hash, port=2222).peers) == 1


def test_stops_in_order_and_leaves_nothing(service):
    service.ctl("stop muster")
    assert service.show("Result") == "success"
    assert "stopped" in service.journal("-n 5")
    assert "xdp" not in service.machine.run("iproute2 link show eth0")
    assert service.machine.run("ls /sys/fs/bpf").strip() == ""
    assert "No such file" in service.machine.run("ls /run/muster 2>&1 || true")


def test_starts_where_nobody_made_its_folder(service):
    service.machine.run("rm -rf /var/lib/muster")
    service.configure({"confine": {"user": ""}})
    service.start()
    service.ctl("stop muster")


def test_wrong_configuration_is_not_tried_again(service):
    service.configure({"tracker": {"interval": "soon"}})
    with pytest.raises(CommandFailed):
        service.ctl("start muster")
    assert service.show("ExecMainStatus") == "2"
    assert service.show("ActiveState") == "failed"
