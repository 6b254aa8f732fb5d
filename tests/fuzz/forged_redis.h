/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Redis servers whose answers are made of a fuzzer's input: proper, forged, cut short, or anything.
 * hiredis' redisConnectNonBlock() leads to them, over pairs of sockets.
 */
#pragma once

#include "input.h"

enum {
    FORGED_REDIS_PORT = 7001, /* of the first; the others follow */
    FORGED_REDIS_MEMBER = 1,  /* whose chunks, records and deltas they forge */
};

/* From here on answers are made of `input`. */
void forged_redis_begin(struct input *input);

/* Answers what was asked since the last time. */
void forged_redis_serve(void);

/* Hangs up all connections. */
void forged_redis_end(void);
