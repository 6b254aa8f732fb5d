# SPDX-License-Identifier: BSD-3-Clause
"""The virtual machine's kernel and its file system: Debian's kernel package as it is, and an initramfs with
musterd as it was built, the libraries that it needs, DPDK's drivers and busybox.

As a program, it downloads the kernel into build/vm/ (tools/setup does so: the sandbox has no network).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from installing import install_below

BUILD = Path(os.environ.get("MUSTER_BUILD", Path(__file__).resolve().parents[2] / "build"))

CACHE = BUILD / "vm"
KERNEL_METAPACKAGE = "linux-image-amd64"

# What the guest loads; their dependencies come along.
MODULES = ["virtio_pci", "virtio_net", "e1000e", "vmxnet3", "vfio-pci", "vfio_iommu_type1", "tun"]

LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
DPDK_DRIVERS = LIBRARIES / "dpdk" / "pmds-23.0"
DPDK_WANTED = ["bus_pci", "bus_vdev", "mempool_ring", "net_virtio", "net_e1000", "net_vmxnet3", "net_tap",
               "net_af_xdp"]

# Debian's folders of old are links.
MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64", "var/run": "../run"}


class Unavailable(Exception):
    """What the virtual machine is made of can't be had here."""


def output(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **options).stdout


# Kernel -------------------------------------------------------------------------------------------


def kernel_package():
    """The name of the newest kernel's package, with its version in it."""
    try:
        depends = output("apt-cache", "depends", KERNEL_METAPACKAGE, text=True)
    except (OSError, subprocess.CalledProcessError):
        depends = ""
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if not found:
        raise Unavailable(f"apt knows no {KERNEL_METAPACKAGE} (apt-get update)")
    return found.group(1)


def unpack(archive, folder):
    """Of a kernel's package what is needed here: the kernel and its modules."""
    members = output("dpkg-deb", "--fsys-tarfile", archive)
    subprocess.run(["tar", "--extract", f"--directory={folder}", "--wildcards", "./boot/vmlinuz-*",
                    "./lib/modules/*/kernel/drivers/net", "./lib/modules/*/kernel/drivers/vfio",
                    "./lib/modules/*/kernel/drivers/virtio", "./lib/modules/*/kernel/net/core",
                    "./lib/modules/*/kernel/drivers/ptp", "./lib/modules/*/kernel/drivers/pps",
                    "./lib/modules/*/kernel/virt", "./lib/modules/*/modules.*"],
                   input=members, check=True)


def kernel():
    """The folder of the unpacked kernel."""
    kept = sorted(CACHE.glob("linux-image-*"))
    if not kept:
        raise Unavailable("no kernel was downloaded (tools/setup)")
    return kept[-1]


def download_kernel():
    CACHE.mkdir(exist_ok=True)
    package = kernel_package()
    if (CACHE / package).exists():
        return
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        try:
            output("apt-get", "download", package, cwd=folder)
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"{package} can't be downloaded: {error.stderr.decode()}") from None
        unpacked = Path(folder) / package
        unpacked.mkdir()
        unpack(next(Path(folder).glob("*.deb")), unpacked)
        version = next((unpacked / "lib/modules").iterdir()).name
        output("/sbin/depmod", "-b", unpacked, version)
        unpacked.rename(CACHE / package)


# File system --------------------------------------------------------------------------------------


class Tree:
    """A file system in a folder, filled with files from this machine at the same places."""

    def __init__(self, root):
        self.root = root
        for folder in ("dev", "proc", "sys", "run", "tmp", "etc", "root", "var/lib", "usr/bin", "usr/sbin", "usr/lib",
                       "usr/lib64"):
            (root / folder).mkdir(parents=True)
        for link, target in MERGED.items():
            (root / link).symlink_to(target)

    def place(self, path):
        """Where a file of this machine lies in the tree, behind the links of its folders."""
        inside = self.root / Path(os.path.realpath(Path(path).parent)).relative_to("/") / Path(path).name
        inside.parent.mkdir(parents=True, exist_ok=True)
        return inside

    def copy(self, path):
        """A file and the links that lead to it: DPDK would load a driver twice that has two files."""
        path = Path(path)
        inside = self.place(path)
        if inside.exists() or inside.is_symlink():
            return
        if path.is_symlink():
            target = os.readlink(path)
            inside.symlink_to(target)
            self.copy(os.path.join(os.path.realpath(path.parent), target))
        else:
            shutil.copy(path, inside)

    def replace_program(self, path):
        """A program in place of busybox's link."""
        self.place(path).unlink(missing_ok=True)
        self.copy_program(path)

    def copy_program(self, path, place=None):
        """A program or library, and the libraries that it needs."""
        if place:
            (self.root / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, self.root / place)
        else:
            self.copy(path)
        for library in re.findall(r"(/\S+) \(0x", output("ldd", path, text=True)):
            self.copy(library)


def fill_modules(tree, kernel_folder):
    """The wanted modules, and what they depend on, as modules.dep tells it."""
    source = next((kernel_folder / "lib/modules").iterdir())
    target = tree.root / "lib/modules" / source.name
    depends = dict(line.split(":") for line in (source / "modules.dep").read_text().splitlines())
    names = {Path(path).stem.replace("_", "-"): path for path in depends}
    for module in MODULES:
        path = names[module.replace("_", "-")]
        for file in [path, *depends[path].split()]:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / file, target / file)
    for index in source.glob("modules.*"):
        shutil.copy(index, target)


def fill_programs(tree):
    tree.copy_program(BUILD / "controlplane" / "musterd", "usr/sbin/musterd")
    musterctl = BUILD / "tools" / "musterctl" / "musterctl"
    if musterctl.exists():
        tree.copy_program(musterctl, "usr/bin/musterctl")
    for name in DPDK_WANTED:
        for link in DPDK_DRIVERS.glob(f"librte_{name}.so*"):
            tree.copy_program(link)
        for link in LIBRARIES.glob(f"librte_{name}.so*"):
            tree.copy(link)
    for program in (LIBRARIES / "bpf").glob("*.o"):
        tree.copy(program)
    steering = tree.root / "usr/lib/muster/steering.bpf.o"
    steering.parent.mkdir()
    shutil.copy(BUILD / "bpf" / "steering.bpf.o", steering)
    tree.copy_program("/sbin/ethtool")
    tree.copy_program("/bin/ip", "usr/sbin/iproute2")  # beside busybox's ip, which knows nothing of XDP


def fill_busybox(tree):
    busybox = shutil.which("busybox")
    if not busybox or subprocess.run(["ldd", busybox], capture_output=True).returncode == 0:
        raise Unavailable("no static busybox (busybox-static)")
    shutil.copy(busybox, tree.root / "bin/busybox")
    for applet in output(busybox, "--list", text=True).split():
        link = tree.root / "bin" / applet
        if not link.exists():
            link.symlink_to("busybox")


# What systemd needs to run a service; the rest of Debian's units would only take time.
SYSTEMD = Path("/usr/lib/systemd")
SYSTEMD_PROGRAMS = ["/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd-journald",
                    "/usr/lib/systemd/systemd-cgroups-agent", "/usr/bin/systemctl", "/usr/bin/journalctl",
                    "/usr/bin/systemd-sysusers", "/usr/bin/systemd-tmpfiles", "/usr/bin/systemd-analyze",
                    "/bin/mount", "/bin/umount"]
SYSTEMD_WANTS = {"sockets.target": ["systemd-journald.socket", "systemd-journald-dev-log.socket"],
                 "sysinit.target": ["systemd-journald.service", "dev-hugepages.mount"]}


def fill_systemd(tree):
    """systemd as the first process, the journal, and Muster as `meson install` installs it."""
    for program in SYSTEMD_PROGRAMS:
        if not os.path.exists(program):
            raise Unavailable(f"no {program} (systemd)")
        tree.replace_program(program)
    units = tree.root / "usr/lib/systemd/system"
    units.mkdir(parents=True, exist_ok=True)
    for unit in (SYSTEMD / "system").iterdir():
        if unit.is_file() and not unit.is_symlink():
            shutil.copy(unit, units)
    for target, wanted in SYSTEMD_WANTS.items():
        (units / f"{target}.wants").mkdir()
        for name in wanted:
            (units / f"{target}.wants" / name).symlink_to(f"../{name}")
    install_below(tree.root, BUILD).check_returncode()
    tree.copy("/etc/os-release")
    (tree.root / "etc/machine-id").touch()
    (tree.root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")  # systemd-sysusers makes the other
    (tree.root / "etc/group").write_text("root:x:0:\n")
    shutil.copy(HERE / "init-systemd", tree.root / "init-systemd")


def fill_python(tree, script):
    """Python, and the modules that a program imports."""
    python = os.path.realpath("/usr/bin/python3")
    tree.copy_program(python)
    tree.copy("/usr/bin/python3")
    (tree.root / "usr/lib/python3.11/lib-dynload").mkdir(parents=True)
    listing = (f"import runpy, sys; runpy.run_path({str(script)!r}, run_name='imported'); "
               "print(*(module.__file__ for module in list(sys.modules.values())"
               " if getattr(module, '__file__', None)), sep='\\n')")
    for module in output(python, "-c", listing, text=True).split():
        if module.startswith("/") and module.endswith(".so"):
            tree.copy_program(module)
        elif module.startswith("/"):
            tree.copy(module)


def build_initramfs(kernel_folder, into, fill_more=None):
    """Writes the archive that the kernel unpacks into its first file system."""
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        tree = Tree(Path(folder))
        fill_busybox(tree)
        fill_programs(tree)
        fill_modules(tree, kernel_folder)
        (tree.root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nmuster:x:999:999::/:/bin/false\n")
        (tree.root / "etc/group").write_text("root:x:0:\nmuster:x:999:\n")
        if fill_more:
            fill_more(tree)
        shutil.copy(HERE / "init", tree.root / "init")
        names = "\n".join(str(path.relative_to(folder)) for path in sorted(tree.root.rglob("*")))
        with open(into, "wb") as archive:
            subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], cwd=folder, input=names.encode(),
                           stdout=archive, stderr=subprocess.DEVNULL, check=True)
    return into


def main():
    try:
        download_kernel()
    except (Unavailable, OSError, subprocess.CalledProcessError) as error:
        print(f"no kernel for virtual machines: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
