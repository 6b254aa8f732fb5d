# SPDX-License-Identifier: BSD-3-Clause
"""`meson install` below a folder, leaving alone the log that `ninja uninstall` goes by."""

import subprocess
from pathlib import Path


def install_below(folder, build):
    """The finished process, with all that it printed."""
    log = Path(build) / "meson-logs" / "install-log.txt"
    before = log.read_bytes() if log.exists() else None
    try:
        return subprocess.run(["meson", "install", "-C", str(build), "--no-rebuild", "--destdir", str(folder)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    finally:
        log.unlink(missing_ok=True)
        if before is not None:
            log.write_bytes(before)
