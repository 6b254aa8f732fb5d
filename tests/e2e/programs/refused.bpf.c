/* SPDX-License-Identifier: BSD-3-Clause */
/* For a test: has our configuration's map, so it looks like ours, but the verifier refuses it. */
#include "bpf/steering_maps.h"

SEC("xdp")
int muster_steering(struct xdp_md *context)
{
    const volatile int *behind = (const void *)(long)context->data;

    return behind[4]; /* may lie behind the packet's end */
}

char program_license[] SEC("license") = "Dual BSD/GPL";
