# SPDX-License-Identifier: BSD-3-Clause
"""The measurements of tools/bench-store, one a file."""
