/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

#include <string.h>

static uint8_t *put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    return put16(put16(at, value >> 16), value & 0xffff);
}

static uint8_t *put64(uint8_t *at, uint64_t value)
{
    return put32(put32(at, (uint32_t)(value >> 32)), (uint32_t)value);
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t length)
{
    memcpy(at, bytes, length);
    return at + length;
}

void frame_listen(struct listen_table *listen)
{
    struct dataplane_address addresses[2] = {
        {.family = 4, .port = FRAME_SERVER_PORT},
        {.family = 6, .port = FRAME_SERVER_PORT},
    };

    memcpy(addresses[0].bytes, FRAME_SERVER_IPV4, 4);
    memcpy(addresses[1].bytes, FRAME_SERVER_IPV6, 16);
    listen_init(listen, addresses, 2);
}

static uint8_t *put_ethernet(uint8_t *at, const struct frame_shape *shape)
{
    at = put(at, "\x02\0\0\0\0\x09", 6);
    at = put(at, "\x02\0\0\0\0\x07", 6);
    for (unsigned tag = shape->tags; tag > 0; tag--) {
        at = put16(at, tag == 2 ? 0x88a8 : 0x8100);
        at = put16(at, 0x2000 + tag);
    }
    return put16(at, shape->ipv6 ? 0x86dd : 0x0800);
}

static uint8_t *put_ip(uint8_t *at, const struct frame_shape *shape, unsigned udp_length)
{
    uint8_t *start = at;

    if (shape->ipv6) {
        at = put32(at, 0x6abcdef0);
        at = put16(at, udp_length);
        at = put(at, "\x11\x30", 2);
        at = put(at, FRAME_CLIENT_IPV6, 16);
        return put(at, FRAME_SERVER_IPV6, 16);
    }
    at = put16(at, (0x45 + shape->options / 4) << 8 | 0x28);
    at = put16(at, 20 + shape->options + udp_length);
    at = put32(at, 0xbeef0000);
    at = put(at, "\x30\x11\0\0", 4);
    at = put(at, FRAME_CLIENT_IPV4, 4);
    at = put(at, FRAME_SERVER_IPV4, 4);
    memset(at, 1, shape->options);
    at += shape->options;
    put16(start + 10, frame_checksum(start, (unsigned)(at - start), 0));
    return at;
}

void frame_build(struct frame *frame, const struct frame_shape *shape, const void *payload,
                 unsigned length)
{
    uint8_t *at = frame->bytes;

    memset(frame, 0, sizeof(*frame));
    memset(frame->bytes, 0xee, sizeof(frame->bytes));
    at = put_ethernet(at, shape);
    frame->network = (unsigned)(at - frame->bytes);
    at = put_ip(at, shape, 8 + length);
    frame->transport = (unsigned)(at - frame->bytes);
    at = put16(at, FRAME_CLIENT_PORT);
    at = put16(at, FRAME_SERVER_PORT);
    at = put16(at, 8 + length);
    at = put16(at, 0); /* not looked at: may be partial on veth */
    frame->payload = (unsigned)(at - frame->bytes);
    at = put(at, payload, length);
    frame->request.frame = frame->bytes;
    frame->request.length = (uint16_t)(at - frame->bytes);
    frame->request.room = sizeof(frame->bytes);
    frame->request.mtu = 1500;
}

unsigned frame_connect(uint8_t *payload, uint32_t transaction)
{
    uint8_t *at = put64(payload, 0x41727101980);

    at = put32(put32(at, 0), transaction);
    return (unsigned)(at - payload);
}

unsigned frame_announce(uint8_t *payload, uint64_t connection_id, uint32_t transaction,
                        uint8_t hash, uint16_t port)
{
    uint8_t *at = put64(payload, connection_id);

    at = put32(put32(at, 1), transaction);
    memset(at, hash, 20);
    at = put(at + 20, "-XX0001-abcdefghijkl", 20);
    at = put64(put64(put64(at, 0), 1000), 0); /* downloaded, left, uploaded */
    at = put32(at, 2);                        /* started */
    at = put32(put32(at, 0), 0x6b6b6b6b);     /* ip, key */
    at = put32(at, UINT32_MAX);               /* num_want -1 */
    at = put16(at, port);
    return (unsigned)(at - payload);
}

unsigned frame_scrape(uint8_t *payload, uint64_t connection_id, uint32_t transaction,
                      unsigned hashes)
{
    uint8_t *at = put64(payload, connection_id);

    at = put32(put32(at, 2), transaction);
    for (unsigned i = 0; i < hashes; i++, at += 20)
        memset(at, (int)(i + 1), 20);
    return (unsigned)(at - payload);
}

uint16_t frame_checksum(const uint8_t *bytes, unsigned length, uint32_t start)
{
    uint32_t sum = start;

    for (unsigned i = 0; i < length; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

bool frame_checksums_right(const uint8_t *frame, unsigned network, unsigned transport)
{
    const uint8_t *ip = frame + network, *udp = frame + transport;
    bool ipv4 = ip[0] >> 4 == 4;
    unsigned length = (unsigned)udp[4] << 8 | udp[5];
    uint16_t addresses = ipv4 ? frame_checksum(ip + 12, 8, 0) : frame_checksum(ip + 8, 32, 0);

    if (ipv4 && frame_checksum(ip, transport - network, 0) != 0)
        return false;
    if (udp[6] == 0 && udp[7] == 0)
        return false;
    return frame_checksum(udp, length, (uint16_t)~addresses + 17u + length) == 0;
}
