/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every counter of a worker, named once. A packet that comes in is counted in `received` and then
 * in exactly one of: a drop, a punt, or a reply; the tests add them up.
 *
 * COUNTERS_DROPS(X) and COUNTERS_EVENTS(X) call X(name, help): the name is the enum's, the metric's
 * and what `musterctl drops` shows; the help is what an operator reads.
 */
#pragma once

/* Why a packet got no answer. */
#define COUNTERS_DROPS(X)                                                                          \
    X(short_frame, "frame ends inside the Ethernet, VLAN, IP or UDP header")                       \
    X(ip_header, "bad IP version, header length or total length")                                  \
    X(fragment, "IP fragment")                                                                     \
    X(udp_length, "UDP length does not fit the packet")                                            \
    X(checksum, "IP or UDP checksum wrong, as the NIC found")                                      \
    X(source_port, "UDP source port 0: nowhere to answer to")                                      \
    X(source_address, "source that can't be answered: multicast, broadcast, loopback, zero")       \
    X(short_request, "payload shorter than its BEP 15 action needs")                               \
    X(magic, "connect request without BEP 15's magic number")                                      \
    X(action, "unknown BEP 15 action")                                                             \
    X(connection_id, "announce or scrape with a connection ID that is forged or too old")          \
    X(limited, "source is over its rate limit")                                                    \
    X(banned, "source is banned")                                                                  \
    X(handoff_full, "ring to the worker that owns the info-hash was full")                         \
    X(return_full, "ring back to the worker that has the port's queue was full")                   \
    X(tx_full, "transmit queue was full")                                                          \
    X(punt_full, "exception port took no more")                                                    \
    X(not_ours, "not tracker traffic, on a port with no kernel to pass it to")

/* What was done. */
#define COUNTERS_EVENTS(X)                                                                         \
    X(received, "packets received from ports")                                                     \
    X(punted, "packets handed to the kernel over the exception port")                              \
    X(from_kernel, "packets sent for the kernel, from the exception port (not in received)")       \
    X(from_kernel_lost, "packets of the kernel's that the port's transmit queue would not take")   \
    X(connects, "connect requests answered")                                                       \
    X(announces_ipv4, "announces answered, IPv4")                                                  \
    X(announces_ipv6, "announces answered, IPv6")                                                  \
    X(scrapes, "scrapes answered")                                                                 \
    X(errors_sent, "BEP 15 error replies sent to verified clients")                                \
    X(would_limit, "over a rate limit in dry run: let through (also counted as what it became)")   \
    X(access_refused, "announces refused by the access list (also in errors_sent)")                \
    X(peers_sent, "peers handed out")                                                              \
    X(bytes_sent, "bytes of replies, from the Ethernet header on")                                 \
    X(handed_off, "requests passed to the worker that owns their info-hash")                       \
    X(handed_back, "replies passed back to a worker that has the port's queue")

enum counter {
#define COUNTERS_ENUM_DROP(name, help)  COUNTER_DROP_##name,
#define COUNTERS_ENUM_EVENT(name, help) COUNTER_##name,
    COUNTERS_DROPS(COUNTERS_ENUM_DROP) COUNTERS_EVENTS(COUNTERS_ENUM_EVENT)
#undef COUNTERS_ENUM_DROP
#undef COUNTERS_ENUM_EVENT
        COUNTERS,
};

/* Drops are the first ones. */
#define COUNTERS_DROP_KINDS ((unsigned)COUNTER_received)

enum {
    /* Bursts by number of packets: bucket b counts sizes up to 2^b (1, 2, 4, ... 64). */
    HISTOGRAM_BURST = 7,
    /* Bursts by the time from receive to send: up to 2^b microseconds in bucket b, the last the
       rest. */
    HISTOGRAM_SERVICE = 16,
};
