# SPDX-License-Identifier: BSD-3-Clause
"""tools/host on machines that are made of files: it finds what is wrong, and what mends it."""

import json
import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox import ROOT

CONFIG = """
ports:
  - {type: af_xdp, interface: nic0, queues: 2}
workers: {cores: [2, 3], control_core: 0, idle: poll}
memory: {torrents: 1M, peers: 4M}
confine: {user: muster}
"""
PCI_CONFIG = "ports: [{type: pci, address: '0000:03:00.0'}]\n"

HUGE = "sys/kernel/mm/hugepages/hugepages-2048kB"
CPU = "sys/devices/system/cpu"

# A machine on which all is well, but for its clock, which is the real one.
GOOD = {
    f"{HUGE}/free_hugepages": "1024",
    f"{HUGE}/nr_hugepages": "1024",
    "proc/self/mounts": "hugetlbfs /dev/hugepages hugetlbfs rw 0 0\nbpf /sys/fs/bpf bpf rw 0 0\n",
    "proc/sys/net/core/bpf_jit_enable": "1",
    f"{CPU}/online": "0-3",
    f"{CPU}/isolated": "2-3",
    f"{CPU}/cpu2/topology/thread_siblings_list": "2",
    f"{CPU}/cpu3/topology/thread_siblings_list": "3",
    f"{CPU}/cpu2/cpufreq/scaling_governor": "performance",
    f"{CPU}/cpu3/cpufreq/scaling_governor": "performance",
    "sys/class/net/nic0/operstate": "up",
    "sys/class/net/nic0/flags": "0x1003",
    "sys/class/net/nic0/mtu": "1500",
    "sys/class/net/nic0/queues/rx-0/rps_cpus": "0",
    "sys/class/net/nic0/queues/rx-1/rps_cpus": "0",
    "sys/class/net/nic0/napi_defer_hard_irqs": "2",
    "sys/class/net/nic0/gro_flush_timeout": "200000",
    "sys/class/net/nic0/device/numa_node": "0",
    "sys/devices/system/node/node0/cpulist": "0-3",
    "proc/interrupts": "  40:  1  2  PCI-MSI 1-edge  nic0-TxRx-0\n  41:  1  2  PCI-MSI 2-edge  nic0-TxRx-1\n"
                       "  42:  1  2  PCI-MSI 3-edge  nic01-TxRx-0\n",
    "proc/irq/40/smp_affinity_list": "2",
    "proc/irq/41/smp_affinity_list": "3",
    "proc/irq/42/smp_affinity_list": "0",
    "proc/77/status": "Name:\tbash\nHugetlbPages:\t    8192 kB",
    "proc/net/route": "Iface\tDestination\nwan0\t00000000\n",
    "etc/passwd": "root:x:0:0::/root:/bin/sh\nmuster:x:900:900::/var/lib/muster:/bin/false\n",
}


ETHTOOL = """#!/bin/sh
case $1 in
-k) printf 'Features for nic0:\\nrx-checksumming: on\\nrx-vlan-offload: {offload}\\n' ;;
-n) echo 'L4 bytes 0 & 1 [TCP/UDP src port]' ;;
esac
"""


@pytest.fixture
def host(tmp_path):
    """Makes a machine that differs from the good one, and returns what is wrong with it."""
    def look(changes=(), config=CONFIG, links=(), offload="off"):
        root = tmp_path / "root"
        for name, text in {**GOOD, **dict(changes)}.items():
            if text is None:
                continue
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n")
        for name, target in dict(links).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(target)
        (tmp_path / "muster.yaml").write_text(config)
        (tmp_path / "ethtool").write_text(ETHTOOL.format(offload=offload))
        (tmp_path / "ethtool").chmod(0o755)
        done = subprocess.run([ROOT / "tools" / "host", "check", "--json", "--root", root,
                               "-c", tmp_path / "muster.yaml"], capture_output=True, text=True,
                              env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
        assert done.stderr == ""
        wrong = [finding for finding in json.loads(done.stdout)
                 if not finding["ok"] and finding["subject"] != "clock"]
        assert all(finding["why"] and (finding["mend"] or finding["by_hand"]) for finding in wrong)
        return wrong
    return look


def test_finds_nothing_wrong_with_a_good_machine(host):
    assert host() == []


@pytest.mark.parametrize("changes, subject, mend", [
    ({f"{HUGE}/free_hugepages": "10"}, "huge pages", "sysctl -w vm.nr_hugepages=1"),
    ({f"{HUGE}/free_hugepages": "10", "proc/meminfo": "Hugepagesize:    1048576 kB"}, "huge pages",
     "/etc/tmpfiles.d/60-muster.conf"),
    ({"proc/self/mounts": "bpf /sys/fs/bpf bpf rw 0 0"}, "hugetlbfs", "mount -t hugetlbfs"),
    ({"proc/self/mounts": "h /dev/hugepages hugetlbfs rw 0 0"}, "bpffs", "mount -t bpf bpf /sys/fs/bpf"),
    ({"proc/sys/net/core/bpf_jit_enable": "0"}, "BPF compiler", "sysctl -w net.core.bpf_jit_enable=1"),
    ({f"{CPU}/online": "0-2"}, "cores", "change workers.cores"),
    ({f"{CPU}/cpu2/topology/thread_siblings_list": "2-3"}, "cores", "choose one thread of each core"),
    ({f"{CPU}/isolated": ""}, "isolation", "isolcpus=managed_irq,domain,2,3"),
    ({f"{CPU}/cpu3/cpufreq/scaling_governor": "powersave"}, "CPU governor",
     f"echo performance > /{CPU}/cpu3/cpufreq/scaling_governor"),
    ({"sys/class/net/nic0/operstate": "down", "sys/class/net/nic0/flags": "0x1002"}, "nic0", "ip link set nic0 up"),
    ({"sys/class/net/nic0/operstate": "down"}, "nic0", "look at the cable"),
    ({"sys/class/net/nic0/mtu": "9000"}, "nic0", "ip link set nic0 mtu 1500"),
    ({"sys/class/net/nic0/queues/rx-2/rps_cpus": "0"}, "nic0", "ethtool -L nic0 combined 2"),
    ({"sys/class/net/nic0/napi_defer_hard_irqs": "0"}, "nic0", "napi_defer_hard_irqs"),
    ({"proc/irq/41/smp_affinity_list": "0-3"}, "nic0", "echo 3 > /proc/irq/41/smp_affinity_list"),
    ({"sys/devices/system/node/node0/cpulist": "0-1"}, "nic0", "choose workers.cores among 0-1"),
    ({"etc/passwd": "root:x:0:0::/root:/bin/sh"}, "user", "useradd --system"),
    ({"etc/passwd": "root:x:0:0::/root:/bin/sh", "usr/local/lib/sysusers.d/muster.conf": "u muster"}, "user",
     "systemd-sysusers muster.conf"),
])
def test_finds_what_is_wrong(host, changes, subject, mend):
    wrong = host(changes)
    assert [finding["subject"] for finding in wrong] == [subject]
    assert mend in "\n".join(wrong[0]["mend"]) + wrong[0]["by_hand"]


@pytest.mark.parametrize("offload, mend, by_hand", [
    ("on", ["ethtool -K nic0 rxvlan off"], ""),
    ("on [fixed]", [], "untagged"),
], ids=["changeable", "fixed"])
def test_finds_a_nic_that_takes_vlan_tags_off(host, offload, mend, by_hand):
    wrong, = host(offload=offload)
    assert wrong["mend"] == mend
    assert by_hand in wrong["by_hand"]


def test_counts_the_huge_pages_that_a_running_musterd_has(host):
    def wanted(taken):
        """Pages that are to be made when 6 are free, and so many taken."""
        wrong = host({f"{HUGE}/free_hugepages": "6",
                      "proc/78/status": f"Name:\tmusterd\nHugetlbPages:\t  {taken * 2048} kB"})
        return int(wrong[0]["mend"][0].partition("=")[2]) if wrong else None

    without = wanted(0)
    assert wanted(50) == without - 50
    assert wanted(without - 1024) is None


def test_finds_a_missing_interface(host):
    wrong = host(config=CONFIG.replace("nic0", "nic9"))
    assert [finding["text"] for finding in wrong] == ["there is no such interface"]


def test_takes_a_pci_device_from_its_driver(host):
    device = "sys/bus/pci/devices/0000:03:00.0"
    wrong = host({f"{device}/vendor": "0x8086", f"{CPU}/isolated": "1",
                  "sys/kernel/iommu_groups/1/type": "DMA"},
                 PCI_CONFIG + "confine: {user: muster}\n", {f"{device}/driver": "/sys/bus/pci/drivers/ixgbe"})
    assert [finding["subject"] for finding in wrong] == ["0000:03:00.0"]
    assert f"echo 0000:03:00.0 > /{device}/driver/unbind" in wrong[0]["mend"]


def test_leaves_the_nic_of_the_default_route_alone(host):
    device = "sys/bus/pci/devices/0000:03:00.0"
    wrong = host({f"{device}/net/wan0/mtu": "1500", f"{CPU}/isolated": "1",
                  "sys/kernel/iommu_groups/1/type": "DMA"},
                 PCI_CONFIG + "confine: {user: muster}\n", {f"{device}/driver": "/sys/bus/pci/drivers/ixgbe"})
    assert wrong[0]["mend"] == []
    assert "cut you off" in wrong[0]["by_hand"]


def test_finds_the_iommu_off(host):
    device = "sys/bus/pci/devices/0000:03:00.0"
    wrong = host({f"{device}/vendor": "0x8086", f"{CPU}/isolated": "1"},
                 PCI_CONFIG + "confine: {user: muster}\n", {f"{device}/driver": "/sys/bus/pci/drivers/vfio-pci"})
    assert [finding["subject"] for finding in wrong] == ["IOMMU"]


def test_apply_goes_on_with_what_a_command_brings_to_light_and_repeats_none():
    """A link that was down has no interrupts to be placed; one command helps nothing, however often."""
    tool = runpy.run_path(str(ROOT / "tools" / "host"), run_name="tool")
    ran = []

    def examine(_host, _config):
        mend = ["useless"] + (["ip link set nic0 up"] if not ran else []) + (["place interrupts"] if ran else [])
        return [tool["Finding"]("nic0", "wrong", "why", [command]) for command in mend]

    apply = tool["apply"]
    apply.__globals__.update(examine=examine, run=ran.append, await_links=lambda _host, _config: None)
    apply(None, None)
    assert ran == ["useless", "ip link set nic0 up", "place interrupts"]


@pytest.mark.parametrize("text", ["ports: [", "- a list\n", "memory: 5\n"])
def test_refuses_a_configuration_that_is_none(tmp_path, text):
    (tmp_path / "muster.yaml").write_text(text)
    done = subprocess.run([ROOT / "tools" / "host", "check", "-c", tmp_path / "muster.yaml"],
                          capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("host: ")
    assert "Traceback" not in done.stderr


def test_looks_at_this_machine_without_privileges():
    # Where anybody may read them, wherever the tree is.
    folder = Path("/run/host-test")
    folder.mkdir()
    for file in (ROOT / "tools" / "host", ROOT / "configs" / "quickstart.yaml"):
        shutil.copy(file, folder)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", folder / "host",
                           "check", "-c", folder / "quickstart.yaml"], capture_output=True, text=True)
    shutil.rmtree(folder)
    assert done.returncode in (0, 1)
    assert done.stderr == ""
    assert "huge pages" in done.stdout
