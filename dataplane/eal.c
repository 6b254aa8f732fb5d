/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>

enum {
    ARGUMENTS_MAX = 64,
    TEXT_MAX = 4096,
    MEMORY_SPARE_MB = 64, /* for EAL's and the drivers' own, besides packet buffers */
};

struct arguments {
    int count;
    char *values[ARGUMENTS_MAX];
    size_t used;
    char text[TEXT_MAX];
};

/* Adds one argument; both bounds are far above what a configuration can need. */
__attribute__((format(printf, 2, 3))) static void add(struct arguments *arguments,
                                                      const char *format, ...)
{
    char *text = arguments->text + arguments->used;
    size_t room = TEXT_MAX - arguments->used;
    va_list list;
    int length;

    va_start(list, format);
    length = vsnprintf(text, room, format, list);
    va_end(list);
    if (length < 0 || (size_t)length >= room || arguments->count == ARGUMENTS_MAX - 1)
        return;
    arguments->values[arguments->count++] = text;
    arguments->used += (size_t)length + 1;
}

/* EAL's own numbers for the cores, so that two of its threads may share one. */
static void add_cores(struct arguments *arguments, const struct dataplane_config *config)
{
    char text[DATAPLANE_WORKERS_MAX * 16];
    int used = snprintf(text, sizeof(text), "0@%u", config->control_core);

    for (unsigned worker = 0; worker < config->workers; worker++)
        used += snprintf(text + used, sizeof(text) - (size_t)used, ",%u@%u", eal_lcore(worker),
                         config->cores[worker]);
    add(arguments, "--lcores=%s", text);
    add(arguments, "--main-lcore=0");
}

/* What they complain about without need: page sizes that nobody uses, and secondary processes. */
static void add_log_levels(struct arguments *arguments, const struct dataplane_config *config)
{
    if (config->debug) {
        add(arguments, "--log-level=debug");
        return;
    }
    add(arguments, "--log-level=warning");
    add(arguments, "--log-level=lib.eal:error");
    add(arguments, "--log-level=pmd.net.tap:critical");
    add(arguments, "--log-level=pmd.net.memif:critical"); /* each try while the server is away */
}

static bool has_port(const struct dataplane_config *config, enum dataplane_port_kind kind)
{
    for (unsigned i = 0; i < config->ports_count; i++)
        if (config->ports[i].kind == kind)
            return true;
    return false;
}

static void add_memory(struct arguments *arguments, const struct dataplane_config *config,
                       size_t memory)
{
    size_t megabytes = (memory >> 20) + MEMORY_SPARE_MB;

    add(arguments, "--file-prefix=%s", config->file_prefix);
    if (config->huge_pages) {
        add(arguments, "--in-memory"); /* nothing stays behind in hugetlbfs, whatever happens */
        if (has_port(config, DATAPLANE_MEMIF))
            add(arguments, "--single-file-segments"); /* for memif without copies */
        return;
    }
    if (config->mbuf_memory_mb > 0)
        megabytes = config->mbuf_memory_mb;
    add(arguments, "--no-huge");
    add(arguments, "-m%zu", megabytes);
}

static void add_devices(struct arguments *arguments, const struct dataplane_config *config)
{
    bool pci = false;

    for (unsigned i = 0; i < config->ports_count; i++) {
        if (config->ports[i].kind != DATAPLANE_PCI)
            continue;
        add(arguments, "--allow=%s", config->ports[i].device);
        pci = true;
    }
    if (!pci)
        add(arguments, "--no-pci");
}

/*
 * net_tap has the kernel send a signal for every packet. They are for EAL's interrupt thread: the
 * control thread's and the workers' calls would be cut short.
 */
static void leave_signals_to_others(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
        sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

int eal_start(const struct dataplane_config *config, size_t memory, char *error, size_t error_size)
{
    static struct arguments arguments; /* EAL keeps pointers to it */

    arguments = (struct arguments){.count = 0};
    add(&arguments, "musterd");
    add(&arguments, "--no-telemetry");
    add_log_levels(&arguments, config);
    add_cores(&arguments, config);
    add_memory(&arguments, config, memory);
    add_devices(&arguments, config);
    if (rte_eal_init(arguments.count, arguments.values) >= 0) {
        leave_signals_to_others();
        return 0;
    }
    snprintf(error, error_size,
             "DPDK doesn't start: %s. Are there the cores that workers.cores names, and %s?",
             rte_strerror(rte_errno),
             config->huge_pages
                 ? "free huge pages (muster-host check), or set memory.huge_pages: false"
                 : "enough memory (memory.packets_mib)");
    return rte_errno ? -rte_errno : -EINVAL;
}

void eal_stop(void)
{
    rte_eal_cleanup();
}
