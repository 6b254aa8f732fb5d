/* SPDX-License-Identifier: BSD-3-Clause */
/* Small files that are always whole: a reader, and whoever comes after a crash, sees the old
 * content or the new. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/*
 * Writes a new file beside `path`, and renames it when it is on the disk. 0, or a negative errno;
 * then the old file is still there.
 */
int replace_file(const char *path, const void *content, size_t size, mode_t mode);
