/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rte_log.h>
#include <systemd/sd-journal.h>

enum { LINE_MAX_BYTES = 2048 }; /* a longer line is cut */

static const struct {
    const char *name;
    int priority; /* syslog(3) */
    uint32_t dpdk;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", LOG_ERR, RTE_LOG_ERR},
    [LOG_LEVEL_WARNING] = {"warning", LOG_WARNING, RTE_LOG_WARNING},
    [LOG_LEVEL_INFO] = {"info", LOG_INFO, RTE_LOG_NOTICE},
    [LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG, RTE_LOG_DEBUG},
};

static atomic_int current_level = LOG_LEVEL_INFO;
static bool to_journal;
static FILE *dpdk_stream;

/* systemd names the journal's stream in JOURNAL_STREAM (systemd.exec(5)): ours, if stderr is that
 * one. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long device, inode;
    struct stat status;

    return stream && sscanf(stream, "%lu:%lu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

void log_open(enum log_target target, enum log_level level)
{
    to_journal = target == LOG_TARGET_JOURNAL || (target == LOG_TARGET_AUTO && stderr_is_journal());
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store(&current_level, (int)level);
    if (dpdk_stream)
        rte_log_set_global_level(levels[level].dpdk);
}

enum log_level log_level(void)
{
    return (enum log_level)atomic_load(&current_level);
}

/* One write(2) a line, so that lines of several threads don't mix. */
static void write_stderr(enum log_level level, const char *area, const char *text)
{
    char line[LINE_MAX_BYTES + 128];
    struct timespec now;
    struct tm tm;
    char when[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);

    int length = snprintf(line, sizeof(line), "%s.%03ldZ %-7s %s: %s\n", when,
                          now.tv_nsec / 1000000, levels[level].name, area, text);
    /* A full disk or a closed terminal must not stop the tracker: what can't be written is lost. */
    ssize_t written = write(STDERR_FILENO, line, (size_t)length);
    (void)written;
}

static void emit(enum log_level level, const char *area, const char *text)
{
    if (to_journal &&
        sd_journal_send("MESSAGE=%s: %s", area, text, "PRIORITY=%i", levels[level].priority,
                        "MUSTER_AREA=%s", area, "SYSLOG_IDENTIFIER=musterd", NULL) == 0)
        return;
    write_stderr(level, area, text);
}

/* True when the site may log a line now; *missed is then what it couldn't say before. */
static bool admitted(struct log_site *site, unsigned *missed)
{
    struct timespec now;

    *missed = 0;
    if (!site)
        return true;
    clock_gettime(CLOCK_MONOTONIC, &now);

    uint64_t window = atomic_load(&site->window);
    uint64_t seconds = (uint64_t)now.tv_sec + 1; /* 0 is a site that never logged */
    if (seconds >= window + LOG_SITE_SECONDS &&
        atomic_compare_exchange_strong(&site->window, &window, seconds)) {
        atomic_store(&site->lines, 0);
        *missed = atomic_exchange(&site->suppressed, 0);
    }
    if (atomic_fetch_add(&site->lines, 1) < LOG_SITE_LINES)
        return true;
    atomic_fetch_add(&site->suppressed, 1);
    return false;
}

/* Keeps a line a line, and a terminal safe: other people's text may be in it. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = '?';
}

void log_write(struct log_site *site, enum log_level level, const char *area, const char *format,
               ...)
{
    char text[LINE_MAX_BYTES];
    unsigned missed;
    va_list arguments;

    if (level > log_level() || !admitted(site, &missed))
        return;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (missed && length >= 0 && (size_t)length < sizeof(text))
        snprintf(text + length, sizeof(text) - (size_t)length, " suppressed=%u", missed);
    make_printable(text);
    emit(level, area, text);
}

void log_lines(enum log_level level, const char *area, const char *text)
{
    for (size_t length; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        if (length > 0)
            log_write(NULL, level, area, "%.*s", (int)length, text);
    }
}

/* DPDK writes its lines here, one or more a call; its level is known only while it logs. */
static ssize_t take_dpdk(void *cookie, const char *buffer, size_t size)
{
    static struct log_site sites[LOG_LEVEL_DEBUG + 1];
    int priority = rte_log_cur_msg_loglevel();
    enum log_level level = LOG_LEVEL_DEBUG;

    for (unsigned i = 0; i <= LOG_LEVEL_DEBUG; i++)
        if (priority > 0 && (uint32_t)priority <= levels[i].dpdk) {
            level = (enum log_level)i;
            break;
        }
    for (const char *line = buffer, *end = buffer + size; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        int length = (int)((newline ? newline : end) - line);

        if (length > 0)
            log_write(&sites[level], level, "dpdk", "%.*s", length, line);
        line += length + 1;
    }
    return (ssize_t)size;
}

void log_adopt_dpdk(void)
{
    dpdk_stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = take_dpdk});
    if (!dpdk_stream)
        return;
    /* A line a write, or it would come out when the level it was logged at is forgotten. */
    setvbuf(dpdk_stream, NULL, _IOLBF, LINE_MAX_BYTES);
    rte_openlog_stream(dpdk_stream);
    log_set_level(log_level());
}
