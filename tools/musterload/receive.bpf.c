/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All frames to the socket of their queue: for an interface that is musterload's alone. The driver
 * would attach a program like it, but through libxdp, and not always natively, as veth wants it.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

enum { QUEUES_MAX = 64 };

/* Found by this name, and filled, by DPDK's driver. */
struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __type(key, __u32);
    __type(value, __u32);
    __uint(max_entries, QUEUES_MAX);
} xsks_map SEC(".maps");

SEC("xdp")
int receive(struct xdp_md *context)
{
    return (int)bpf_redirect_map(&xsks_map, context->rx_queue_index, XDP_PASS);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
