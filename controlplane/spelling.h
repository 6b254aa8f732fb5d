/* SPDX-License-Identifier: BSD-3-Clause */
/* "Did you mean": of the words that exist, the one nearest to the one that was typed. */
#pragma once

struct spelling {
    const char *word; /* that was typed; the rest starts as zero */
    const char *best; /* NULL: all are so far off that it would be a guess */
    unsigned edits;   /* that lead from one to the other */
};

/* Keeps `candidate` if it is nearer than those before. */
void spelling_try(struct spelling *spelling, const char *candidate);
