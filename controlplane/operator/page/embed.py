#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Turns a file into C: embed.py INPUT OUTPUT NAME."""

import sys

source, output, name = sys.argv[1:]
with open(source, "rb") as file:
    data = file.read()
with open(output, "w") as out:
    out.write('#include "controlplane/operator/page/page.h"\n\n')
    out.write(f"const size_t {name}_size = {len(data)};\n")
    out.write(f"const char {name}[] = {{\n")
    for start in range(0, len(data), 16):
        row = (str(b - (b & 128) * 2) for b in data[start : start + 16])
        out.write("    " + ", ".join(row) + ",\n")
    out.write("};\n")
