/* SPDX-License-Identifier: BSD-3-Clause */
/* An endless stream of random requests of a workload, as frames. The same seed, the same stream. */
#pragma once

#include "../../bpf/cookie.h"
#include "frame.h"

enum stream_kind { STREAM_CONNECT, STREAM_ANNOUNCE, STREAM_SCRAPE };

struct stream {
    const struct workload *workload;
    struct frame_templates templates;
    struct cookie_state cookies; /* connection IDs are made here as the tracker would make them */
    uint64_t random;
};

void stream_init(struct stream *stream, const struct workload *workload,
                 const struct frame_tracker *tracker, const struct cookie_state *cookies,
                 uint64_t seed);

/* Writes the next request (at most FRAME_BYTES_MAX) and returns its length. */
unsigned stream_next(struct stream *stream, uint8_t *frame, enum stream_kind *kind);

/* The announce of a given peer, to populate the tables. */
unsigned stream_announce(struct stream *stream, uint32_t number, uint8_t *frame);
