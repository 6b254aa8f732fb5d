/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists of info-hashes as text: 40 hexadecimal digits a line; blank lines and # comments are
 * skipped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ACCESS_HASH_SIZE = 20,
    ACCESS_ERRORS_SHOWN = 5, /* wrong lines that are told one by one; the others are counted */
};

struct access_hash {
    uint8_t bytes[ACCESS_HASH_SIZE];
};

/* As they stood in the list. */
struct access_hashes {
    struct access_hash *items;
    size_t count;
};

/* 40 hexadecimal digits. */
bool access_parse_hash(const char *digits, struct access_hash *hash);

/*
 * Reads a whole file. 0, or a negative errno with the wrong lines in `explanation` (`file:line:
 * ...`); *hashes is then empty.
 */
int access_parse_file(const char *path, struct access_hashes *hashes, char *explanation,
                      size_t size);

/* The same of text in memory, `name` being what it is called in errors. */
int access_parse_text(const char *text, size_t length, const char *name,
                      struct access_hashes *hashes, char *explanation, size_t size);

void access_hashes_free(struct access_hashes *hashes);
