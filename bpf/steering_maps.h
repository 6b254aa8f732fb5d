/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the XDP program and the control plane share: the layout of the pinned maps.
 *
 * The PMD opens the object without options, so maps are pinned in the root of bpffs, and all ports
 * share them. Whoever changes a struct below (or one that it holds) raises STEERING_LAYOUT: the
 * number is part of the maps' names, and the control plane removes maps of other layouts at start.
 *
 * Configuration is one struct, replaced as a whole: `muster_config` is an array of maps with one
 * slot, and the control plane keeps two inner maps, fills the one that is out of the slot, and puts
 * it in. The kernel swaps a pointer and returns when no program uses the old map any more; so a
 * packet sees all of one configuration, never half a key. An empty slot means: everything to the
 * kernel.
 */
#pragma once

#include "cookie.h"
#include "limiter.h"
#include "steering_verdicts.h"

#define STEERING_LAYOUT         1
#define STEERING_MAP_(w, v)     muster_##w##_v##v
#define STEERING_MAP__(w, v)    STEERING_MAP_(w, v)
#define STEERING_MAP(what)      STEERING_MAP__(what, STEERING_LAYOUT)
#define STEERING_STRING_(x)     #x
#define STEERING_STRING(x)      STEERING_STRING_(x)
#define STEERING_MAP_NAME(what) STEERING_STRING(STEERING_MAP(what))

#define STEERING_PIN_ROOT   "/sys/fs/bpf" /* where libbpf pins by name */
#define STEERING_PIN_PREFIX "muster_"
#define STEERING_PROGRAM    "muster_steering"

enum {
    STEERING_LISTEN_MAX = 32,   /* addresses of a family; scanned in order, the first match is it */
    STEERING_QUEUES_MAX = 256,  /* of one interface */
    STEERING_BANS_MAX = 262144, /* prefixes of a family; ~100 bytes each, allocated as needed */
};

/* Addresses and ports as they stand in the packet; an address of zeros is any unicast address. */
struct steering_listen_ipv4 {
    uint32_t address;
    uint16_t port;
    uint16_t reserved;
};

struct steering_listen_ipv6 {
    uint64_t high, low;
    uint16_t port;
    uint16_t reserved[3];
};

struct steering_config {
    struct cookie_state cookies;
    struct limiter_config limiter;
    uint32_t answer_connect; /* 0: connects go to the workers like all else */
    uint32_t bans_ipv4;      /* prefixes in the ban map; 0: it isn't looked at */
    uint32_t bans_ipv6;
    uint32_t listen_ipv4_count;
    uint32_t listen_ipv6_count;
    uint32_t reserved;
    struct steering_listen_ipv4 listen_ipv4[STEERING_LISTEN_MAX];
    struct steering_listen_ipv6 listen_ipv6[STEERING_LISTEN_MAX];
};

/* Keys of the ban maps (longest prefix wins); `address` as it stands in the packet. */
struct steering_ban_ipv4 {
    uint32_t prefix_length;
    uint8_t address[4];
};

struct steering_ban_ipv6 {
    uint32_t prefix_length;
    uint8_t address[16];
};

struct steering_ban {
    uint64_t until; /* CLOCK_MONOTONIC, nanoseconds; UINT64_MAX: for good */
};

struct steering_counters {
    uint64_t counts[STEERING_COUNTERS]; /* by enum steering_counter */
};

#ifdef __bpf__

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* Named so by the PMD, which fills it: a socket each receive queue. One a port, never pinned. */
struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __type(key, __u32);
    __type(value, __u32);
    __uint(max_entries, STEERING_QUEUES_MAX);
} xsks_map SEC(".maps");

struct steering_config_inner {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(struct steering_config));
    __uint(max_entries, 1);
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __type(key, __u32);
    __uint(max_entries, 1);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
    __array(values, struct steering_config_inner);
} STEERING_MAP(config) SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, __u32);
    __type(value, struct steering_counters);
    __uint(max_entries, 1);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} STEERING_MAP(counters) SEC(".maps");

/*
 * Shared by the CPUs, not per CPU: else a source would get its limit once a queue, and the memory
 * would grow with the machine. See limiter.h why that is cheap.
 */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, __u32);
    __type(value, struct limiter_line);
    __uint(max_entries, LIMITER_LINES);
    __uint(map_flags, BPF_F_MMAPABLE); /* puts lines on page, so cache-line, boundaries */
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} STEERING_MAP(limiter) SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __type(key, struct steering_ban_ipv4);
    __type(value, struct steering_ban);
    __uint(max_entries, STEERING_BANS_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} STEERING_MAP(bans_ipv4) SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __type(key, struct steering_ban_ipv6);
    __type(value, struct steering_ban);
    __uint(max_entries, STEERING_BANS_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} STEERING_MAP(bans_ipv6) SEC(".maps");

#endif
