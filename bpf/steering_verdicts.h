/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every verdict of the XDP program, named once. Each packet is counted in exactly one of PASSES,
 * DROPS or ANSWERS; EVENTS are counted besides. X(name, help): the name is the enum's, the metric's
 * and what `musterctl drops` shows. Drops that a worker knows, too, have the same name in
 * dataplane/counters.h.
 */
#pragma once

/* XDP_PASS: to the kernel. */
#define STEERING_PASSES(X)                                                                         \
    X(not_ours, "not UDP to one of our addresses and ports: passed to the kernel")                 \
    X(no_socket, "ours, but no worker listens on this queue: passed to the kernel")

/* XDP_DROP. */
#define STEERING_DROPS(X)                                                                          \
    X(short_frame, "frame ends inside the Ethernet, VLAN, IP or UDP header")                       \
    X(ip_header, "bad IP version, header length or total length")                                  \
    X(fragment, "first IP fragment of a datagram to our ports")                                    \
    X(udp_length, "UDP length does not fit the packet")                                            \
    X(source_port, "UDP source port 0: nowhere to answer to")                                      \
    X(source_address, "source address that can't be answered")                                     \
    X(short_request, "payload shorter than its BEP 15 action needs")                               \
    X(action, "unknown BEP 15 action")                                                             \
    X(magic, "connect request without BEP 15's magic number")                                      \
    X(banned, "source is banned")                                                                  \
    X(connection_id, "announce or scrape with a connection ID that is forged or too old")          \
    X(limited_connect, "connect request of a source over its rate limit")                          \
    X(limited_established, "announce or scrape of a source over its rate limit")

/* XDP_TX and XDP_REDIRECT. */
#define STEERING_ANSWERS(X)                                                                        \
    X(connect_answered, "connect request answered in place")                                       \
    X(connect_steered, "connect request passed to a worker")                                       \
    X(request_steered, "announce or scrape passed to a worker")

#define STEERING_EVENTS(X)                                                                         \
    X(would_limit, "over a rate limit in dry run: let through (also counted as what it became)")

#define STEERING_VERDICTS(X) STEERING_PASSES(X) STEERING_DROPS(X) STEERING_ANSWERS(X)

enum steering_counter {
#define STEERING_ENUM(name, help) STEERING_##name,
    STEERING_VERDICTS(STEERING_ENUM) STEERING_EVENTS(STEERING_ENUM)
#undef STEERING_ENUM
        STEERING_COUNTERS,
};
