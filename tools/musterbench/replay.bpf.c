/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * BPF_PROG_TEST_RUN gives each of its runs what the last one left of the packet. This program
 * writes the next of a list of packets over it, and then calls the program under test.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "replay.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, __u32);
    __type(value, struct replay_packet);
    __uint(max_entries, REPLAY_PACKETS);
} packets SEC(".maps");

/* How many packets take turns, and whose turn it is. */
struct replay_turn {
    __u32 count, next;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, __u32);
    __type(value, struct replay_turn);
    __uint(max_entries, 1);
} turn SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __type(key, __u32);
    __type(value, __u32);
    __uint(max_entries, 1);
} tested SEC(".maps");

/* Packets have an even length. */
static __always_inline void restore(struct xdp_md *context, const __u8 *bytes)
{
    void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
    unsigned at = 0;

#pragma clang loop unroll(full)
    for (; at < REPLAY_SIZE && data + at + 8 <= end; at += 8)
        *(__u64 *)(data + at) = *(__u64 *)(bytes + at);
#pragma clang loop unroll(full)
    for (unsigned i = 0; i < 3; i++, at += 2) {
        if (at + 2 > REPLAY_SIZE || data + at + 2 > end)
            return;
        *(__u16 *)(data + at) = *(__u16 *)(bytes + at);
    }
}

SEC("xdp")
int replay(struct xdp_md *context)
{
    struct replay_packet *packet;
    struct replay_turn *now;
    __u32 zero = 0, index;

    now = bpf_map_lookup_elem(&turn, &zero);
    if (!now)
        return XDP_ABORTED;
    index = now->next++;
    if (now->next >= now->count)
        now->next = 0;
    packet = bpf_map_lookup_elem(&packets, &index);
    if (!packet)
        return XDP_ABORTED;
    if (context->data_end - context->data != packet->length)
        bpf_xdp_adjust_tail(context,
                            (int)packet->length - (int)(context->data_end - context->data));
    restore(context, packet->bytes);
    bpf_tail_call(context, &tested, 0);
    return XDP_ABORTED;
}

/* The program under test, when the replay itself is measured. */
SEC("xdp")
int nothing(struct xdp_md *context)
{
    return XDP_TX;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
