/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bans, kept over a restart: a text file, a ban a line: a prefix, and the Unix second at which it
 * ends, or "forever". # begins a comment.
 */
#pragma once

#include <stddef.h>
#include <time.h>

#include "bans.h"

/* The file beside the keys: <folder of key_file>/bans. */
void ban_file_path(const char *key_file, char *path, size_t size);

/*
 * Adds what the file says and hasn't ended by `now`. 0, also without a file, or a negative errno
 * with one line of explanation in `error`.
 */
int ban_file_read(const char *path, time_t now, struct bans *bans, char *error, size_t error_size);

/* 0 or a negative errno. */
int ban_file_write(const char *path, time_t now, const struct bans *bans);
