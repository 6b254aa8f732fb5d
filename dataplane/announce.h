/* SPDX-License-Identifier: BSD-3-Clause */
/* Announces, between the packet and the tables. */
#pragma once

#include "dataplane.h"
#include "request.h"

/*
 * Fills request->announce from the packet: its hash too, and room for as many peers as client,
 * settings, MTU and frame allow. Returns NULL, or what is wrong with it, to tell the client.
 */
const char *announce_prepare(struct request *request, const struct dataplane_settings *settings,
                             const struct swarms_secret *secret);

/* Seconds until the client shall come again; `random` is any 32 bits. */
static inline uint32_t announce_interval(const struct dataplane_settings *settings, uint32_t random)
{
    uint32_t jitter = settings->interval_jitter;
    uint64_t span = 2 * (uint64_t)jitter + 1;

    if (settings->draining)
        return settings->interval + jitter;
    return settings->interval - jitter + (uint32_t)(span * random >> 32);
}
