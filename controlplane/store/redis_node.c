/* SPDX-License-Identifier: BSD-3-Clause */
#include "redis_node.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis_info.h"
#include "redis_pipeline.h"
#include "redis_resolver.h"

enum {
    INFO_EVERY_MS = 2000, /* longer: restarts and lag are seen later; shorter: costs the server */
    PROMPT_MS = 500,      /* a node that is silent for longer isn't asked for the slot map */
    FAILURES_FORGOTTEN = 5000 /* ms of good service after which backoff starts anew */
};

struct redis_node {
    const struct redis_node_config *config;
    struct redis_address address;
    struct redis_pipeline *pipeline; /* NULL: not connected */
    bool ready;                      /* greeted */
    uint64_t looked_up_since;        /* ms: its name is being looked up; 0: it isn't */
    struct redis_commands waiting;   /* for the greeting */
    unsigned waiting_count;

    unsigned failures;    /* in a row */
    unsigned tries;       /* to connect */
    uint64_t rests_until; /* ms */
    uint64_t ready_since; /* ms */
    uint64_t info_due;    /* ms */
    uint64_t info_asked_us;
    bool info_under_way;
    enum redis_error hang_up; /* why we close the connection, if it is us who do */

    struct redis_server_info server;
    struct redis_node_info info;
};

static void note(struct redis_node *node, const char *text)
{
    node->config->on_note(node->config->context, node, text);
}

void redis_node_count_error(struct redis_node *node, enum redis_error error, const char *text)
{
    node->info.errors[error]++;
    node->config->errors[error]++;
    node->info.last_error = error;
    snprintf(node->info.last_text, sizeof(node->info.last_text), "%s", text);
}

/* The connection ------------------------------------------------------------------------------- */

static void rest(struct redis_node *node, enum redis_error error)
{
    if (node->ready && monotonic_ms() - node->ready_since > FAILURES_FORGOTTEN)
        node->failures = 0;
    node->failures++;
    node->rests_until = monotonic_ms() + redis_error_backoff(error, node->failures);
    if (node->ready || node->failures == 1)
        note(node, node->info.last_text);
}

static void on_close(void *context, enum redis_error error, const char *text,
                     struct redis_commands *orphans)
{
    struct redis_node *node = context;
    struct redis_commands rerouted = TAILQ_HEAD_INITIALIZER(rerouted);
    struct redis_command *command;

    node->pipeline = NULL;
    if (node->hang_up)
        error = node->hang_up; /* its text is the server's, and was counted with it */
    else if (error)
        redis_node_count_error(node, error, text);
    if (error)
        rest(node, error);
    node->ready = node->info_under_way = false;
    node->hang_up = REDIS_ERROR_none;

    TAILQ_CONCAT(orphans, &node->waiting, link);
    node->waiting_count = 0;
    while ((command = TAILQ_FIRST(orphans)) != NULL) {
        TAILQ_REMOVE(orphans, command, link);
        command->error = error;
        if (command->internal)
            redis_command_finish(command, REDIS_CANCELLED, error, NULL);
        else
            TAILQ_INSERT_TAIL(&rerouted, command, link);
    }
    node->config->on_down(node->config->context, node, &rerouted);
}

static bool on_reply(void *context, struct redis_command *command, redisReply *reply)
{
    struct redis_node *node = context;
    enum redis_error error = REDIS_ERROR_none;

    node->info.commands++;
    node->info.bytes += command->size;
    if (reply->type == REDIS_REPLY_ERROR) {
        error = redis_error_parse(reply->str, reply->len);
        redis_node_count_error(node, error, reply->str);
        if (redis_error_flags(error) & REDIS_HANG_UP)
            node->hang_up = error;
    }
    if (command->internal)
        redis_command_finish(command, error ? REDIS_REFUSED : REDIS_ANSWERED, error, reply);
    else
        node->config->on_reply(node->config->context, node, command, reply);
    return node->hang_up == REDIS_ERROR_none;
}

/* Greeting, and INFO from time to time --------------------------------------------------------- */

/* Sends a command that concerns this connection only. */
static void send_internal(struct redis_node *node, int argc, const char *const *argv,
                          redis_done *done)
{
    size_t sizes[3];
    struct redis_command *command;

    for (int i = 0; i < argc; i++)
        sizes[i] = strlen(argv[i]);
    command = redis_command_new(argc, argv, sizes);
    if (!command)
        return;
    command->internal = true;
    command->done = done;
    command->user = node;
    redis_pipeline_send(node->pipeline, command);
}

static void on_auth(void *user, const struct redis_result *result)
{
    struct redis_node *node = user;

    if (result->outcome == REDIS_REFUSED)
        node->hang_up = result->error;
}

static void become_ready(struct redis_node *node)
{
    struct redis_command *command;

    node->ready = true;
    node->ready_since = monotonic_ms();
    if (node->failures > 0)
        note(node, "is back");
    while ((command = TAILQ_FIRST(&node->waiting)) != NULL) {
        TAILQ_REMOVE(&node->waiting, command, link);
        redis_pipeline_send(node->pipeline, command);
    }
    node->waiting_count = 0;
}

static void learn(struct redis_node *node, const redisReply *reply)
{
    struct redis_server_info server;
    bool restarted;

    redis_server_info_parse(&server, reply->str, reply->len);
    restarted = node->server.run_id[0] && server.run_id[0] &&
                strcmp(node->server.run_id, server.run_id) != 0;
    node->server = server;
    if (restarted) {
        node->info.restarts++;
        note(node, "was restarted");
        node->config->on_restart(node->config->context, node);
    }
}

static void on_info(void *user, const struct redis_result *result)
{
    struct redis_node *node = user;

    node->info_under_way = false;
    if (result->outcome == REDIS_CANCELLED)
        return;
    node->info.round_trip_us = (uint32_t)(monotonic_us() - node->info_asked_us);
    node->info.info_denied = result->error == REDIS_ERROR_noperm;
    if (result->outcome == REDIS_ANSWERED && result->reply->type == REDIS_REPLY_STRING)
        learn(node, result->reply);
    if (!node->ready && !node->hang_up)
        become_ready(node);
}

static void ask_info(struct redis_node *node)
{
    static const char *const argv[] = {"INFO"};

    node->info_under_way = true;
    node->info_due = monotonic_ms() + INFO_EVERY_MS;
    node->info_asked_us = monotonic_us();
    send_internal(node, 1, argv, on_info);
}

static void on_connect(void *context)
{
    struct redis_node *node = context;
    const char *user = node->config->user, *password = node->config->password;

    if (password && user)
        send_internal(node, 3, (const char *const[]){"AUTH", user, password}, on_auth);
    else if (password)
        send_internal(node, 2, (const char *const[]){"AUTH", password}, on_auth);
    ask_info(node);
}

/* Face ----------------------------------------------------------------------------------------- */

struct redis_node *redis_node_new(const struct redis_node_config *config,
                                  const struct redis_address *address)
{
    struct redis_node *node = calloc(1, sizeof(*node));

    if (!node)
        return NULL;
    node->config = config;
    node->address = *address;
    TAILQ_INIT(&node->waiting);
    return node;
}

void redis_node_free(struct redis_node *node)
{
    struct redis_commands none = TAILQ_HEAD_INITIALIZER(none);

    if (node->pipeline)
        redis_pipeline_close(node->pipeline, REDIS_ERROR_none, "");
    else
        on_close(node, REDIS_ERROR_none, "", &none);
    free(node);
}

static void fail_to_connect(struct redis_node *node, const char *text)
{
    struct redis_commands none = TAILQ_HEAD_INITIALIZER(none);

    node->looked_up_since = 0;
    on_close(node, REDIS_ERROR_connect, text, &none);
}

static void open_pipeline(struct redis_node *node, const char *number)
{
    const struct redis_pipeline_owner owner = {
        .context = node, .on_connect = on_connect, .on_reply = on_reply, .on_close = on_close};
    struct redis_address address = {.port = node->address.port};

    node->looked_up_since = 0;
    node->tries++;
    memcpy(address.host, number, sizeof(address.host));
    node->pipeline = redis_pipeline_open(node->config->base, &address, &owner);
    if (!node->pipeline)
        fail_to_connect(node, "no such address, or no route to it");
}

/* A name that is being looked up is asked for again with each tick. */
void redis_node_connect(struct redis_node *node)
{
    uint64_t now = monotonic_ms();
    char number[REDIS_HOST_SIZE];
    const char *reason = "out of memory";

    if (node->pipeline || !redis_node_usable(node))
        return;
    switch (redis_resolver_find(node->config->resolver, node->address.host, node->tries, number,
                                &reason)) {
    case 0:
        open_pipeline(node, number);
        break;
    case -EINPROGRESS:
        if (node->looked_up_since == 0)
            node->looked_up_since = now;
        else if (now - node->looked_up_since > node->config->connect_ms)
            fail_to_connect(node, "looking up its name takes too long");
        break;
    default:
        fail_to_connect(node, reason);
    }
}

void redis_node_send(struct redis_node *node, struct redis_command *command)
{
    if (node->ready) {
        redis_pipeline_send(node->pipeline, command);
        return;
    }
    TAILQ_INSERT_TAIL(&node->waiting, command, link);
    node->waiting_count++;
    redis_node_connect(node);
}

void redis_node_tick(struct redis_node *node)
{
    if (node->looked_up_since != 0)
        redis_node_connect(node);
    if (!node->pipeline ||
        !redis_pipeline_check(node->pipeline, node->config->connect_ms, node->config->reply_ms))
        return;
    if (!node->ready)
        return;
    if (node->failures > 0 && monotonic_ms() - node->ready_since > FAILURES_FORGOTTEN)
        node->failures = 0;
    if (!node->info_under_way && monotonic_ms() >= node->info_due)
        ask_info(node);
}

bool redis_node_usable(const struct redis_node *node)
{
    return node->pipeline || redis_node_rest(node) == 0;
}

uint32_t redis_node_rest(const struct redis_node *node)
{
    uint64_t now = monotonic_ms();

    return node->rests_until > now ? (uint32_t)(node->rests_until - now) : 0;
}

bool redis_node_well(const struct redis_node *node)
{
    return node->ready && redis_pipeline_silence(node->pipeline) < PROMPT_MS;
}

bool redis_node_failing(const struct redis_node *node)
{
    return node->failures > 0 && !node->ready;
}

enum redis_error redis_node_last_error(const struct redis_node *node)
{
    return node->info.last_error;
}

const struct redis_address *redis_node_address(const struct redis_node *node)
{
    return &node->address;
}

unsigned redis_node_depth(const struct redis_node *node)
{
    return node->waiting_count + (node->pipeline ? redis_pipeline_depth(node->pipeline) : 0);
}

void redis_node_info(const struct redis_node *node, struct redis_node_info *info)
{
    const struct redis_server_info *server = &node->server;

    *info = node->info;
    info->address = node->address;
    info->state = node->ready                               ? REDIS_NODE_READY
                  : node->pipeline || node->looked_up_since ? REDIS_NODE_CONNECTING
                  : redis_node_rest(node) != 0              ? REDIS_NODE_RESTING
                                                            : REDIS_NODE_IDLE;
    info->role = server->role;
    info->under_way = redis_node_depth(node);
    info->replication_offset = server->offset;
    info->replicas = server->replicas;
    if (server->replicas > 0 && server->offset > server->slowest)
        info->replication_lag = server->offset - server->slowest;
    info->memory_used = server->memory_used;
    info->memory_max = server->memory_max;
}
