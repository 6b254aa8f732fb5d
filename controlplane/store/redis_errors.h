/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can go wrong between us and Redis, and what to do about each: ask again, ask elsewhere, or
 * give up; and how long to wait before.
 *
 * Source: Redis Cluster specification, "Redirection and resharding"; the error prefixes in Redis
 * 7's server.c and cluster.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* The command may succeed if it is sent again, later. */
    REDIS_RETRY = 1 << 0,
    /* The slot map is likely out of date. */
    REDIS_REFRESH = 1 << 1,
    /* Nothing that is sent over this connection will succeed. */
    REDIS_HANG_UP = 1 << 2,
};

/*
 * X(name, prefix of the server's error or "", flags, first wait in ms, longest wait in ms, help).
 * Waits double from try to try; each is cut by a random part of up to a half.
 * A shorter first wait asks a server that is in trouble too often; a longer one delays what would
 * have worked.
 */
#define REDIS_ERRORS(X)                                                                            \
    X(none, "", 0, 0, 0, "no error")                                                               \
    X(connect, "", REDIS_RETRY | REDIS_REFRESH, 100, 2000, "could not connect")                    \
    X(closed, "", REDIS_RETRY | REDIS_REFRESH, 50, 2000, "connection closed by the server")        \
    X(timeout, "", REDIS_RETRY | REDIS_REFRESH, 200, 3000, "no answer in time")                    \
    X(protocol, "", REDIS_RETRY | REDIS_REFRESH, 250, 15000, "answer is not Redis protocol")       \
    X(moved, "MOVED", REDIS_RETRY | REDIS_REFRESH, 0, 500, "slot is served by another node")       \
    X(ask, "ASK", REDIS_RETRY, 0, 500, "slot is on its way to another node")                       \
    X(tryagain, "TRYAGAIN", REDIS_RETRY, 20, 500, "keys are on their way to another node")         \
    X(clusterdown, "CLUSTERDOWN", REDIS_RETRY | REDIS_REFRESH, 100, 1000,                          \
      "no node serves the slot")                                                                   \
    X(loading, "LOADING", REDIS_RETRY, 200, 2000, "node is loading its data")                      \
    X(masterdown, "MASTERDOWN", REDIS_RETRY | REDIS_REFRESH, 100, 1000,                            \
      "replica has lost its master")                                                               \
    X(readonly, "READONLY", REDIS_RETRY | REDIS_REFRESH, 50, 1000, "node has become a replica")    \
    X(busy, "BUSY", REDIS_RETRY, 200, 2000, "node is running a script")                            \
    X(oom, "OOM", 0, 1000, 15000, "node has reached its maxmemory")                                \
    X(misconf, "MISCONF", 0, 1000, 15000, "node can't persist, and refuses writes")                \
    X(noreplicas, "NOREPLICAS", 0, 1000, 15000, "too few replicas: node refuses writes")           \
    X(noauth, "NOAUTH", REDIS_HANG_UP, 1000, 30000, "node wants a password")                       \
    X(wrongpass, "WRONGPASS", REDIS_HANG_UP, 1000, 30000, "user name or password is wrong")        \
    X(noperm, "NOPERM", 0, 1000, 30000, "the user lacks a right (ACL)")                            \
    X(wrongtype, "WRONGTYPE", 0, 0, 0, "key holds a value of another type")                        \
    X(other, "", 0, 1000, 15000, "another error")

enum redis_error {
#define REDIS_ERROR_ENUM(name, prefix, flags, first, longest, help) REDIS_ERROR_##name,
    REDIS_ERRORS(REDIS_ERROR_ENUM)
#undef REDIS_ERROR_ENUM
        REDIS_ERROR_KINDS,
};

const char *redis_error_name(enum redis_error error);
const char *redis_error_help(enum redis_error error);
unsigned redis_error_flags(enum redis_error error);

/* Which one the text of an error reply tells of. */
enum redis_error redis_error_parse(const char *text, size_t size);

/* Milliseconds to wait before try number `attempt` (1: the first try again), with jitter. */
uint32_t redis_error_backoff(enum redis_error error, unsigned attempt);
