/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A chunk from a hostile store. The checksum keeps random bytes out, so it is put right first; what
 * then decodes must encode to a chunk that decodes to the same.
 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "controlplane/store/bytes.h"
#include "controlplane/store/chunk.h"

enum { PEERS_A_TURN = 64 };

static const struct seen_clock now = {.worker = 1 << 20, .wall = 1700000000};

static void seal(uint8_t *bytes, size_t size)
{
    if (size >= 16)
        bytes_put_u64(bytes + 8, XXH64(bytes + 16, size - 16, bytes_get_u64(bytes)));
}

/* Reads all; adds what it reads to `writer`, if there is one. Returns the peers read, -1 if
 * refused. */
static int64_t read_all(const uint8_t *bytes, size_t size, struct chunk_writer *writer)
{
    struct chunk_reader reader;
    struct chunk_entry entry;
    int64_t peers = 0;
    int result = chunk_reader_open(&reader, bytes, size);

    if (result)
        return -1;
    while ((result = chunk_reader_next(&reader, &entry)) == 1) {
        struct transfer_ipv6 room[PEERS_A_TURN];
        struct seen_times times = {
            .written = reader.header.time, .now = now, .timeout = SWARMS_TIMEOUT_MAX};

        for (uint32_t first = 0; first < entry.peers; first += PEERS_A_TURN) {
            struct transfer_swarm swarm = {.family = entry.family, .completed = entry.completed};

            memcpy(swarm.info_hash, entry.info_hash, sizeof(swarm.info_hash));
            swarm.peers = chunk_entry_peers(&entry, first, PEERS_A_TURN, &times, room);
            peers += swarm.peers;
            if (writer && chunk_writer_add(writer, &swarm, room, now))
                abort();
        }
    }
    return result < 0 ? -1 : peers;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chunk_header header = {.time = now.wall};
    struct chunk_writer writer = {0};
    uint8_t *bytes = malloc(size ? size : 1);
    int64_t peers;

    memcpy(bytes, data, size);
    seal(bytes, size);
    peers = read_all(bytes, size, &writer);
    if (peers >= 0) {
        if (chunk_writer_finish(&writer, &header) ||
            read_all(writer.bytes, writer.size, NULL) != peers)
            abort();
    }
    chunk_writer_free(&writer);
    free(bytes);
    return 0;
}
