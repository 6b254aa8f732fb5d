/* SPDX-License-Identifier: BSD-3-Clause */
#include "redis_resolver.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "monotonic.h"

enum {
    /*
     * What was found is used for so long. Longer, and a node that has moved is looked for at its
     * old place; shorter, and it is looked up for every try.
     */
    KEEP_MS = 5000,
    RUNNING_MAX = 16, /* threads: who may name nodes may name any number of them */
};

enum lookup_state {
    LOOKUP_RUNNING,
    LOOKUP_DONE,      /* by its thread */
    LOOKUP_ABANDONED, /* by us: the thread frees it */
};

struct lookup {
    LIST_ENTRY(lookup) link;
    char host[REDIS_HOST_SIZE];
    atomic_int state;
    int error;              /* of getaddrinfo() */
    struct addrinfo *found; /* NULL: none */
    uint64_t seen_done;     /* ms: when we first saw that it was done; 0: not yet */
};

struct redis_resolver {
    LIST_HEAD(, lookup) lookups;
    unsigned running; /* as far as we have seen */
};

static const struct addrinfo stream_hints = {.ai_socktype = SOCK_STREAM};
static const struct addrinfo number_hints = {.ai_socktype = SOCK_STREAM,
                                             .ai_flags = AI_NUMERICHOST};

static void lookup_free(struct lookup *lookup)
{
    if (lookup->found)
        freeaddrinfo(lookup->found);
    free(lookup);
}

/* Leaves the look-up to whoever is done with it last. */
static void lookup_leave(struct lookup *lookup, enum lookup_state state)
{
    int running = LOOKUP_RUNNING;

    if (!atomic_compare_exchange_strong(&lookup->state, &running, state))
        lookup_free(lookup);
}

static void *run(void *user)
{
    struct lookup *lookup = user;

    lookup->error = getaddrinfo(lookup->host, NULL, &stream_hints, &lookup->found);
    if (lookup->error)
        lookup->found = NULL;
    lookup_leave(lookup, LOOKUP_DONE);
    return NULL;
}

/* Signals are the main thread's business. */
static int start_thread(struct lookup *lookup)
{
    sigset_t all, before;
    pthread_t thread;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, NULL, run, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_detach(thread);
    return error;
}

static int begin(struct redis_resolver *resolver, const char *host)
{
    struct lookup *lookup;

    if (resolver->running == RUNNING_MAX)
        return -EINPROGRESS;
    lookup = calloc(1, sizeof(*lookup));
    if (!lookup)
        return -ENOMEM;
    snprintf(lookup->host, sizeof(lookup->host), "%s", host);
    if (start_thread(lookup)) {
        free(lookup);
        return -ENOMEM;
    }
    LIST_INSERT_HEAD(&resolver->lookups, lookup, link);
    resolver->running++;
    return -EINPROGRESS;
}

/* Forgets what is too old, and returns what there is of the host. */
static struct lookup *look(struct redis_resolver *resolver, const char *host)
{
    struct lookup *lookup = LIST_FIRST(&resolver->lookups), *next, *match = NULL;
    uint64_t now = monotonic_ms();

    for (; lookup; lookup = next) {
        next = LIST_NEXT(lookup, link);
        if (lookup->seen_done == 0 && atomic_load(&lookup->state) == LOOKUP_DONE) {
            lookup->seen_done = now;
            resolver->running--;
        }
        if (lookup->seen_done != 0 && now - lookup->seen_done > KEEP_MS) {
            LIST_REMOVE(lookup, link);
            lookup_free(lookup);
        } else if (!strcmp(lookup->host, host)) {
            match = lookup;
        }
    }
    return match;
}

static int write_number(const struct addrinfo *found, unsigned turn, char number[REDIS_HOST_SIZE])
{
    const struct addrinfo *choice = found;
    unsigned count = 0;

    for (const struct addrinfo *each = found; each; each = each->ai_next)
        count++;
    for (unsigned i = 0; i < turn % count; i++)
        choice = choice->ai_next;
    return getnameinfo(choice->ai_addr, choice->ai_addrlen, number, REDIS_HOST_SIZE, NULL, 0,
                       NI_NUMERICHOST)
               ? -ENOENT
               : 0;
}

static bool is_number(const char *host)
{
    struct addrinfo *found;

    if (getaddrinfo(host, NULL, &number_hints, &found))
        return false;
    freeaddrinfo(found);
    return true;
}

int redis_resolver_find(struct redis_resolver *resolver, const char *host, unsigned turn,
                        char number[REDIS_HOST_SIZE], const char **error)
{
    const struct lookup *lookup;

    if (is_number(host)) {
        snprintf(number, REDIS_HOST_SIZE, "%s", host);
        return 0;
    }
    lookup = look(resolver, host);
    if (!lookup)
        return begin(resolver, host);
    if (lookup->seen_done == 0)
        return -EINPROGRESS;
    *error = gai_strerror(lookup->error);
    return lookup->found ? write_number(lookup->found, turn, number) : -ENOENT;
}

struct redis_resolver *redis_resolver_new(void)
{
    struct redis_resolver *resolver = calloc(1, sizeof(*resolver));

    if (resolver)
        LIST_INIT(&resolver->lookups);
    return resolver;
}

void redis_resolver_free(struct redis_resolver *resolver)
{
    struct lookup *lookup;

    if (!resolver)
        return;
    while ((lookup = LIST_FIRST(&resolver->lookups)) != NULL) {
        LIST_REMOVE(lookup, link);
        lookup_leave(lookup, LOOKUP_ABANDONED);
    }
    free(resolver);
}
