/* SPDX-License-Identifier: BSD-3-Clause */
#include "sample.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "load.h"

int sample_open(struct sample *sample, const char *path)
{
    memset(sample, 0, sizeof(*sample));
    if (!path)
        return 0;
    sample->file = fopen(path, "w");
    return sample->file ? 0 : -errno;
}

void sample_close(struct sample *sample)
{
    if (sample->file)
        fclose(sample->file);
}

static void remember(struct sample *sample, const struct load *load, uint64_t now)
{
    sample->sent = sample->replies = 0;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        sample->sent += load->sent.requests[kind];
        sample->replies += load->check.replies[kind];
    }
    sample->lost = load->unanswered->lost;
    sample->late = load->sent.late;
    sample->refused = load->sent.refused;
    sample->latency = load->check.latency;
    sample->last = now;
    sample->next = now + (uint64_t)(load->ticks_per_second * SAMPLE_SECONDS);
}

void sample_begin(struct sample *sample, const struct load *load, uint64_t now)
{
    if (sample->file)
        remember(sample, load, now);
}

/* What `now` has more than `before`; of the longest, only that it is no longer than now's. */
static void subtract(struct histogram *now, const struct histogram *before)
{
    now->count -= before->count;
    now->sum -= before->sum;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
        now->buckets[bucket] -= before->buckets[bucket];
}

void sample_take(struct sample *sample, const struct load *load, uint64_t now)
{
    double microsecond = load->ticks_per_second * 1e-6, seconds;
    struct sample before;
    struct timespec wall;

    if (!sample->file || now < sample->next)
        return;
    before = *sample;
    remember(sample, load, now);
    subtract(&sample->latency, &before.latency);
    seconds = (double)(now - before.last) / load->ticks_per_second;
    clock_gettime(CLOCK_MONOTONIC, &wall);
    fprintf(sample->file,
            "{\"monotonic\": %.3f, \"seconds\": %.3f, \"requests\": %" PRIu64
            ", \"replies\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"late\": %" PRIu64
            ", \"refused\": %" PRIu64 ", \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f}\n",
            (double)wall.tv_sec + (double)wall.tv_nsec * 1e-9, seconds, sample->sent - before.sent,
            sample->replies - before.replies, sample->lost - before.lost,
            sample->late - before.late, sample->refused - before.refused,
            histogram_quantile(&sample->latency, 0.5) / microsecond,
            histogram_quantile(&sample->latency, 0.99) / microsecond,
            histogram_quantile(&sample->latency, 0.999) / microsecond);
    fflush(sample->file);
    sample->latency = load->check.latency;
}
