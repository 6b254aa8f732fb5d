/* SPDX-License-Identifier: BSD-3-Clause */
/* What the configuration says of what outlives the process. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum persistence_kind { PERSISTENCE_NONE, PERSISTENCE_FILE, PERSISTENCE_REDIS };

enum { PERSISTENCE_NODES_MAX = 16, PERSISTENCE_NODE_SIZE = 128 };

/* What the configuration says; no pointers, so that it may be copied. */
struct persistence_settings {
    enum persistence_kind kind;
    char directory[256]; /* of PERSISTENCE_FILE */
    uint32_t interval;   /* seconds, within which a change is stored */
    uint32_t refresh;    /* seconds, within which every chunk is written, changed or not */

    struct {
        unsigned nodes_count;
        char nodes[PERSISTENCE_NODES_MAX][PERSISTENCE_NODE_SIZE]; /* host:port */
        bool single;                                              /* a server, not a cluster */
        char user[64];                                            /* "": the default user */
        char password_file[256];                                  /* "": none */
        uint32_t expiry; /* seconds that Redis keeps what isn't written anew */
    } redis;

    struct {
        bool enabled; /* needs PERSISTENCE_REDIS */
        unsigned
            number;    /* of this appliance, 0 to 63; its snapshots bear it, also without a fleet */
        char name[32]; /* "": the host's */
        uint32_t retention; /* seconds that streams hold deltas */
    } fleet;
};
