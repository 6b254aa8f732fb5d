/* SPDX-License-Identifier: BSD-3-Clause */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "load.h"

static void sums(const struct load *load, uint64_t *sent, uint64_t *replies)
{
    *sent = *replies = 0;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        *sent += load->sent.requests[kind];
        *replies += load->check.replies[kind];
    }
}

void progress_begin(struct progress *progress, const struct load *load, const char *phase)
{
    *progress = (struct progress){.phase = phase, .enabled = isatty(STDERR_FILENO)};
    progress->last = rte_rdtsc();
    progress->next = progress->last + (uint64_t)load->ticks_per_second;
    sums(load, &progress->sent, &progress->replies);
}

void progress_show(struct progress *progress, const struct load *load, uint64_t now)
{
    double microsecond = load->ticks_per_second * 1e-6, seconds;
    uint64_t sent, replies;

    if (now < progress->next || !progress->enabled)
        return;
    seconds = (double)(now - progress->last) / load->ticks_per_second;
    sums(load, &sent, &replies);
    fprintf(stderr,
            "\r\033[K%s: %.2f M requests/s, %.2f M replies/s, lost %llu, p50 %.1f us, p99 %.1f us",
            progress->phase, (double)(sent - progress->sent) / seconds * 1e-6,
            (double)(replies - progress->replies) / seconds * 1e-6,
            (unsigned long long)load->unanswered->lost,
            histogram_quantile(&load->check.latency, 0.5) / microsecond,
            histogram_quantile(&load->check.latency, 0.99) / microsecond);
    progress->sent = sent;
    progress->replies = replies;
    progress->last = now;
    progress->next = now + (uint64_t)load->ticks_per_second;
    progress->shown = true;
}

void progress_end(struct progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
}
