/* SPDX-License-Identifier: BSD-3-Clause */
#include "load.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "../../dataplane/memif.h"
#include "processor_time.h"
#include "progress.h"

enum {
    /* BEP 15 lets a client use an ID for a minute; who connected longer ago connects again. */
    CONNECTION_SECONDS = 60,
    /* Open loop: further behind than that, requests are left out, or they would all come at once.
     */
    LATE_MILLISECONDS = 5,
    POPULATE_PASSES = 10,
    DRAIN_MILLISECONDS = 300, /* after a step, for replies still on their way */
    LEFT_OF_LEECHER = 50,
    PREFETCH_AHEAD = 4, /* frames */
};

volatile sig_atomic_t load_stop;

int load_init(struct load *load, const struct options *options, struct port *port)
{
    memset(load, 0, sizeof(*load));
    load->options = options;
    load->port = port;
    load->ticks_per_second = (double)rte_get_tsc_hz();
    load->random = load->next_second = rte_rdtsc();
    load->clients = clients_make(&options->workload);
    load->unanswered = calloc(1, sizeof(*load->unanswered));
    if (!load->clients || !load->unanswered) {
        load_free(load);
        return -ENOMEM;
    }
    frame_templates_init(&load->templates, &options->tracker);
    load->check = (struct check){
        .workload = &options->workload,
        .clients = load->clients,
        .unanswered = load->unanswered,
        .port = htobe16(options->tracker.port),
        .all = options->check_all,
    };
    memcpy(load->check.ipv4, options->tracker.ipv4, sizeof(load->check.ipv4));
    memcpy(load->check.ipv6, options->tracker.ipv6, sizeof(load->check.ipv6));
    return 0;
}

void load_free(struct load *load)
{
    clients_free(load->clients, &load->options->workload);
    free(load->unanswered);
}

/* Choosing --------------------------------------------------------------------------------------
 */

static bool choose(struct load *load, struct load_choice *choice)
{
    uint32_t peers = load->options->workload.peers;

    choice->bits = random_next(&load->random);
    if (load->choose == CHOOSE_RANDOM) {
        choice->client = (uint32_t)random_below(random_next(&load->random), peers);
        return true;
    }
    while (load->choose == CHOOSE_UNCONNECTED && load->cursor < peers &&
           load->clients[load->cursor].connected != 0)
        load->cursor++;
    choice->client = load->cursor++;
    return choice->client < peers;
}

static void choose_ahead(struct load *load)
{
    while (load->ahead_count < LOAD_BURST) {
        struct load_choice *choice = &load->ahead[load->ahead_count];

        if (!choose(load, choice))
            return;
        __builtin_prefetch(&load->clients[choice->client]);
        load->ahead_count++;
    }
}

static void forget_choices(struct load *load, unsigned count)
{
    load->ahead_count -= count;
    memmove(load->ahead, load->ahead + count, load->ahead_count * sizeof(load->ahead[0]));
}

static void begin_choosing(struct load *load, int how)
{
    load->choose = how;
    load->cursor = 0;
    load->ahead_count = 0;
}

/* Sending ---------------------------------------------------------------------------------------
 */

static enum request_kind kind_of(const struct load *load, const struct load_choice *choice)
{
    const struct workload *workload = &load->options->workload;
    const struct client *client = &load->clients[choice->client];
    uint32_t weights = workload->connects + workload->announces + workload->scrapes;
    uint32_t drawn = (uint32_t)random_below(choice->bits, weights);

    if (!load->options->echoed &&
        (client->connected == 0 || load->check.seconds - client->connected >= CONNECTION_SECONDS))
        return KIND_CONNECT;
    if (load->choose != CHOOSE_RANDOM)
        return KIND_ANNOUNCE;
    if (drawn < workload->connects)
        return KIND_CONNECT;
    if (drawn >= workload->connects + workload->announces)
        return KIND_SCRAPE;
    return random_below(choice->bits << 20, 100) < load->options->invalid_percent ? KIND_INVALID
                                                                                  : KIND_ANNOUNCE;
}

static unsigned write_announce(struct load *load, const struct client *client, uint64_t bits,
                               uint32_t id, bool invalid, uint8_t *frame)
{
    bool seeder = random_below(bits << 32, 100) < WORKLOAD_SEEDER_PERCENT;
    struct frame_announce announce = {
        .connection_id = invalid ? ~client->connection_id : client->connection_id,
        .transaction_id = htobe32(id),
        .info_hash = client->info_hash,
        .event = seeder ? BEP15_EVENT_COMPLETED : BEP15_EVENT_STARTED,
        .left = seeder ? 0 : LEFT_OF_LEECHER,
        .numwant = load->options->workload.numwant,
    };

    return frame_announce(&load->templates, &client->peer, &announce, frame);
}

static unsigned write_scrape(struct load *load, const struct client *client, unsigned rows,
                             uint32_t id, uint8_t *frame)
{
    uint32_t torrents[WORKLOAD_SCRAPE_MAX];

    for (unsigned i = 0; i < rows; i++)
        torrents[i] = workload_torrent(&load->options->workload, random_next(&load->random));
    return frame_scrape(&load->templates, &client->peer, client->connection_id, htobe32(id),
                        torrents, rows, frame);
}

/* Returns the transaction ID. */
static uint32_t write_request(struct load *load, const struct load_choice *choice, uint64_t due,
                              struct rte_mbuf *mbuf)
{
    const struct client *client = &load->clients[choice->client];
    uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    enum request_kind kind = kind_of(load, choice);
    unsigned rows = kind == KIND_SCRAPE
                        ? 1 + (unsigned)random_below(choice->bits << 40, WORKLOAD_SCRAPE_MAX)
                        : 0;
    uint32_t id = unanswered_add(load->unanswered, kind, choice->client, rows, due);
    unsigned length;

    if (kind == KIND_CONNECT)
        length = frame_connect(&load->templates, &client->peer, htobe32(id), frame);
    else if (kind == KIND_SCRAPE)
        length = write_scrape(load, client, rows, id, frame);
    else
        length = write_announce(load, client, choice->bits, id, kind == KIND_INVALID, frame);
    mbuf->data_len = (uint16_t)length;
    mbuf->pkt_len = length;
    load->sent.requests[kind]++;
    return id;
}

/* What the port didn't take was never asked; in closed loop, it will be. */
static void refuse(struct load *load, struct rte_mbuf *mbufs[], const uint32_t ids[],
                   unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct unanswered_request *request = unanswered_slot(load->unanswered, ids[i]);

        load->sent.requests[request->kind]--;
        unanswered_end(load->unanswered, request);
    }
    load->sent.refused += count;
    rte_pktmbuf_free_bulk(mbufs, count);
}

/* Requests that are due now, and when each was; at most LOAD_BURST. */
static unsigned due_now(struct load *load, uint64_t now, uint64_t due[])
{
    double late = load->ticks_per_second * LATE_MILLISECONDS / 1000;
    unsigned count = 0;

    if (load->interval == 0) {
        unsigned room =
            load->unanswered->count < load->window ? load->window - load->unanswered->count : 0;

        for (; count < room && count < LOAD_BURST; count++)
            due[count] = now;
        return count;
    }
    if ((double)now - load->next_due > late) {
        double missed = ((double)now - load->next_due) / load->interval;

        load->sent.late += (uint64_t)missed;
        load->next_due += (double)(uint64_t)missed * load->interval;
    }
    for (; count < LOAD_BURST && load->next_due <= (double)now; count++) {
        due[count] = (uint64_t)load->next_due;
        load->next_due += load->interval;
    }
    return count;
}

/* Returns how many there were. */
static unsigned send_requests(struct load *load, uint64_t now)
{
    struct rte_mbuf *mbufs[LOAD_BURST];
    uint32_t ids[LOAD_BURST];
    uint64_t due[LOAD_BURST];
    unsigned count, sent;

    choose_ahead(load);
    count = due_now(load, now, due);
    if (count > load->ahead_count)
        count = load->ahead_count;
    if (count == 0 || rte_pktmbuf_alloc_bulk(load->port->pools[0], mbufs, count))
        return 0;
    for (unsigned i = 0; i < count; i++)
        ids[i] = write_request(load, &load->ahead[i], due[i], mbufs[i]);
    sent = rte_eth_tx_burst(load->port->id, 0, mbufs, (uint16_t)count);
    if (sent < count)
        refuse(load, mbufs + sent, ids + sent, count - sent);
    forget_choices(load, load->interval > 0 ? count : sent);
    return sent;
}

/* Receiving -------------------------------------------------------------------------------------
 */

static void take_replies(struct load *load, struct rte_mbuf *const mbufs[], unsigned count,
                         uint64_t now)
{
    for (unsigned i = 0; i < count; i++)
        check_prefetch(&load->check, rte_pktmbuf_mtod(mbufs[i], const uint8_t *),
                       mbufs[i]->data_len);
    for (unsigned i = 0; i < count; i++)
        check_reply(&load->check, rte_pktmbuf_mtod(mbufs[i], const uint8_t *), mbufs[i]->data_len,
                    now);
}

static void take_echoes(struct load *load, struct rte_mbuf *const mbufs[], unsigned count,
                        uint64_t now)
{
    for (unsigned i = 0; i < count; i++)
        check_echo(&load->check, rte_pktmbuf_mtod(mbufs[i], const uint8_t *), now);
}

/* Returns how many there were. */
static unsigned receive_replies(struct load *load)
{
    struct rte_mbuf *mbufs[LOAD_BURST];
    unsigned count = rte_eth_rx_burst(load->port->id, 0, mbufs, LOAD_BURST);
    uint64_t now = rte_rdtsc();

    if (count == 0)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        __builtin_prefetch(rte_pktmbuf_mtod(mbufs[i], const uint8_t *));
        __builtin_prefetch(rte_pktmbuf_mtod_offset(mbufs[i], const uint8_t *, RTE_CACHE_LINE_SIZE));
    }
    if (load->options->echoed)
        take_echoes(load, mbufs, count, now);
    else
        take_replies(load, mbufs, count, now);
    rte_pktmbuf_free_bulk(mbufs, count);
    return count;
}

static void expire(struct load *load, uint64_t now)
{
    uint64_t wait = (uint64_t)(load->ticks_per_second * UNANSWERED_MILLISECONDS / 1000);

    if (now > wait)
        unanswered_expire(load->unanswered, now - wait);
}

/* Once a second. */
static void look_around(struct load *load)
{
    struct rte_eth_link link;

    load->next_second += (uint64_t)load->ticks_per_second;
    load->check.seconds++;
    if (rte_eth_link_get_nowait(load->port->id, &link) == 0 && !link.link_status) {
        load->unlinked = true;
        load_stop = 1;
    }
}

/* One round; returns the time that it began, in ticks. */
static uint64_t turn(struct load *load, bool send)
{
    uint64_t now = rte_rdtsc();
    unsigned count = 0;

    memif_pass(LOAD_READER);
    if (now >= load->next_second)
        look_around(load);
    if (send)
        count = send_requests(load, now);
    count += receive_replies(load);
    expire(load, now);
    if (count > 0)
        load->busy += rte_rdtsc() - now;
    else if (load->port->config->kind == DATAPLANE_AF_XDP)
        sched_yield(); /* to the kernel's thread that carries what was sent on */
    return now;
}

/* Steps -----------------------------------------------------------------------------------------
 */

static void clear(struct load *load)
{
    load->busy = 0;
    memset(&load->sent, 0, sizeof(load->sent));
    memset(load->check.replies, 0, sizeof(load->check.replies));
    memset(&load->check.latency, 0, sizeof(load->check.latency));
    load->check.peers = 0;
    load->unanswered->lost = 0;
}

/* Until everybody was chosen, and is answered or lost. */
static void run_through(struct load *load, struct progress *progress)
{
    while (!load_stop && (load->cursor < load->options->workload.peers || load->ahead_count > 0 ||
                          load->unanswered->count > 0)) {
        uint64_t now = turn(load, true);

        progress_show(progress, load, now);
    }
}

bool load_populate(struct load *load)
{
    uint32_t peers = load->options->workload.peers, connected = 0;
    struct progress progress;

    load->interval = 0;
    load->window = load->options->populate_window;
    progress_begin(&progress, load, "connect");
    for (unsigned pass = 0; pass < POPULATE_PASSES && connected < peers && !load_stop; pass++) {
        begin_choosing(load, CHOOSE_UNCONNECTED);
        run_through(load, &progress);
        connected = 0;
        for (uint32_t number = 0; number < peers; number++)
            connected += load->clients[number].connected != 0;
        if (connected == 0)
            break;
    }
    progress_end(&progress);
    progress_begin(&progress, load, "announce");
    begin_choosing(load, CHOOSE_ALL);
    run_through(load, &progress);
    progress_end(&progress);
    return connected == peers;
}

static uint64_t run_for(struct load *load, double seconds, struct progress *progress)
{
    uint64_t begin = rte_rdtsc(), now = begin;
    uint64_t end = begin + (uint64_t)(seconds * load->ticks_per_second);

    while (now < end && !load_stop) {
        now = turn(load, true);
        progress_show(progress, load, now);
        sample_take(&load->sample, load, now);
    }
    return now - begin;
}

void load_run(struct load *load, double rate, unsigned window, struct load_result *result)
{
    struct progress progress;
    uint64_t ticks, drained;
    double server_before;

    load->interval = rate > 0 ? load->ticks_per_second / rate : 0;
    load->next_due = (double)rte_rdtsc();
    load->window = window;
    begin_choosing(load, CHOOSE_RANDOM);
    sample_begin(&load->sample, load, rte_rdtsc());
    progress_begin(&progress, load, "warm-up");
    run_for(load, load->options->warmup, &progress);
    clear(load);
    sample_begin(&load->sample, load, rte_rdtsc());
    progress_begin(&progress, load, "load");
    server_before = processor_time(load->options->server_pid);
    ticks = run_for(load, load->options->seconds, &progress);
    *result = (struct load_result){
        .seconds = (double)ticks / load->ticks_per_second,
        .busy = (double)load->busy / (double)ticks,
        .server_seconds = processor_time(load->options->server_pid) - server_before,
        .sent = load->sent,
        .interrupted = load_stop,
    };
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        result->replies += load->check.replies[kind];
    progress_end(&progress);
    drained = rte_rdtsc() + (uint64_t)(load->ticks_per_second * DRAIN_MILLISECONDS / 1000);
    while (load->unanswered->count > 0 && turn(load, false) < drained)
        ;
    result->lost = load->unanswered->lost;
}
