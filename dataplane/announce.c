/* SPDX-License-Identifier: BSD-3-Clause */
#include "announce.h"

#include <endian.h>
#include <string.h>

#include "dataplane.h"
#include "packet.h"
#include "swarms/hash.h"

/* Bytes for peers in a reply, by the port's MTU and the frame. */
static inline unsigned peers_room(const struct request *request)
{
    int begin =
        request->transport + (int)(sizeof(struct wire_udp) + sizeof(struct bep15_announce_reply));
    int end = request->network + request->mtu;

    if (end > request->room - SWARMS_REPLY_SLACK)
        end = request->room - SWARMS_REPLY_SLACK;
    return end > begin ? (unsigned)(end - begin) : 0;
}

static inline unsigned peers_wanted(const struct bep15_announce *packet,
                                    const struct dataplane_settings *settings)
{
    int32_t wanted = (int32_t)be32toh(packet->num_want);

    if (wanted < 0)
        wanted = settings->numwant_default;
    return wanted < settings->numwant_max ? (unsigned)wanted : settings->numwant_max;
}

/*
 * Unknown events are taken for none. Who has no port can't be told to others, but may connect to
 * them: clients without a listening socket announce so.
 */
static inline void set_event(struct swarms_announce *announce, const struct bep15_announce *packet)
{
    uint32_t event = be32toh(packet->event);

    announce->seeder = packet->left == 0;
    announce->event = event <= BEP21_EVENT_PAUSED ? (uint8_t)event : SWARMS_UPDATE;
    if (packet->port == 0 && event != BEP15_EVENT_STOPPED) {
        announce->seeder |= event == BEP21_EVENT_PAUSED; /* not kept: says whom he is told of */
        announce->event = SWARMS_ASK;
    }
}

_Static_assert((int)SWARMS_UPDATE == (int)BEP15_EVENT_NONE &&
                   (int)SWARMS_COMPLETED == (int)BEP15_EVENT_COMPLETED &&
                   (int)SWARMS_STARTED == (int)BEP15_EVENT_STARTED &&
                   (int)SWARMS_STOPPED == (int)BEP15_EVENT_STOPPED &&
                   (int)SWARMS_PAUSED == (int)BEP21_EVENT_PAUSED,
               "the tables number events as they come");

/* The peer's address is the packet's, whatever the announce says. */
static inline void write_peer(const struct request *request, const struct bep15_announce *packet,
                              uint8_t peer[SWARMS_PEER_MAX])
{
    const void *network = request->frame + request->network;
    unsigned size;

    if (request->family == SWARMS_IPV4) {
        uint64_t word = ((const struct wire_ipv4 *)network)->source | (uint64_t)packet->port << 32;

        memcpy(peer, &word, sizeof(word));
        return;
    }
    size = sizeof(((struct wire_ipv6 *)NULL)->source);
    memcpy(peer, ((const struct wire_ipv6 *)network)->source, size);
    memcpy(peer + size, &packet->port, sizeof(packet->port));
}

const char *announce_prepare(struct request *request, const struct dataplane_settings *settings,
                             const struct swarms_secret *secret)
{
    struct bep15_announce *packet = (void *)request_payload(request);
    struct swarms_announce *announce = &request->announce;
    unsigned size = swarms_peer_size(request->family), wanted, room;

    if (request->payload_length > sizeof(*packet) && !packet_options(request))
        return "options run past the end of the packet";

    announce->info_hash = packet->info_hash;
    announce->hash = hash_info_hash(secret, packet->info_hash);
    announce->family = request->family;
    set_event(announce, packet);
    write_peer(request, packet, announce->peer);
    wanted = peers_wanted(packet, settings);
    room = peers_room(request);
    announce->numwant = (uint16_t)(wanted * size <= room ? wanted : room / size);
    announce->peers = (uint8_t *)packet + sizeof(struct bep15_announce_reply);
    return NULL;
}
