/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream.h"

#include <string.h>

enum { LEFT_OF_LEECHER = 50 };

void stream_init(struct stream *stream, const struct workload *workload,
                 const struct frame_tracker *tracker, const struct cookie_state *cookies,
                 uint64_t seed)
{
    stream->workload = workload;
    stream->cookies = *cookies;
    stream->random = seed;
    frame_templates_init(&stream->templates, tracker);
}

static uint64_t connection_id(const struct stream *stream, const struct workload_peer *peer)
{
    uint64_t halves[2];
    uint32_t address;

    if (peer->family == SWARMS_IPV4) {
        memcpy(&address, peer->address, sizeof(address));
        return cookie_ipv4(&stream->cookies, stream->cookies.epoch, address);
    }
    memcpy(halves, peer->address, sizeof(halves));
    return cookie_ipv6(&stream->cookies, stream->cookies.epoch, halves[0], halves[1]);
}

static unsigned announce(struct stream *stream, const struct workload_peer *peer, uint64_t bits,
                         uint8_t *frame)
{
    uint8_t info_hash[BEP15_INFO_HASH_SIZE];
    bool seeder = random_below(bits << 32, 100) < WORKLOAD_SEEDER_PERCENT;
    struct frame_announce request = {
        .connection_id = connection_id(stream, peer),
        .transaction_id = (uint32_t)(bits >> 32),
        .info_hash = info_hash,
        .event = seeder ? BEP15_EVENT_COMPLETED : BEP15_EVENT_STARTED,
        .left = seeder ? 0 : LEFT_OF_LEECHER,
        .numwant = stream->workload->numwant,
    };

    workload_info_hash(peer->torrent, info_hash);
    return frame_announce(&stream->templates, peer, &request, frame);
}

static unsigned scrape(struct stream *stream, const struct workload_peer *peer, uint64_t bits,
                       uint8_t *frame)
{
    unsigned count = 1 + (unsigned)random_below(bits << 32, WORKLOAD_SCRAPE_MAX);
    uint32_t torrents[WORKLOAD_SCRAPE_MAX];

    for (unsigned i = 0; i < count; i++)
        torrents[i] = workload_torrent(stream->workload, random_next(&stream->random));
    return frame_scrape(&stream->templates, peer, connection_id(stream, peer),
                        (uint32_t)(bits >> 32), torrents, count, frame);
}

unsigned stream_next(struct stream *stream, uint8_t *frame, enum stream_kind *kind)
{
    const struct workload *workload = stream->workload;
    uint64_t choice = random_next(&stream->random), bits = random_next(&stream->random);
    uint32_t weights = workload->connects + workload->announces + workload->scrapes;
    uint32_t drawn = (uint32_t)random_below(bits << 16, weights);
    struct workload_peer peer;

    workload_peer(workload, (uint32_t)random_below(choice, workload->peers), &peer);
    if (drawn < workload->announces) {
        *kind = STREAM_ANNOUNCE;
        return announce(stream, &peer, bits, frame);
    }
    if (drawn < workload->announces + workload->connects) {
        *kind = STREAM_CONNECT;
        return frame_connect(&stream->templates, &peer, (uint32_t)(bits >> 32), frame);
    }
    *kind = STREAM_SCRAPE;
    return scrape(stream, &peer, bits, frame);
}

unsigned stream_announce(struct stream *stream, uint32_t number, uint8_t *frame)
{
    struct workload_peer peer;

    workload_peer(stream->workload, number, &peer);
    return announce(stream, &peer, random_next(&stream->random), frame);
}
