/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From info-hashes to records, over a whole burst at a time: each stage touches one more cache line
 * of every announce, and asks for the next one, so that the misses of a burst overlap.
 */
#include "stages.h"

void swarms_expect(const struct swarms *swarms, uint64_t hash)
{
    uint32_t bucket = index_bucket_of(&swarms->index, hash);

    __builtin_prefetch(&swarms->index.buckets[bucket < swarms->index.buckets_count ? bucket : 0]);
}

static void stage_record(const struct swarms *swarms, struct swarms_announce *a, uint64_t *random)
{
    a->random = random_next(random);
    a->line =
        index_guess(&swarms->index, index_bucket_of(&swarms->index, a->hash), a->hash, a->family);
    __builtin_prefetch(table_record(swarms, a->line), 1);
}

/* No branch on family or form: what nobody can foresee chooses an address instead. */
static void stage_sort(const struct swarms *swarms, struct swarms_announce *a,
                       struct table_burst *burst)
{
    const struct record *record = table_record(swarms, a->line);
    unsigned *count;

    if (a->line != 0 && !index_is(record, a->family, a->info_hash)) {
        a->line = table_find(swarms, a->hash, a->family, a->info_hash);
        record = table_record(swarms, a->line);
    }
    a->position = -1;
    a->started = false;
    count = &burst->counts[a->family][record->form]; /* line 0 is RECORD_FREE */
    burst->announces[a->family][record->form][(*count)++] = a;
}

SAMPLE_INLINE void stage_list(const struct swarms *swarms, struct table_burst *burst,
                              enum record_form form, unsigned family)
{
    for (unsigned i = 0; i < burst->counts[family][form]; i++)
        stage_own(swarms, burst->announces[family][form][i], form, family);
}

void table_sort(struct swarms *swarms, struct swarms_announce *const announces[], unsigned count,
                struct table_burst *burst)
{
    uint64_t random = swarms->random; /* in a register: each waits for the one before */

    burst->removals = swarms->removals;
    memset(burst->counts, 0, sizeof(burst->counts));
    for (unsigned i = 0; i < count; i++)
        stage_record(swarms, announces[i], &random);
    swarms->random = random;
    for (unsigned i = 0; i < count; i++)
        stage_sort(swarms, announces[i], burst);
    stage_list(swarms, burst, RECORD_BLOCK, SWARMS_IPV4);
    stage_list(swarms, burst, RECORD_DIRECTORY, SWARMS_IPV4);
    stage_list(swarms, burst, RECORD_BLOCK, SWARMS_IPV6);
    stage_list(swarms, burst, RECORD_DIRECTORY, SWARMS_IPV6);
}
