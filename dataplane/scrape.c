/* SPDX-License-Identifier: BSD-3-Clause */
#include "scrape.h"

#include <endian.h>
#include <string.h>

#include "dataplane.h"
#include "handoff.h"
#include "reply.h"

_Static_assert(DATAPLANE_WORKERS_MAX <= 64, "owners fit a word");
_Static_assert(BEP15_SCRAPE_HASHES_MAX <= 128, "pending rows fit two words");
_Static_assert(sizeof(struct bep15_scrape_row) <= BEP15_INFO_HASH_SIZE,
               "a row fits a hash's place");

/* Rows of several requests on their way through the tables. */
struct batch {
    unsigned count;
    struct swarms_scrape rows[SWARMS_BURST_MAX];
    uint8_t *places[SWARMS_BURST_MAX];
};

static unsigned rows_of(const struct request *request)
{
    return (request->payload_length - (unsigned)sizeof(struct bep15_request)) /
           BEP15_INFO_HASH_SIZE;
}

/* Where row i's info-hash is, and then the row. */
static uint8_t *place_of(const struct request *request, unsigned row)
{
    return request_payload(request) + sizeof(struct bep15_request) + row * BEP15_INFO_HASH_SIZE;
}

const char *scrape_prepare(struct request *request, const struct swarms_secret *secret,
                           unsigned workers)
{
    struct request_scrape *scrape = &request->scrape;
    unsigned rows = rows_of(request);

    if (rows > BEP15_SCRAPE_HASHES_MAX)
        return "more than 74 info-hashes";
    *scrape = (struct request_scrape){.owners = 0};
    for (unsigned row = 0; row < rows; row++) {
        scrape->pending[row / 64] |= UINT64_C(1) << row % 64;
        scrape->owners |= UINT64_C(1)
                          << handoff_owner(swarms_hash(secret, place_of(request, row)), workers);
    }
    return NULL;
}

static void batch_run(struct batch *batch, struct swarms *swarms)
{
    struct swarms_scrape *rows[SWARMS_BURST_MAX];

    for (unsigned i = 0; i < batch->count; i++)
        rows[i] = &batch->rows[i];
    swarms_scrape(swarms, rows, batch->count);
    for (unsigned i = 0; i < batch->count; i++) {
        struct bep15_scrape_row row = {
            .seeders = htobe32(rows[i]->seeders),
            .completed = htobe32(rows[i]->completed),
            .leechers = htobe32(rows[i]->leechers),
        };

        memcpy(batch->places[i], &row, sizeof(row));
    }
    batch->count = 0;
}

static void batch_add(struct batch *batch, uint64_t hash, uint8_t family, uint8_t *place,
                      struct swarms *swarms)
{
    struct swarms_scrape *row = &batch->rows[batch->count];

    *row = (struct swarms_scrape){.hash = hash, .info_hash = place, .family = family};
    batch->places[batch->count] = place;
    if (++batch->count == SWARMS_BURST_MAX)
        batch_run(batch, swarms);
}

static void visit_rows(struct batch *batch, struct request *request, struct swarms *swarms,
                       const struct swarms_secret *secret, unsigned worker, unsigned workers)
{
    for (unsigned word = 0; word < 2; word++) {
        uint64_t *pending = &request->scrape.pending[word];

        for (uint64_t left = *pending; left != 0; left &= left - 1) {
            unsigned bit = (unsigned)__builtin_ctzll(left);
            uint8_t *place = place_of(request, word * 64 + bit);
            uint64_t hash = swarms_hash(secret, place);

            if (handoff_owner(hash, workers) != worker)
                continue;
            *pending &= ~(UINT64_C(1) << bit);
            batch_add(batch, hash, request->family, place, swarms);
        }
    }
    request->scrape.owners &= ~(UINT64_C(1) << worker);
}

void scrape_visit(struct request *const requests[], unsigned count, struct swarms *swarms,
                  const struct swarms_secret *secret, unsigned worker, unsigned workers)
{
    struct batch batch;

    batch.count = 0;
    for (unsigned i = 0; i < count; i++)
        visit_rows(&batch, requests[i], swarms, secret, worker, workers);
    if (batch.count > 0)
        batch_run(&batch, swarms);
    for (unsigned i = 0; i < count; i++)
        if (requests[i]->scrape.owners == 0)
            reply_scrape(requests[i], rows_of(requests[i]));
}

unsigned scrape_next(const struct request *request, unsigned worker)
{
    uint64_t owners = request->scrape.owners;

    return owners >> worker & 1 ? worker : (unsigned)__builtin_ctzll(owners);
}
