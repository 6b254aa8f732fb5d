/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Redis servers that do as a test says, on the test's own event loop: what a real cluster does only
 * now and then, these do every time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct redis_fake;

/*
 * Answers a command with RESP (`+OK\r\n`), "" for silence, or NULL to hang up. INFO, AUTH, ASKING
 * and CLUSTER SLOTS come here, too; redis_fake_usual() knows what to say to them.
 */
typedef const char *redis_fake_answer(struct redis_fake *fake, int argc, char **argv);

struct redis_fake {
    struct event_base *base;
    uint16_t port;
    redis_fake_answer *answer;
    char run_id[41];
    const char *slots;    /* RESP of CLUSTER SLOTS */
    const char *password; /* NULL: none */
    bool authenticated;

    unsigned commands, gets, sets, connections, slots_asked;
    bool asking;    /* the command before was ASKING */
    char value[64]; /* what SET stored last */
    struct evconnlistener *listener;
    struct redis_fake_client *clients;
};

/* Listens on a port of its own choice, on loopback; `port` 0. Reopening takes the same port. */
void redis_fake_open(struct redis_fake *fake, struct event_base *base);

/* Closes the listener and all connections. */
void redis_fake_close(struct redis_fake *fake);

const char *redis_fake_usual(struct redis_fake *fake, int argc, char **argv);
