/* SPDX-License-Identifier: BSD-3-Clause */
/* Is a frame that came in the right reply to a request that is waiting for it? */
#pragma once

#include "../workload/histogram.h"
#include "clients.h"
#include "unanswered.h"

/* What can be wrong with one. CHECKS(X) calls X(name, help). */
#define CHECKS(X)                                                                                  \
    X(frame, "not from the tracker's address and port")                                            \
    X(transaction, "no request had this transaction ID")                                           \
    X(twice, "a second reply")                                                                     \
    X(client, "sent to another address or port than asked")                                        \
    X(action, "another action than asked, or an error")                                            \
    X(length, "length that doesn't fit the action")                                                \
    X(too_many, "more peers than wanted")                                                          \
    X(stranger, "a peer that this run never announced")                                            \
    X(torrent, "a peer of another torrent")                                                        \
    X(self, "the asking peer itself")                                                              \
    X(invalid, "an answer to an invalid connection ID")                                            \
    X(checksum, "wrong IPv4 or UDP checksum (one in 64 is looked at)")

enum check_result {
    CHECK_OK,
    CHECK_OTHER, /* of no concern */
    CHECK_LATE,  /* to a request that is counted as lost; or a second reply to one that isn't */
#define CHECKS_ENUM(name, help) CHECK_##name,
    CHECKS(CHECKS_ENUM)
#undef CHECKS_ENUM
        CHECK_RESULTS,
};

struct check {
    const struct workload *workload;
    struct client *clients;
    struct unanswered *unanswered;
    uint8_t ipv4[4], ipv6[16]; /* the tracker's */
    uint16_t port;             /* network byte order */
    bool all;                  /* look every peer's torrent up */
    uint32_t seconds;          /* the load's clock, for connection IDs */
    unsigned countdown;        /* replies until the next that is looked at closely */

    /* Counted here. */
    uint64_t replies[KIND_COUNT], peers, results[CHECK_RESULTS];
    struct histogram latency; /* ticks */
};

/*
 * Fetches what check_reply() will want: the frame from its third line on, and whom it is for. The
 * first two lines should have been fetched.
 */
void check_prefetch(const struct check *check, const uint8_t *frame, unsigned length);

/* A request of ours that came back as it was. `now` in ticks. False when it is none. */
bool check_echo(struct check *check, const uint8_t *frame, uint64_t now);

/* `now` in ticks. */
enum check_result check_reply(struct check *check, const uint8_t *frame, unsigned length,
                              uint64_t now);

/* The name and the help of a result. */
const char *check_name(enum check_result result);
const char *check_help(enum check_result result);
