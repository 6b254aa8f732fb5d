/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scrapes visit the owners of their info-hashes in turn. Each owner puts its rows where their
 * info-hashes were; the last one packs them into the reply.
 */
#pragma once

#include "request.h"

/* Fills request->scrape. Returns NULL, or what is wrong with it, to tell the client. */
const char *scrape_prepare(struct request *request, const struct swarms_secret *secret,
                           unsigned workers);

/*
 * Fills in the rows that `worker` owns. A request that has none of another's left has become a
 * reply; the others want to go on to scrape_next().
 */
void scrape_visit(struct request *const requests[], unsigned count, struct swarms *swarms,
                  const struct swarms_secret *secret, unsigned worker, unsigned workers);

/* The owner to visit: `worker` itself if it has rows to fill, else any that has. */
unsigned scrape_next(const struct request *request, unsigned worker);
