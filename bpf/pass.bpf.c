/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passes everything. veth delivers what the other end sends by XDP_TX only to a device that has an
 * XDP program itself; testbeds attach this one to the clients' end.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *context)
{
    return XDP_PASS;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
