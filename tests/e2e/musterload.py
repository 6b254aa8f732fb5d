# SPDX-License-Identifier: BSD-3-Clause
"""musterload for tests: small workloads, on the second core if there is one."""

import json
import os
import subprocess
from contextlib import contextmanager

import sandbox
from sandbox import BUILD

MUSTERLOAD = BUILD / "tools" / "musterload" / "musterload"
CORE = os.cpu_count() - 1
UNLIMITED = {"limits": {key: 0 for key in ("connect_address", "connect_network", "request_address",
                                           "request_network")}}


def memif_settings(socket):
    """A musterd that musterload reaches at `memif:SOCKET`, and nobody else does."""
    return {"ports": [{"type": "memif", "socket": str(socket), "role": "server"}], **UNLIMITED}


def command(port, workload, options):
    return [str(word) for word in (MUSTERLOAD, workload, "--torrents", 2000, "--peers", 4000, "--core", CORE,
                                   "--port", port, *options)]


@contextmanager
def running(port, workload="tiny", options=()):
    """musterload for as long as a `with` lasts."""
    process = subprocess.Popen(command(port, workload, ("--seconds", 60, *options)), text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=sandbox.die_with_parent)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(namespace, port, workload, *options):
    """Exit code and report of a whole run."""
    done = subprocess.run(namespace.command(*command(port, workload, ("--json", *options))), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)
