/* SPDX-License-Identifier: BSD-3-Clause */
#include "spelling.h"

#include <string.h>

enum {
    WORD_MAX = 64,
    EDITS_MAX = 3, /* further off it is a guess, not a typing error */
};

/* Letters to change, add or leave out. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[WORD_MAX + 1];
    size_t length = strlen(b);

    if (length > WORD_MAX)
        return WORD_MAX;
    for (unsigned j = 0; j <= length; j++)
        row[j] = j;
    for (unsigned i = 1; *a; a++, i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= length; j++) {
            unsigned replaced = diagonal + (*a != b[j - 1]);
            unsigned shifted = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = replaced < shifted ? replaced : shifted;
        }
    }
    return row[length];
}

void spelling_try(struct spelling *spelling, const char *candidate)
{
    unsigned edits = distance(spelling->word, candidate);

    /* Nothing of a short word may be left as it was: "x" isn't "log". */
    if (edits > EDITS_MAX || edits >= strlen(candidate) || edits >= strlen(spelling->word))
        return;
    if (spelling->best && edits >= spelling->edits)
        return;
    spelling->best = candidate;
    spelling->edits = edits;
}
