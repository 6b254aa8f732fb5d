/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of the drills' appliance. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance.h"

static const struct persistence_settings usual_settings = {
    .kind = PERSISTENCE_REDIS,
    .interval = 60,
    .refresh = 1800,
    .redis.expiry = 86400,
    .fleet.retention = 180,
};

static const struct swarms_timeouts usual_timeouts = {.peer = 4500, .torrent = 14400};

static void add_nodes(struct persistence_settings *settings, char *list)
{
    for (char *node = strtok(list, ","); node; node = strtok(NULL, ","))
        snprintf(settings->redis.nodes[settings->redis.nodes_count++], PERSISTENCE_NODE_SIZE, "%s",
                 node);
}

/* NOLINTNEXTLINE(readability-function-size): a case an option */
void appliance_options(struct appliance *appliance, int argc, char *argv[])
{
    enum { WORKERS, TORRENTS, PEERS, DIRECTORY, NODES, SINGLE, USER, PASSWORD, INTERVAL, REFRESH };
    enum { NUMBER = REFRESH + 1, FLEET, RETENTION, EXPIRY, CLOCK, TIMEOUT, SECRET };
    static const struct option known[] = {
        {"workers", 1, NULL, WORKERS},     {"torrents", 1, NULL, TORRENTS},
        {"peers", 1, NULL, PEERS},         {"directory", 1, NULL, DIRECTORY},
        {"nodes", 1, NULL, NODES},         {"single", 0, NULL, SINGLE},
        {"user", 1, NULL, USER},           {"password-file", 1, NULL, PASSWORD},
        {"interval", 1, NULL, INTERVAL},   {"refresh", 1, NULL, REFRESH},
        {"number", 1, NULL, NUMBER},       {"fleet", 0, NULL, FLEET},
        {"retention", 1, NULL, RETENTION}, {"expiry", 1, NULL, EXPIRY},
        {"clock", 1, NULL, CLOCK},         {"timeout", 1, NULL, TIMEOUT},
        {"secret", 1, NULL, SECRET},       {0},
    };
    struct persistence_settings *settings = &appliance->settings;
    struct tables_config *tables = &appliance->tables;
    uint64_t secret = 1;
    int option;

    *settings = usual_settings;
    tables->timeouts = usual_timeouts;
    tables->workers = 1;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case WORKERS:
            tables->workers = (unsigned)atoi(optarg);
            break;
        case TORRENTS:
            tables->torrents_max = (uint32_t)atoll(optarg);
            break;
        case PEERS:
            tables->peers_max = (uint64_t)atoll(optarg);
            break;
        case DIRECTORY:
            settings->kind = PERSISTENCE_FILE;
            snprintf(settings->directory, sizeof(settings->directory), "%s", optarg);
            break;
        case NODES:
            add_nodes(settings, optarg);
            break;
        case SINGLE:
            settings->redis.single = true;
            break;
        case USER:
            snprintf(settings->redis.user, sizeof(settings->redis.user), "%s", optarg);
            break;
        case PASSWORD:
            snprintf(settings->redis.password_file, sizeof(settings->redis.password_file), "%s",
                     optarg);
            break;
        case INTERVAL:
            settings->interval = (uint32_t)atoi(optarg);
            break;
        case REFRESH:
            settings->refresh = (uint32_t)atoi(optarg);
            break;
        case NUMBER:
            settings->fleet.number = (unsigned)atoi(optarg);
            break;
        case FLEET:
            settings->fleet.enabled = true;
            break;
        case RETENTION:
            settings->fleet.retention = (uint32_t)atoi(optarg);
            break;
        case EXPIRY:
            settings->redis.expiry = (uint32_t)atoi(optarg);
            break;
        case CLOCK:
            wall_clock_set(atoll(optarg));
            break;
        case TIMEOUT:
            tables->timeouts.peer = (uint32_t)atoi(optarg);
            break;
        case SECRET:
            secret = (uint64_t)atoll(optarg);
            break;
        default:
            exit(2);
        }
    }
    for (unsigned i = 0; i < sizeof(tables->secret); i++) {
        secret = secret * UINT64_C(6364136223846793005) + 1442695040888963407u;
        tables->secret.bytes[i] = (uint8_t)(secret >> 56);
    }
    if (!settings->fleet.enabled)
        tables->deltas = 0;
}
