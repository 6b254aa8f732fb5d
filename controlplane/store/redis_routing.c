/* SPDX-License-Identifier: BSD-3-Clause */
#include "redis_routing.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

enum {
    REFRESH_MS = 5000, /* while all is well: longer, and a quiet failover is noticed later */
    URGENT_MS = 250,   /* while an owner is down: longer adds to the outage that clients see */
};

int redis_routing_init(struct redis_routing *routing, const struct redis_address *seeds,
                       unsigned count, bool single)
{
    routing->single = single;
    routing->seeds = single ? 1 : count;
    for (unsigned slot = 0; slot < REDIS_SLOTS; slot++)
        routing->owner[slot] = single ? 0 : REDIS_NO_NODE;
    routing->slots[0] = single ? REDIS_SLOTS : 0;
    routing->nodes_end = routing->seeds;
    for (unsigned i = 0; i < routing->seeds; i++) {
        routing->nodes[i] = redis_node_new(&routing->node_config, &seeds[i]);
        if (!routing->nodes[i])
            return -ENOMEM;
    }
    return 0;
}

void redis_routing_free(struct redis_routing *routing)
{
    for (unsigned i = 0; i < routing->nodes_end; i++) {
        if (routing->nodes[i])
            redis_node_free(routing->nodes[i]);
        routing->nodes[i] = NULL;
    }
}

/* Nodes ---------------------------------------------------------------------------------------- */

static struct redis_node *any_node(struct redis_routing *routing)
{
    struct redis_node *usable = NULL;

    for (unsigned i = 0; i < routing->nodes_end; i++) {
        if (routing->nodes[i] && redis_node_well(routing->nodes[i]))
            return routing->nodes[i];
        if (routing->nodes[i] && redis_node_usable(routing->nodes[i]))
            usable = routing->nodes[i];
    }
    return usable;
}

struct redis_node *redis_routing_node(struct redis_routing *routing, int slot)
{
    if (slot < 0)
        return any_node(routing);
    return routing->owner[slot] == REDIS_NO_NODE ? NULL : routing->nodes[routing->owner[slot]];
}

static unsigned find_index(struct redis_routing *routing, const struct redis_address *address)
{
    unsigned free_index = routing->nodes_end;

    for (unsigned i = 0; i < routing->nodes_end; i++) {
        if (routing->nodes[i] &&
            redis_address_equal(redis_node_address(routing->nodes[i]), address))
            return i;
        if (!routing->nodes[i] && free_index == routing->nodes_end)
            free_index = i;
    }
    if (free_index == REDIS_NODES_MAX)
        return REDIS_NO_NODE;
    if (free_index == routing->nodes_end)
        routing->nodes_end++;
    routing->nodes[free_index] = redis_node_new(&routing->node_config, address);
    routing->listed[free_index] = false;
    routing->slots[free_index] = 0;
    return routing->nodes[free_index] ? free_index : REDIS_NO_NODE;
}

struct redis_node *redis_routing_find(struct redis_routing *routing,
                                      const struct redis_address *address)
{
    unsigned index = find_index(routing, address);

    return index == REDIS_NO_NODE ? NULL : routing->nodes[index];
}

/* Nodes that have left the cluster are forgotten once nothing is under way with them. */
static void forget_strangers(struct redis_routing *routing)
{
    for (unsigned i = routing->seeds; i < routing->nodes_end; i++) {
        struct redis_node *node = routing->nodes[i];

        if (!node || routing->listed[i] || routing->slots[i] > 0 || redis_node_depth(node) > 0)
            continue;
        routing->nodes[i] = NULL;
        redis_node_free(node);
    }
}

/* Slots ---------------------------------------------------------------------------------------- */

static void set_owner(struct redis_routing *routing, unsigned slot, uint16_t owner)
{
    if (routing->owner[slot] != REDIS_NO_NODE)
        routing->slots[routing->owner[slot]]--;
    if (owner != REDIS_NO_NODE)
        routing->slots[owner]++;
    routing->owner[slot] = owner;
}

void redis_routing_move(struct redis_routing *routing, unsigned slot,
                        const struct redis_address *to)
{
    unsigned index;

    redis_routing_doubt(routing);
    index = find_index(routing, to);
    if (routing->single || index == REDIS_NO_NODE || routing->owner[slot] == index)
        return;
    set_owner(routing, slot, (uint16_t)index);
    routing->on_moved(routing->context, slot, slot);
}

/* Takes over the owner of every slot; tells of runs that changed hands. */
static void take_owners(struct redis_routing *routing, const struct redis_slot_map *map,
                        const uint16_t *indices)
{
    unsigned first = 0;
    bool changing = false;

    for (unsigned slot = 0; slot <= REDIS_SLOTS; slot++) {
        uint16_t owner = REDIS_NO_NODE;
        bool changes;

        if (slot < REDIS_SLOTS && map->owner[slot] != REDIS_NO_NODE)
            owner = indices[map->owner[slot]];
        changes = slot < REDIS_SLOTS && owner != REDIS_NO_NODE && routing->owner[slot] != owner;
        if (changes && !changing)
            first = slot;
        if (changing && !changes && routing->known)
            routing->on_moved(routing->context, first, slot - 1);
        changing = changes;
        if (slot < REDIS_SLOTS)
            set_owner(routing, slot, owner);
    }
}

static void take_map(struct redis_routing *routing, const struct redis_slot_map *map)
{
    uint16_t indices[REDIS_NODES_MAX];

    memset(routing->listed, 0, sizeof(routing->listed));
    for (unsigned i = 0; i < map->nodes_count; i++) {
        indices[i] = (uint16_t)find_index(routing, &map->nodes[i]);
        if (indices[i] != REDIS_NO_NODE)
            routing->listed[indices[i]] = true;
    }
    take_owners(routing, map, indices);
    routing->known = true;
    routing->urgent = false;
    routing->read_at = monotonic_ms();
}

void redis_routing_slots_of(const struct redis_routing *routing, const struct redis_node *node,
                            void (*each)(void *context, unsigned first, unsigned last),
                            void *context)
{
    for (unsigned slot = 0, first; slot < REDIS_SLOTS; slot++) {
        uint16_t owner = routing->owner[slot];

        if (owner == REDIS_NO_NODE || routing->nodes[owner] != node)
            continue;
        first = slot;
        while (slot + 1 < REDIS_SLOTS && routing->owner[slot + 1] == owner)
            slot++;
        each(context, first, slot);
    }
}

/* Refreshing ----------------------------------------------------------------------------------- */

bool redis_routing_hopes(const struct redis_routing *routing)
{
    for (unsigned i = 0; !routing->known && i < routing->nodes_end; i++) {
        if (routing->nodes[i] && !redis_node_failing(routing->nodes[i]))
            return true;
    }
    return false;
}

void redis_routing_doubt(struct redis_routing *routing)
{
    routing->urgent = true;
}

static void on_slots(void *user, const struct redis_result *result)
{
    struct redis_refresh *refresh = user;
    struct redis_routing *routing = refresh->routing;
    struct redis_node *asked = routing->nodes[refresh - routing->refresh];
    struct redis_slot_map *map = NULL;
    int error = -EIO;

    refresh->under_way = false;
    if (result->outcome == REDIS_ANSWERED && (map = malloc(sizeof(*map))) != NULL)
        error = redis_slot_map_parse(map, result->reply, redis_node_address(asked));
    if (error == 0) {
        routing->refreshes++;
        take_map(routing, map);
    } else {
        routing->refreshes_failed++;
        routing->urgent = true;
    }
    free(map);
}

/* The next node to ask, after the one that was asked last: first among those that answer promptly.
 */
static unsigned whom_to_ask(const struct redis_routing *routing)
{
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 1; i <= routing->nodes_end; i++) {
            unsigned index = (routing->asked + i) % routing->nodes_end;
            const struct redis_node *node = routing->nodes[index];

            if (node && !routing->refresh[index].under_way &&
                (pass == 0 ? redis_node_well(node) : redis_node_usable(node)))
                return index;
        }
    }
    return REDIS_NO_NODE;
}

static void ask(struct redis_routing *routing)
{
    static const char *const argv[] = {"CLUSTER", "SLOTS"};
    static const size_t sizes[] = {7, 5};
    unsigned index = whom_to_ask(routing);
    struct redis_command *command;

    if (index == REDIS_NO_NODE)
        return;
    command = redis_command_new(2, argv, sizes);
    if (!command)
        return;
    command->internal = true;
    command->done = on_slots;
    command->user = &routing->refresh[index];
    routing->asked = index;
    routing->refresh[index] = (struct redis_refresh){routing, true};
    redis_node_send(routing->nodes[index], command);
}

void redis_routing_tick(struct redis_routing *routing)
{
    uint64_t now = monotonic_ms();

    for (unsigned i = 0; i < routing->nodes_end; i++) {
        struct redis_node *node = routing->nodes[i];

        if (!node)
            continue;
        redis_node_tick(node);
        if (routing->slots[i] > 0) {
            redis_node_connect(node);
            routing->urgent |= !routing->single && redis_node_failing(node);
        }
    }
    forget_strangers(routing);
    if (routing->single)
        return;
    if (now - routing->asked_at >= (routing->urgent || !routing->known ? URGENT_MS : REFRESH_MS)) {
        routing->asked_at = now;
        ask(routing);
    }
}
