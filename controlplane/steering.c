/* SPDX-License-Identifier: BSD-3-Clause */
#include "steering.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../bpf/steering_maps.h"
#include "steering_pins.h"
#include "steering_program.h"

struct interface {
    char name[sizeof(((struct dataplane_port_config *)NULL)->device)];
    struct steering_attachment attachment; /* none until opened */
};

struct steering {
    enum steering_mode mode;
    int lock;
    struct bpf_object *tried; /* until opened */

    unsigned interfaces_count;
    struct interface interfaces[DATAPLANE_PORTS_MAX];
    unsigned listen_count;
    struct dataplane_address listen[DATAPLANE_LISTEN_MAX];

    int slot, counters, bans_ipv4, bans_ipv6; /* maps; -1 until opened */
    int configs[2];                           /* inner maps; one of them is in the slot */
    unsigned spare;                           /* the one that isn't */
    struct steering_config config, published; /* what is to be, and what the slot has */
};

/* Before the ports ----------------------------------------------------------------------------- */

static struct steering *steering_create(const struct dataplane_config *config,
                                        enum steering_mode mode)
{
    struct steering *steering = calloc(1, sizeof(*steering));

    if (!steering)
        return NULL;
    steering->mode = mode;
    steering->lock = steering->slot = steering->counters = -1;
    steering->bans_ipv4 = steering->bans_ipv6 = steering->configs[0] = steering->configs[1] = -1;
    steering->listen_count = config->listen_count;
    memcpy(steering->listen, config->listen, sizeof(steering->listen));
    for (unsigned i = 0; i < config->ports_count; i++) {
        struct interface *interface = &steering->interfaces[steering->interfaces_count];

        if (config->ports[i].kind != DATAPLANE_AF_XDP)
            continue;
        memcpy(interface->name, config->ports[i].device, sizeof(interface->name));
        interface->attachment.mode = "none";
        steering->interfaces_count++;
    }
    return steering;
}

int steering_prepare(const struct dataplane_config *config, const char *program,
                     enum steering_mode mode, struct steering **out, char *error)
{
    struct steering *steering = steering_create(config, mode);
    int result;

    *out = NULL;
    if (!steering) {
        snprintf(error, STEERING_ERROR_SIZE, "no memory");
        return -ENOMEM;
    }
    if (steering->interfaces_count == 0) {
        free(steering);
        return 0;
    }
    result = steering->lock = steering_pins_lock(error);
    if (result >= 0)
        result = steering_pins_remove(error);
    if (result == 0)
        result = steering_program_try(program, &steering->tried, error);
    for (unsigned i = 0; result == 0 && i < steering->interfaces_count; i++)
        result = steering_program_clear(steering->interfaces[i].name, error);
    if (result != 0) {
        steering_close(steering);
        return result;
    }
    *out = steering;
    return 0;
}

void steering_explain(struct steering *steering, char *error)
{
    char words[STEERING_ERROR_SIZE];

    for (unsigned i = 0; i < steering->interfaces_count; i++) {
        size_t used = strlen(error);

        if (steering_program_attach(steering->interfaces[i].name, steering->tried, steering->mode,
                                    words) != 0)
            snprintf(error + used, STEERING_ERROR_SIZE - used, "%s%s", used ? "; " : "", words);
    }
}

/* Once they run -------------------------------------------------------------------------------- */

static int open_map(int *fd, const char *name, unsigned value_size, char *error)
{
    *fd = steering_pins_open(name, value_size, error);
    return *fd < 0 ? *fd : 0;
}

static int open_maps(struct steering *steering, char *error)
{
    const unsigned counters = sizeof(struct steering_counters), ban = sizeof(struct steering_ban);
    int result = open_map(&steering->slot, STEERING_MAP_NAME(config), sizeof(uint32_t), error);

    if (result == 0)
        result = open_map(&steering->counters, STEERING_MAP_NAME(counters), counters, error);
    if (result == 0)
        result = open_map(&steering->bans_ipv4, STEERING_MAP_NAME(bans_ipv4), ban, error);
    if (result == 0)
        result = open_map(&steering->bans_ipv6, STEERING_MAP_NAME(bans_ipv6), ban, error);
    for (unsigned i = 0; result == 0 && i < 2; i++) {
        steering->configs[i] = bpf_map_create(BPF_MAP_TYPE_ARRAY, "muster_config", sizeof(uint32_t),
                                              sizeof(struct steering_config), 1, NULL);
        if (steering->configs[i] < 0) {
            result = steering->configs[i];
            snprintf(error, STEERING_ERROR_SIZE, "can't make a BPF map: %s", strerror(-result));
        }
    }
    return result;
}

int steering_open(struct steering *steering, uid_t owner, char *error)
{
    int result = 0;

    for (unsigned i = 0; result == 0 && i < steering->interfaces_count; i++) {
        struct interface *interface = &steering->interfaces[i];

        result =
            steering_program_settle(interface->name, steering->mode, &interface->attachment, error);
    }
    if (result == 0)
        result = open_maps(steering, error);
    if (result == 0)
        result = steering_pins_give(owner, error);
    bpf_object__close(steering->tried);
    steering->tried = NULL;
    return result;
}

const char *steering_mode_of(const struct steering *steering, const char *name)
{
    for (unsigned i = 0; steering && i < steering->interfaces_count; i++)
        if (strcmp(steering->interfaces[i].name, name) == 0)
            return steering->interfaces[i].attachment.mode;
    return "none";
}

static void fill_listen(struct steering_config *config, const struct dataplane_address *listen,
                        unsigned count)
{
    config->listen_ipv4_count = config->listen_ipv6_count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (listen[i].family == 4) {
            struct steering_listen_ipv4 *to = &config->listen_ipv4[config->listen_ipv4_count++];

            memcpy(&to->address, listen[i].bytes, sizeof(to->address));
            to->port = htons(listen[i].port);
        } else {
            struct steering_listen_ipv6 *to = &config->listen_ipv6[config->listen_ipv6_count++];

            memcpy(&to->high, listen[i].bytes, sizeof(to->high));
            memcpy(&to->low, listen[i].bytes + sizeof(to->high), sizeof(to->low));
            to->port = htons(listen[i].port);
        }
    }
}

_Static_assert((unsigned)DATAPLANE_LISTEN_MAX <= STEERING_LISTEN_MAX, "all of one family must fit");

/*
 * Fills the spare map and swaps it in; when the kernel returns, nobody reads the other any more. It
 * waits for that some milliseconds, so nothing is published twice.
 */
static int publish(struct steering *steering)
{
    const uint32_t zero = 0;
    int spare = steering->configs[steering->spare];
    int result;

    if (memcmp(&steering->config, &steering->published, sizeof(steering->config)) == 0)
        return 0;
    result = bpf_map_update_elem(spare, &zero, &steering->config, BPF_ANY);
    if (result == 0)
        result = bpf_map_update_elem(steering->slot, &zero, &spare, BPF_ANY);
    if (result != 0)
        return result;
    steering->published = steering->config;
    steering->spare ^= 1;
    return 0;
}

int steering_configure(struct steering *steering, const struct dataplane_settings *settings,
                       bool answer_connect)
{
    struct steering_config *config = &steering->config;

    config->cookies = settings->cookies;
    config->limiter = settings->limiter;
    config->answer_connect = answer_connect;
    fill_listen(config, steering->listen, steering->listen_count);
    return publish(steering);
}

/* Bans ----------------------------------------------------------------------------------------- */

/* The key of a prefix, and the map and the count of its family. */
struct ban_place {
    union {
        struct steering_ban_ipv4 ipv4;
        struct steering_ban_ipv6 ipv6;
    } key;
    int map;
    uint32_t *count;
};

static struct ban_place ban_place(struct steering *steering, const struct ban *ban)
{
    struct ban_place place = {.map = steering->bans_ipv6, .count = &steering->config.bans_ipv6};

    if (ban->family == 4) {
        place.map = steering->bans_ipv4;
        place.count = &steering->config.bans_ipv4;
        place.key.ipv4.prefix_length = ban->length;
        memcpy(place.key.ipv4.address, ban->bytes, sizeof(place.key.ipv4.address));
    } else {
        place.key.ipv6.prefix_length = ban->length;
        memcpy(place.key.ipv6.address, ban->bytes, sizeof(place.key.ipv6.address));
    }
    return place;
}

int steering_ban_add(struct steering *steering, const struct ban *ban)
{
    const struct steering_ban value = {.until = ban->until};
    struct ban_place place = ban_place(steering, ban);
    int result = bpf_map_update_elem(place.map, &place.key, &value, BPF_NOEXIST);

    if (result == -EEXIST)
        return bpf_map_update_elem(place.map, &place.key, &value, BPF_ANY);
    if (result != 0)
        return result;
    return ++*place.count == 1 ? publish(steering) : 0;
}

int steering_ban_delete(struct steering *steering, const struct ban *ban)
{
    struct ban_place place = ban_place(steering, ban);
    int result = bpf_map_delete_elem(place.map, &place.key);

    if (result != 0)
        return result;
    return --*place.count == 0 ? publish(steering) : 0;
}

/* Observation, and the end --------------------------------------------------------------------- */

int steering_counters(const struct steering *steering, uint64_t counts[STEERING_COUNTERS])
{
    int cpus = libbpf_num_possible_cpus();
    const uint32_t zero = 0;
    struct steering_counters *each;
    int result;

    memset(counts, 0, STEERING_COUNTERS * sizeof(counts[0]));
    if (cpus < 0)
        return cpus;
    each = calloc((size_t)cpus, sizeof(*each));
    if (!each)
        return -ENOMEM;
    result = bpf_map_lookup_elem(steering->counters, &zero, each);
    for (int cpu = 0; result == 0 && cpu < cpus; cpu++)
        for (unsigned i = 0; i < STEERING_COUNTERS; i++)
            counts[i] += each[cpu].counts[i];
    free(each);
    return result;
}

static void close_maps(struct steering *steering)
{
    const int maps[] = {steering->slot,      steering->counters,   steering->bans_ipv4,
                        steering->bans_ipv6, steering->configs[0], steering->configs[1]};
    const uint32_t zero = 0;

    if (steering->slot >= 0)
        bpf_map_delete_elem(steering->slot, &zero);
    for (unsigned i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
        if (maps[i] >= 0)
            close(maps[i]);
}

void steering_close(struct steering *steering)
{
    if (!steering)
        return;
    close_maps(steering);
    bpf_object__close(steering->tried);
    if (steering->lock >= 0) {
        for (unsigned i = 0; i < steering->interfaces_count; i++)
            steering_program_detach(steering->interfaces[i].name,
                                    &steering->interfaces[i].attachment);
        steering_pins_unlock(steering->lock);
    }
    free(steering);
}
