/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker_io.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

/* A request lies in the private area of its mbuf, right behind it. */
static inline struct request *request_of(struct rte_mbuf *mbuf)
{
    return (struct request *)(mbuf + 1);
}

static inline struct rte_mbuf *mbuf_of(struct request *request)
{
    return (struct rte_mbuf *)request - 1;
}

static inline bool damaged(const struct rte_mbuf *mbuf)
{
    return (mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD ||
           (mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD;
}

/* Only the request's first line is written, with what the queue always says. */
static inline struct request *receive(const struct worker_queue *queue, struct rte_mbuf *mbuf)
{
    struct request *request = request_of(mbuf);

    memcpy(request, &queue->received, offsetof(struct request, announce));
    request->frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    request->length = mbuf->data_len;
    request->room = (uint16_t)(mbuf->buf_len - mbuf->data_off);
    request->damaged = damaged(mbuf);
    return request;
}

unsigned worker_receive(struct worker *worker, struct worker_queue *queue, unsigned most)
{
    struct rte_mbuf *mbufs[SWARMS_BURST_MAX];
    struct request *requests[SWARMS_BURST_MAX];
    unsigned count = rte_eth_rx_burst(queue->port, queue->queue, mbufs, (uint16_t)most);

    for (unsigned i = 0; i < count; i++)
        __builtin_prefetch(request_of(mbufs[i]), 1);
    for (unsigned i = 0; i < count; i++)
        requests[i] = receive(queue, mbufs[i]);
    worker->report.counters[COUNTER_received] += count;
    pipeline_parse(&worker->pipeline, requests, count);
    return count;
}

unsigned worker_take(struct worker *worker)
{
    struct lane *arriving = &worker->arriving;
    unsigned workers = worker->pipeline.workers, from = worker->turn % workers;

    for (unsigned i = 0; i < workers && arriving->count < WORKER_TAKE_MAX; i++) {
        if (worker->in[from])
            arriving->count +=
                handoff_take(worker->in[from], (void **)arriving->requests + arriving->count,
                             WORKER_TAKE_MAX - arriving->count);
        from = from + 1 == workers ? 0 : from + 1;
    }
    pipeline_expect(arriving->requests, arriving->count);
    return arriving->count;
}

unsigned worker_join(struct worker *worker)
{
    struct lane *arriving = &worker->arriving;
    unsigned count = arriving->count;

    pipeline_join(&worker->pipeline, arriving->requests, count);
    arriving->count = 0;
    for (unsigned from = 0; from < worker->pipeline.workers; from++)
        if (worker->in[from])
            handoff_expect(worker->in[from]);
    return count;
}

/* Out ---------------------------------------------------------------------------------------- */

/* Frees a packet that something had no room for. */
static void lose(struct worker *worker, struct rte_mbuf *mbuf, enum counter reason)
{
    worker->report.counters[reason]++;
    rte_pktmbuf_free(mbuf);
}

static inline uint8_t counter_of(const struct request *request)
{
    switch (request->verdict) {
    case REQUEST_REPLY_ANNOUNCE:
        return (uint8_t)(COUNTER_announces_ipv4 + request->family);
    case REQUEST_REPLY_CONNECT:
        return COUNTER_connects;
    case REQUEST_REPLY_SCRAPE:
        return COUNTER_scrapes;
    default:
        return COUNTER_errors_sent;
    }
}

_Static_assert(COUNTER_announces_ipv6 == COUNTER_announces_ipv4 + (int)SWARMS_IPV6,
               "counted by family");

/* The mbuf learns what became of its frame. */
static inline struct rte_mbuf *reply_mbuf(struct request *request)
{
    struct rte_mbuf *mbuf = mbuf_of(request);

    if (mbuf->nb_segs > 1) { /* a request fits one: the rest was padding */
        rte_pktmbuf_free(mbuf->next);
        mbuf->next = NULL;
        mbuf->nb_segs = 1;
    }
    mbuf->data_off = (uint16_t)(request->frame - (uint8_t *)mbuf->buf_addr);
    mbuf->data_len = request->length;
    mbuf->pkt_len = request->length;
    mbuf->ol_flags = 0;
    if (request->offload) {
        mbuf->l2_len = request->network;
        mbuf->l3_len = (uint64_t)(request->transport - request->network) & 0x1ff;
        mbuf->ol_flags = request->family == SWARMS_IPV4
                             ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM
                             : RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM;
    }
    return mbuf;
}

/* Sorts the replies by port, or by the worker that has a queue of the port. */
static void sort_replies(struct worker *worker)
{
    const struct lane *sends = &worker->pipeline.sends;

    for (unsigned i = 0; i < sends->count; i++) {
        struct request *request = sends->requests[i];
        struct worker_transmit *transmit = &worker->transmits[request->port];

        if (transmit->port == PORT_NONE) {
            struct lane *home = &worker->home[request->home];

            home->requests[home->count++] = request;
            continue;
        }
        transmit->counters[transmit->count] = counter_of(request);
        transmit->lengths[transmit->count] = request->length;
        transmit->mbufs[transmit->count++] = reply_mbuf(request);
    }
}

static void transmit_burst(struct worker *worker, struct worker_transmit *transmit)
{
    uint64_t *counters = worker->report.counters;
    unsigned sent = transmit->resting
                        ? 0
                        : rte_eth_tx_burst(transmit->port, transmit->queue, transmit->mbufs,
                                           (uint16_t)transmit->count);

    for (unsigned i = 0; i < sent; i++) {
        counters[transmit->counters[i]]++;
        counters[COUNTER_bytes_sent] += transmit->lengths[i];
    }
    for (unsigned i = sent; i < transmit->count; i++)
        lose(worker, transmit->mbufs[i], COUNTER_DROP_tx_full);
    transmit->count = 0;
}

static void hand_over(struct worker *worker, unsigned to, struct lane *lane, enum counter done,
                      enum counter full)
{
    unsigned put = handoff_put(worker->out[to], (void *const *)lane->requests, lane->count);

    worker->report.counters[done] += put;
    for (unsigned i = put; i < lane->count; i++)
        lose(worker, mbuf_of(lane->requests[i]), full);
    lane->count = 0;
}

/* The exception port that belongs to the queue where the request came in. */
static uint16_t exception_of(const struct worker *worker, const struct request *request,
                             uint16_t *queue)
{
    for (unsigned i = 0; i < worker->queues_used; i++) {
        if (worker->queues[i].received.port == request->port) {
            *queue = worker->queues[i].queue;
            return worker->queues[i].exception;
        }
    }
    return PORT_NONE;
}

static void punt(struct worker *worker)
{
    const struct lane *punts = &worker->pipeline.punts;

    for (unsigned i = 0; i < punts->count; i++) {
        struct rte_mbuf *mbuf = mbuf_of(punts->requests[i]);
        uint16_t queue, exception = exception_of(worker, punts->requests[i], &queue);

        if (exception == PORT_NONE)
            lose(worker, mbuf, COUNTER_DROP_not_ours);
        else if (rte_eth_tx_burst(exception, queue, &mbuf, 1) == 0)
            lose(worker, mbuf, COUNTER_DROP_punt_full);
        else
            worker->report.counters[COUNTER_punted]++;
    }
}

static void discard(struct lane *drops)
{
    struct rte_mbuf *mbufs[SWARMS_BURST_MAX];

    for (unsigned i = 0; i < drops->count; i++)
        mbufs[i] = mbuf_of(drops->requests[i]);
    rte_pktmbuf_free_bulk(mbufs, drops->count);
}

void worker_dispatch(struct worker *worker)
{
    struct pipeline *pipeline = &worker->pipeline;

    sort_replies(worker);
    for (unsigned port = 0; port < worker->ports_count; port++)
        if (worker->transmits[port].count > 0)
            transmit_burst(worker, &worker->transmits[port]);
    for (unsigned other = 0; other < pipeline->workers; other++) {
        if (pipeline->away[other].count > 0)
            hand_over(worker, other, &pipeline->away[other], COUNTER_handed_off,
                      COUNTER_DROP_handoff_full);
        if (worker->home[other].count > 0)
            hand_over(worker, other, &worker->home[other], COUNTER_handed_back,
                      COUNTER_DROP_return_full);
    }
    if (pipeline->punts.count > 0)
        punt(worker);
    if (pipeline->drops.count > 0)
        discard(&pipeline->drops);
}

unsigned worker_forward(struct worker *worker, struct worker_queue *queue)
{
    struct rte_mbuf *mbufs[SWARMS_BURST_MAX];
    unsigned count, sent;

    count = rte_eth_rx_burst(queue->exception, queue->queue, mbufs, SWARMS_BURST_MAX);
    if (count == 0)
        return 0;
    sent = rte_eth_tx_burst(queue->port, queue->queue, mbufs, (uint16_t)count);
    worker->report.counters[COUNTER_from_kernel] += sent;
    worker->report.counters[COUNTER_from_kernel_lost] += count - sent;
    rte_pktmbuf_free_bulk(mbufs + sent, count - sent);
    return count;
}
