/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log: one line an event, `what happened: key=value key=value`, with a level and an area (the
 * part that speaks). Goes to journald when the service manager connected us to it, else to stderr.
 *
 * Each place in the code may log LOG_SITE_LINES lines in LOG_SITE_SECONDS; what is above is counted
 * and said with its next line. Never called by workers; any other thread may.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_ERROR,   /* something doesn't work; the operator must act */
    LOG_LEVEL_WARNING, /* it works, but worse than it should */
    LOG_LEVEL_INFO,    /* what an operator wants to find in the log a week later */
    LOG_LEVEL_DEBUG,   /* for whoever looks for a fault */
};

enum {
    LOG_SITE_LINES = 10, /* low enough that a storm fills no disk, high enough to show a sequence */
    LOG_SITE_SECONDS = 10,
};

enum log_target { LOG_TARGET_AUTO, LOG_TARGET_STDERR, LOG_TARGET_JOURNAL };

/* The state of one place that logs; zeroed. */
struct log_site {
    atomic_uint lines, suppressed;
    _Atomic uint64_t window; /* seconds; when the count of lines began */
};

/* Until then, everything from info up goes to stderr. */
void log_open(enum log_target target, enum log_level level);

void log_set_level(enum log_level level);
enum log_level log_level(void);

#define log_error(area, ...)   LOG_AT(LOG_LEVEL_ERROR, area, __VA_ARGS__)
#define log_warning(area, ...) LOG_AT(LOG_LEVEL_WARNING, area, __VA_ARGS__)
#define log_info(area, ...)    LOG_AT(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define log_debug(area, ...)   LOG_AT(LOG_LEVEL_DEBUG, area, __VA_ARGS__)

#define LOG_AT(level, area, ...)                                                                   \
    do {                                                                                           \
        static struct log_site log_site_;                                                          \
        log_write(&log_site_, level, area, __VA_ARGS__);                                           \
    } while (0)

/* `site` NULL: not limited. */
void log_write(struct log_site *site, enum log_level level, const char *area, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

/* Each line of `text` as a line of the log. */
void log_lines(enum log_level level, const char *area, const char *text);

/* Sends what DPDK logs (rte_log) here, too; call before EAL starts. */
void log_adopt_dpdk(void);
