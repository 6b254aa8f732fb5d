/* SPDX-License-Identifier: BSD-3-Clause */
#include "redis_cluster.h"

#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis_command.h"
#include "redis_resolver.h"
#include "redis_routing.h"

enum {
    TICK_MS = 25,   /* resolution of deadlines and backoffs */
    NOBODY_MS = 25, /* until a command is tried again for which there was no node */
    PARK_MS = 100,  /* a node that rests for longer may be replaced meanwhile: look again */
    CONNECT_MS = 1000,
    REPLY_MS = 2000,
    COMMANDS_MAX = 1024,
    BYTES_MAX = 64 << 20,
};

struct redis_cluster {
    struct redis_cluster_config config;
    struct redis_routing routing;
    struct redis_commands parked; /* until they may be tried again */
    struct event *tick;
    bool closing;
    unsigned under_way;
    size_t under_way_bytes;
    struct redis_cluster_info info; /* the counters in it */
};

static void finish(struct redis_cluster *cluster, struct redis_command *command,
                   enum redis_outcome outcome, const redisReply *reply)
{
    cluster->under_way--;
    cluster->under_way_bytes -= command->size;
    cluster->info.expired += outcome == REDIS_EXPIRED;
    redis_command_finish(command, outcome, command->error, reply);
}

static void park(struct redis_cluster *cluster, struct redis_command *command, uint32_t ms)
{
    command->not_before = monotonic_ms() + ms;
    TAILQ_INSERT_TAIL(&cluster->parked, command, link);
}

/* Sending -------------------------------------------------------------------------------------- */

/* A node is under repair, or nobody serves the slot. */
static void postpone(struct redis_cluster *cluster, struct redis_command *command,
                     struct redis_node *node)
{
    uint32_t rest = node ? redis_node_rest(node) : NOBODY_MS;

    redis_routing_doubt(&cluster->routing);
    if (node)
        command->error = redis_node_last_error(node);
    else if (cluster->routing.known)
        command->error = REDIS_ERROR_clusterdown;
    else
        command->error = REDIS_ERROR_connect;
    if (command->wait || redis_routing_hopes(&cluster->routing))
        park(cluster, command, rest < PARK_MS ? rest : PARK_MS);
    else
        finish(cluster, command, REDIS_UNREACHABLE, NULL);
}

static void expire(struct redis_cluster *cluster, struct redis_command *command)
{
    if (command->error == REDIS_ERROR_none)
        command->error = REDIS_ERROR_timeout;
    finish(cluster, command, REDIS_EXPIRED, NULL);
}

static void route(struct redis_cluster *cluster, struct redis_command *command)
{
    struct redis_node *node = redis_routing_node(&cluster->routing, command->slot);

    if (cluster->closing)
        finish(cluster, command, REDIS_CANCELLED, NULL);
    else if (monotonic_ms() >= command->deadline)
        expire(cluster, command);
    else if (!node || !redis_node_usable(node))
        postpone(cluster, command, node);
    else
        redis_node_send(node, command);
}

/* A key on its way from one node to another is found at the new one, once, by saying ASKING before.
 */
static void send_asking(struct redis_cluster *cluster, struct redis_command *command,
                        const struct redis_address *to)
{
    static const char *const argv[] = {"ASKING"};
    static const size_t sizes[] = {6};
    struct redis_node *node = redis_routing_find(&cluster->routing, to);
    struct redis_command *asking = NULL;

    if (node && redis_node_usable(node))
        asking = redis_command_new(1, argv, sizes);
    if (!asking) {
        postpone(cluster, command, node);
        return;
    }
    asking->internal = true;
    redis_node_send(node, asking);
    /* That may have failed at once; then the command must not go there without it. */
    if (redis_node_usable(node))
        redis_node_send(node, command);
    else
        postpone(cluster, command, node);
}

/* Receiving ------------------------------------------------------------------------------------ */

/* Follows MOVED or ASK. A chain of them can't go on for ever: from the second on, with a backoff.
 */
static void redirect(struct redis_cluster *cluster, struct redis_node *node,
                     struct redis_command *command, const redisReply *reply)
{
    struct redis_address to;
    unsigned slot;

    cluster->info.redirects++;
    if (redis_redirect_parse(reply->str, reply->len, redis_node_address(node), &slot, &to)) {
        redis_node_count_error(node, REDIS_ERROR_protocol, reply->str);
        command->error = REDIS_ERROR_protocol;
    } else if (command->error == REDIS_ERROR_ask) {
        if (command->attempts == 1) {
            send_asking(cluster, command, &to);
            return;
        }
        command->attempts = 0;
    } else {
        redis_routing_move(&cluster->routing, slot, &to);
    }
    if (command->attempts == 1 && command->error == REDIS_ERROR_moved)
        route(cluster, command);
    else
        park(cluster, command, redis_error_backoff(command->error, command->attempts + 1));
}

static void on_reply(void *context, struct redis_node *node, struct redis_command *command,
                     redisReply *reply)
{
    struct redis_cluster *cluster = context;
    unsigned flags;

    if (reply->type != REDIS_REPLY_ERROR) {
        command->error = REDIS_ERROR_none;
        finish(cluster, command, REDIS_ANSWERED, reply);
        return;
    }
    command->error = redis_error_parse(reply->str, reply->len);
    flags = redis_error_flags(command->error);
    if (flags & REDIS_REFRESH)
        redis_routing_doubt(&cluster->routing);
    if (!(flags & REDIS_RETRY)) {
        finish(cluster, command, REDIS_REFUSED, reply);
        return;
    }
    cluster->info.retries++;
    command->attempts++;
    if (command->error == REDIS_ERROR_moved || command->error == REDIS_ERROR_ask)
        redirect(cluster, node, command, reply);
    else
        park(cluster, command, redis_error_backoff(command->error, command->attempts));
}

static void on_down(void *context, struct redis_node *node, struct redis_commands *orphans)
{
    struct redis_cluster *cluster = context;
    struct redis_command *command;

    redis_routing_doubt(&cluster->routing);
    while ((command = TAILQ_FIRST(orphans)) != NULL) {
        TAILQ_REMOVE(orphans, command, link);
        cluster->info.retries++;
        command->attempts++;
        command->repeated = true;
        route(cluster, command);
    }
}

/* Doubts and notes ----------------------------------------------------------------------------- */

static void on_moved(void *context, unsigned first, unsigned last)
{
    struct redis_cluster *cluster = context;

    cluster->info.doubts++;
    if (cluster->config.on_doubt)
        cluster->config.on_doubt(cluster->config.user_data, first, last);
}

static void on_restart(void *context, struct redis_node *node)
{
    struct redis_cluster *cluster = context;

    redis_routing_slots_of(&cluster->routing, node, on_moved, cluster);
}

static void on_note(void *context, struct redis_node *node, const char *text)
{
    struct redis_cluster *cluster = context;
    const struct redis_address *address = redis_node_address(node);
    char line[REDIS_HOST_SIZE + 160];

    if (!cluster->config.on_note || cluster->closing)
        return;
    snprintf(line, sizeof(line), "redis %s:%u: %s", address->host, address->port, text);
    cluster->config.on_note(cluster->config.user_data, line);
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
    struct redis_cluster *cluster = user;
    struct redis_commands parked = TAILQ_HEAD_INITIALIZER(parked);
    struct redis_command *command;
    uint64_t now = monotonic_ms();

    redis_routing_tick(&cluster->routing);
    TAILQ_CONCAT(&parked, &cluster->parked, link);
    while ((command = TAILQ_FIRST(&parked)) != NULL) {
        TAILQ_REMOVE(&parked, command, link);
        if (now >= command->not_before || now >= command->deadline)
            route(cluster, command);
        else
            TAILQ_INSERT_TAIL(&cluster->parked, command, link);
    }
}

/* Face ----------------------------------------------------------------------------------------- */

/* A copy, or NULL for "" and NULL. */
static char *copy_text(const char *text, bool *failed)
{
    char *copy = text && text[0] ? strdup(text) : NULL;

    *failed |= text && text[0] && !copy;
    return copy;
}

static int start(struct redis_cluster *cluster, struct event_base *base)
{
    const struct redis_cluster_config *config = &cluster->config;
    const struct timeval interval = {.tv_usec = TICK_MS * 1000};
    bool failed = false;

    cluster->routing.node_config = (struct redis_node_config){
        .base = base,
        .user = copy_text(config->user, &failed),
        .password = copy_text(config->password, &failed),
        .connect_ms = config->connect_ms ? config->connect_ms : CONNECT_MS,
        .reply_ms = config->reply_ms ? config->reply_ms : REPLY_MS,
        .resolver = redis_resolver_new(),
        .errors = cluster->info.errors,
        .context = cluster,
        .on_reply = on_reply,
        .on_down = on_down,
        .on_restart = on_restart,
        .on_note = on_note,
    };
    cluster->routing.context = cluster;
    cluster->routing.on_moved = on_moved;
    cluster->routing.known = config->single;
    if (failed || !cluster->routing.node_config.resolver ||
        redis_routing_init(&cluster->routing, config->seeds, config->seeds_count, config->single))
        return -ENOMEM;
    cluster->tick = event_new(base, -1, EV_PERSIST, on_tick, cluster);
    if (!cluster->tick || event_add(cluster->tick, &interval))
        return -ENOMEM;
    event_active(cluster->tick, EV_TIMEOUT, 0);
    return 0;
}

struct redis_cluster *redis_cluster_new(struct event_base *base,
                                        const struct redis_cluster_config *config)
{
    struct redis_cluster *cluster;

    if (config->seeds_count < 1 || config->seeds_count > REDIS_NODES_MAX / 2)
        return NULL;
    cluster = calloc(1, sizeof(*cluster));
    if (!cluster)
        return NULL;
    cluster->config = *config;
    if (!cluster->config.commands_max)
        cluster->config.commands_max = COMMANDS_MAX;
    if (!cluster->config.bytes_max)
        cluster->config.bytes_max = BYTES_MAX;
    TAILQ_INIT(&cluster->parked);
    if (start(cluster, base)) {
        redis_cluster_free(cluster);
        return NULL;
    }
    return cluster;
}

void redis_cluster_free(struct redis_cluster *cluster)
{
    struct redis_command *command;

    if (!cluster)
        return;
    cluster->closing = true;
    redis_routing_free(&cluster->routing);
    while ((command = TAILQ_FIRST(&cluster->parked)) != NULL) {
        TAILQ_REMOVE(&cluster->parked, command, link);
        finish(cluster, command, REDIS_CANCELLED, NULL);
    }
    if (cluster->tick)
        event_free(cluster->tick);
    redis_resolver_free(cluster->routing.node_config.resolver);
    free(cluster->routing.node_config.user);
    if (cluster->routing.node_config.password)
        explicit_bzero(cluster->routing.node_config.password,
                       strlen(cluster->routing.node_config.password));
    free(cluster->routing.node_config.password);
    free(cluster);
}

int redis_cluster_submit(struct redis_cluster *cluster, const struct redis_request *request)
{
    struct redis_command *command;

    if (cluster->closing || redis_cluster_room(cluster) == 0)
        return -EAGAIN;
    command = redis_command_new(request->argc, request->argv, request->sizes);
    if (!command)
        return -ENOMEM;
    command->slot = (int)redis_key_slot(request->argv[request->key], request->sizes[request->key]);
    command->wait = request->wait;
    command->deadline = monotonic_ms() + request->timeout_ms;
    command->done = request->done;
    command->user = request->user;
    cluster->under_way++;
    cluster->under_way_bytes += command->size;

    /* What can't be sent at once is parked, so that `done` is always called from the event loop. */
    if (redis_routing_node(&cluster->routing, command->slot) &&
        redis_node_well(redis_routing_node(&cluster->routing, command->slot)))
        route(cluster, command);
    else
        park(cluster, command, 0);
    return 0;
}

unsigned redis_cluster_room(const struct redis_cluster *cluster)
{
    if (cluster->under_way >= cluster->config.commands_max ||
        cluster->under_way_bytes >= cluster->config.bytes_max)
        return 0;
    return cluster->config.commands_max - cluster->under_way;
}

void redis_cluster_info(const struct redis_cluster *cluster, struct redis_cluster_info *info)
{
    const struct redis_routing *routing = &cluster->routing;

    *info = cluster->info;
    info->under_way = cluster->under_way;
    info->under_way_bytes = cluster->under_way_bytes;
    info->refreshes = routing->refreshes;
    info->refreshes_failed = routing->refreshes_failed;
    info->map_age_ms = monotonic_ms() - routing->read_at;
    for (unsigned i = 0; i < REDIS_NODES_MAX; i++) {
        if (!routing->nodes[i])
            continue;
        info->nodes++;
        info->slots_served += routing->slots[i];
        if (!redis_node_failing(routing->nodes[i]))
            info->slots_reachable += routing->slots[i];
    }
}

bool redis_cluster_node_info(const struct redis_cluster *cluster, unsigned index,
                             struct redis_node_info *info)
{
    for (unsigned i = 0; i < REDIS_NODES_MAX; i++) {
        if (!cluster->routing.nodes[i] || index-- > 0)
            continue;
        redis_node_info(cluster->routing.nodes[i], info);
        info->slots = cluster->routing.slots[i];
        return true;
    }
    return false;
}
