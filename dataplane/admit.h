/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may ask: bans, connection IDs, rate limits, the same as in XDP (bpf/cookie.h, bpf/limiter.h).
 * Silence is the only answer to a forged ID, for an answer could be aimed at somebody else.
 */
#pragma once

#include <stdbool.h>

#include "../bpf/cookie.h"
#include "ban_set.h"
#include "limiter.h"
#include "request.h"

/* The connection ID for the source of a request. */
uint64_t admit_issue(const struct cookie_state *cookies, const struct request *request);

/* True when the request's connection ID was issued to its source and is still honoured. */
bool admit_verify(const struct cookie_state *cookies, const struct request *request);

/*
 * Both for a burst: returns a word of which bit i is set when the announce or scrape requests[i] is
 * verified, and sets ids[i], of SWARMS_BURST_MAX, to what a connect requests[i] is to be issued.
 *
 * Eight IPv4 sources at a time, where the CPU has the registers: 17 instructions each instead of
 * 110.
 */
uint64_t admit_burst(const struct cookie_state *cookies, struct request *const requests[],
                     unsigned count, uint64_t ids[]);

/* `now` in nanoseconds, CLOCK_MONOTONIC's, here and below. */
bool admit_banned(const struct ban_set *bans, const struct request *request, uint64_t now);

/* Charges the source of a request; true when it is over its limit. */
bool admit_limited(struct limiter_line *lines, const struct limiter_config *config,
                   const struct request *request, uint64_t now);

/* Fetches what admit_limited() will touch. */
void admit_prefetch(const struct limiter_line *lines, const struct limiter_config *config,
                    const struct request *request);
