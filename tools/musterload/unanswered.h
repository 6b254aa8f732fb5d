/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests that wait for their replies, by transaction ID: IDs are given out in sequence, and the
 * low bits of one are its place in a ring. A request whose place is needed again, or that has
 * waited UNANSWERED_MILLISECONDS, is lost.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    UNANSWERED_SLOTS = 1 << 17, /* at 10 M requests/s the ring goes round in 13 ms */
    UNANSWERED_MILLISECONDS = 200,
    UNANSWERED_LATE = 1 << 24, /* IDs back: seconds, in which a late reply may still come */
};

enum request_kind { KIND_FREE, KIND_CONNECT, KIND_ANNOUNCE, KIND_SCRAPE, KIND_INVALID, KIND_COUNT };

struct unanswered_request {
    uint64_t due; /* ticks: when it was to be sent */
    uint32_t transaction_id;
    uint32_t client;
    uint8_t kind; /* enum request_kind */
    uint8_t rows; /* of a scrape */
};

struct unanswered {
    uint32_t next;            /* transaction ID */
    uint32_t oldest;          /* transaction ID; all before it are answered or lost */
    uint32_t count;           /* that wait, but for KIND_INVALID, which wants no reply */
    uint64_t lost, lost_ever; /* since the last step began, and at all */
    struct unanswered_request ring[UNANSWERED_SLOTS];
};

static inline struct unanswered_request *unanswered_slot(struct unanswered *unanswered,
                                                         uint32_t transaction_id)
{
    return &unanswered->ring[transaction_id % UNANSWERED_SLOTS];
}

/* True for an ID that was given out, and for what may be the reply of a request that is lost. */
static inline bool unanswered_given(const struct unanswered *unanswered, uint32_t transaction_id)
{
    return unanswered->next - transaction_id - 1 < UNANSWERED_LATE;
}

/* Its place is free again. */
static inline void unanswered_end(struct unanswered *unanswered, struct unanswered_request *request)
{
    if (request->kind != KIND_INVALID)
        unanswered->count--;
    request->kind = KIND_FREE;
}

static inline void unanswered_lose(struct unanswered *unanswered,
                                   struct unanswered_request *request)
{
    if (request->kind == KIND_FREE)
        return;
    if (request->kind != KIND_INVALID) {
        unanswered->lost++;
        unanswered->lost_ever++;
    }
    unanswered_end(unanswered, request);
}

/* Notes a request and returns its transaction ID. */
static inline uint32_t unanswered_add(struct unanswered *unanswered, enum request_kind kind,
                                      uint32_t client, unsigned rows, uint64_t due)
{
    struct unanswered_request *request = unanswered_slot(unanswered, unanswered->next);

    unanswered_lose(unanswered, request);
    if (unanswered->next - unanswered->oldest == UNANSWERED_SLOTS)
        unanswered->oldest++;
    *request = (struct unanswered_request){
        .due = due,
        .transaction_id = unanswered->next,
        .client = client,
        .kind = (uint8_t)kind,
        .rows = (uint8_t)rows,
    };
    unanswered->count += kind != KIND_INVALID;
    return unanswered->next++;
}

/* Gives up on what was due before `deadline`. */
static inline void unanswered_expire(struct unanswered *unanswered, uint64_t deadline)
{
    while (unanswered->oldest != unanswered->next) {
        struct unanswered_request *request = unanswered_slot(unanswered, unanswered->oldest);

        if (request->kind != KIND_FREE) {
            if (request->due > deadline)
                break;
            unanswered_lose(unanswered, request);
        }
        unanswered->oldest++;
    }
}
