# SPDX-License-Identifier: BSD-3-Clause
"""musterctl, run against an appliance under test."""

import json
import os
import subprocess
from collections import namedtuple

from sandbox import BUILD

MUSTERCTL = BUILD / "tools" / "musterctl" / "musterctl"

OK, REFUSED, USAGE, UNREACHABLE = range(4)

Done = namedtuple("Done", "status output errors")


def musterctl(musterd, *words, input=None, user=None):
    """Runs it; `musterd` is a Musterd, or the path of a socket."""
    path = getattr(musterd, "control_socket", musterd)
    # setpriv becomes the user only as it starts the program, so that the tree may lie anywhere.
    become = ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups"] if user else []
    done = subprocess.run([*become, str(MUSTERCTL), "--socket", str(path), *map(str, words)],
                          input=input, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "HOME": "/nonexistent"})
    return Done(done.returncode, done.stdout, done.stderr)


def musterctl_json(musterd, *words):
    """The result of a command that succeeds."""
    done = musterctl(musterd, "--json", *words)
    assert done.status == OK, done
    return json.loads(done.output)
