/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XDP steering: before DPDK sees a packet, connects are answered, forgeries dropped, what isn't
 * tracker traffic is passed to the kernel, and verified requests go to the AF_XDP socket of their
 * queue.
 *
 * Attached by DPDK's PMD (xdp_prog=): it takes the first program of the object and fills
 * `xsks_map`. Without a configuration, or without a socket on the queue (the daemon is down), all
 * goes to the kernel.
 */
#include "steering_admit.h"
#include "steering_maps.h"
#include "steering_parse.h"
#include "steering_reply.h"

char _license[] SEC("license") = "Dual BSD/GPL"; /* NOLINT(*reserved-identifier,cert-dcl*) */

STEERING_INLINE void count(enum steering_counter counter)
{
    __u32 zero = 0;
    struct steering_counters *counters = bpf_map_lookup_elem(&STEERING_MAP(counters), &zero);

    if (counters && counter < STEERING_COUNTERS)
        counters->counts[counter]++;
}

STEERING_INLINE int pass(enum steering_counter verdict)
{
    count(verdict);
    return XDP_PASS;
}

STEERING_INLINE const struct steering_config *configuration(void)
{
    __u32 zero = 0;
    void *inner = bpf_map_lookup_elem(&STEERING_MAP(config), &zero);

    return inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
}

/* A frame with an IP header: the verdict, counted and carried out. */
STEERING_INLINE int steer(struct xdp_md *ctx, struct steering_packet *packet,
                          const struct steering_config *config)
{
    __u32 queue = ctx->rx_queue_index;
    enum steering_counter verdict = parse_ip(packet, config);
    int would_limit;

    if (verdict == STEERING_not_ours)
        return pass(verdict);
    if (!bpf_map_lookup_elem(&xsks_map, &queue))
        return pass(STEERING_no_socket);
    if (verdict == STEERING_connect_steered || verdict == STEERING_request_steered) {
        verdict = steering_admit(packet, config, verdict, &would_limit);
        if (would_limit)
            count(STEERING_would_limit);
    }
    if (verdict == STEERING_connect_steered && config->answer_connect) {
        count(STEERING_connect_answered);
        return steering_reply(ctx, packet, &config->cookies) ? XDP_TX : XDP_ABORTED;
    }
    count(verdict);
    if (verdict == STEERING_connect_steered || verdict == STEERING_request_steered)
        return (int)bpf_redirect_map(&xsks_map, queue, XDP_PASS);
    return XDP_DROP;
}

SEC("xdp")
int muster_steering(struct xdp_md *ctx)
{
    struct steering_packet packet = {.data = (void *)(long)ctx->data,
                                     .end = (void *)(long)ctx->data_end};
    const struct steering_config *config = configuration();
    __u16 type = 0;

    if (!config)
        return pass(STEERING_not_ours);
    if (parse_ethernet(&packet, &type) == STEERING_short_frame) {
        count(STEERING_short_frame);
        return XDP_DROP;
    }
    if (type == bpf_htons(WIRE_ETHERTYPE_IPV4)) {
        packet.is_ipv6 = 0;
        return steer(ctx, &packet, config);
    }
    if (type == bpf_htons(WIRE_ETHERTYPE_IPV6)) {
        packet.is_ipv6 = 1;
        return steer(ctx, &packet, config);
    }
    return pass(STEERING_not_ours);
}
