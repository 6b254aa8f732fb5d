/* SPDX-License-Identifier: BSD-3-Clause */
/* Announces, between the packet and the tables. */
#pragma once

#include "request.h"

struct dataplane_settings;

/*
 * Fills request->announce from the packet: its hash too, and room for as many peers as client,
 * settings, MTU and frame allow. Returns NULL, or what is wrong with it, to tell the client.
 */
const char *announce_prepare(struct request *request, const struct dataplane_settings *settings,
                             const struct swarms_secret *secret);

/* Seconds until the client shall come again; `random` is any 32 bits. */
uint32_t announce_interval(const struct dataplane_settings *settings, uint32_t random);
