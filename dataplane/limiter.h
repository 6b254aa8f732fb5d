/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rate limits of a worker, for ports without XDP in front: bpf/limiter.h over a table in the
 * worker's own memory (LIMITER_TABLE_SIZE, 4 MiB; what it holds and what collisions cost is said
 * there).
 *
 * Workers share nothing, so a source whose packets reach several queues has its limit on each of
 * them. RSS keeps a client's socket on one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/limiter.h"

#define LIMITER_TABLE_SIZE ((size_t)LIMITER_LINES * sizeof(struct limiter_line))

/*
 * True when a request may pass: both prefixes of the source are then charged, else none. `lines` is
 * LIMITER_TABLE_SIZE bytes, zeroed, 64-byte aligned. `source` is the IPv4 address, or the first
 * half of the IPv6 address, as loaded from the packet. `now`: nanoseconds of a clock that never
 * runs backwards.
 *
 * Does not look at config->dry_run: the caller counts, and lets pass.
 */
bool limiter_admit_ipv4(struct limiter_line *lines, const struct limiter_config *config,
                        enum limiter_class kind, uint32_t source, uint64_t now);
bool limiter_admit_ipv6(struct limiter_line *lines, const struct limiter_config *config,
                        enum limiter_class kind, uint64_t source, uint64_t now);

/* Fetches what the next call will touch; as `source` above. */
void limiter_prefetch_ipv4(const struct limiter_line *lines, const struct limiter_config *config,
                           enum limiter_class kind, uint32_t source);
void limiter_prefetch_ipv6(const struct limiter_line *lines, const struct limiter_config *config,
                           enum limiter_class kind, uint64_t source);
