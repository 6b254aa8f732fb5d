/* SPDX-License-Identifier: BSD-3-Clause */
/* index.html, as it stands in the binary. */
#pragma once

#include <stddef.h>

extern const char page_html[];
extern const size_t page_html_size; /* bytes */
