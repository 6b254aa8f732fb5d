/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data plane as the control plane sees it: start, stop, configure, read counters, hand in jobs.
 * Nothing else of dataplane/ is included from outside. Every function here is for the control
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/cookie.h"
#include "../bpf/limiter.h"
#include "counters.h"
#include "deltas.h"
#include "swarms/inspect.h"
#include "swarms/swarms.h"
#include "swarms/transfer.h"

enum {
    DATAPLANE_WORKERS_MAX = 64,
    DATAPLANE_PORTS_MAX = 16,
    DATAPLANE_LISTEN_MAX = 32,
    DATAPLANE_BURST_MIN = 8, /* drivers with vector code receive nothing if asked for fewer */
};

/* Fixed at start ------------------------------------------------------------------------------- */

struct dataplane_address {
    uint8_t family;    /* 4 or 6 */
    uint8_t bytes[16]; /* network byte order; IPv4 in the first four */
    uint16_t port;     /* host byte order */
};

enum dataplane_port_kind {
    DATAPLANE_AF_XDP, /* device: a network interface */
    DATAPLANE_PCI,    /* device: a PCI address, 0000:03:00.0 */
    DATAPLANE_MEMIF,  /* device: path of the memif's socket */
    DATAPLANE_VDEV,   /* device: DPDK devargs of a virtual device */
};

struct dataplane_port_config {
    enum dataplane_port_kind kind;
    char device[256];
    unsigned queues;      /* receive and transmit queue pairs; at most one a worker is of use */
    unsigned descriptors; /* of each queue; 0: the default */
    unsigned mtu;         /* bytes at layer 3; replies never exceed it */
    bool force_copy;      /* af_xdp: copy mode even where zero-copy works */
    unsigned busy_budget; /* af_xdp: packets a busy-poll call may take; 0 turns busy polling off */
    bool memif_server;    /* memif: make the socket (else connect to it) */
    char exception[16];   /* pci: the kernel's interface for what isn't tracker traffic; "" none */
};

struct dataplane_config {
    unsigned workers;
    unsigned cores[DATAPLANE_WORKERS_MAX];
    unsigned control_core; /* where EAL's main thread (the control plane) runs */

    unsigned ports_count;
    struct dataplane_port_config ports[DATAPLANE_PORTS_MAX];
    unsigned listen_count;
    struct dataplane_address listen[DATAPLANE_LISTEN_MAX];

    uint32_t torrents_max;   /* of all workers together */
    uint64_t peers_max;      /* likewise */
    bool huge_pages;         /* false: EAL's --no-huge, and tables on 4 KiB pages */
    unsigned deltas;         /* slots of each worker's ring (deltas.h), a power of two; 0: none */
    unsigned mbuf_memory_mb; /* EAL memory where there are no huge pages; 0: as needed */
    char file_prefix[32];    /* EAL --file-prefix */
    const char *xdp_program; /* path of steering.bpf.o, for af_xdp ports */
    bool debug;              /* let DPDK say all it has to say, on stderr */
    struct swarms_secret secret;
};

/* Changed while it runs ------------------------------------------------------------------------ */

enum dataplane_idle { DATAPLANE_POLL, DATAPLANE_ADAPTIVE };

struct ban_set;    /* dataplane/ban_set.h: prefixes whose packets are dropped; immutable */
struct access_set; /* dataplane/access_set.h: info-hashes allowed or denied; immutable */

enum dataplane_access_mode { DATAPLANE_ACCESS_OPEN, DATAPLANE_ACCESS_ALLOW, DATAPLANE_ACCESS_DENY };

struct dataplane_settings {
    uint32_t interval;        /* seconds that clients are told to wait */
    uint32_t interval_jitter; /* seconds; each reply's interval lies within +- this */
    uint16_t numwant_default; /* peers, for num_want < 0 */
    uint16_t numwant_max;
    struct swarms_timeouts timeouts;

    unsigned burst; /* packets from queues a turn, DATAPLANE_BURST_MIN..SWARMS_BURST_MAX */
    enum dataplane_idle idle;

    bool draining; /* answer, but tell clients the longest interval */
    enum dataplane_access_mode access_mode;
    const struct access_set *access; /* kept alive by the caller until dataplane_settled() */
    struct cookie_state cookies;

    /* For ports without XDP; in front of af_xdp ports the program does the same. */
    struct limiter_config limiter;
    const struct ban_set *bans; /* NULL: none; kept alive as the access set is */
};

/* Lifecycle ------------------------------------------------------------------------------------ */

struct dataplane;

/*
 * Starts EAL, ports and workers. 0, or a negative errno with one line of explanation in `error`
 * (what failed and what to do); then nothing is left behind.
 */
int dataplane_start(const struct dataplane_config *config,
                    const struct dataplane_settings *settings, struct dataplane **dataplane,
                    char *error, size_t error_size);

/* Stops the workers, then the ports; frees everything. */
void dataplane_stop(struct dataplane *dataplane);

/*
 * Once a second: takes ports that are lost out of the workers' hands, gives devices back that the
 * kernel asks for, and connects to memif's servers again.
 */
void dataplane_tend(struct dataplane *dataplane);

/* Publishes new settings; every worker takes them over at its next housekeeping. */
int dataplane_configure(struct dataplane *dataplane, const struct dataplane_settings *settings);

/* True when no worker uses any settings (or access set) older than the last published. */
bool dataplane_settled(struct dataplane *dataplane);

/* Observation ---------------------------------------------------------------------------------- */

struct dataplane_worker_info {
    unsigned core, numa_node;
    bool alive;      /* went through its loop since the last call */
    bool huge_pages; /* its tables are on huge pages */
    uint64_t cycles_busy, cycles_total;
    uint64_t burst_packets, burst_cycles; /* of all bursts together */
    uint64_t counters[COUNTERS];
    uint64_t burst_sizes[HISTOGRAM_BURST];     /* bursts by size, see counters.h */
    uint64_t service_times[HISTOGRAM_SERVICE]; /* bursts by time, see counters.h */
    struct swarms_counters swarms;
};

struct dataplane_port_info {
    const char *name;   /* as configured */
    const char *driver; /* DPDK's name */
    bool link_up;
    bool gone; /* the device was taken away, or is asked for; another of its name may be there */
    unsigned queues, mtu;
    uint64_t rx_packets, rx_bytes, rx_missed, rx_errors, rx_no_mbuf;
    uint64_t tx_packets, tx_bytes, tx_errors;
    unsigned mbufs_free, mbufs_total;
};

/* Of cycles_busy and cycles_total. */
uint64_t dataplane_cycles_per_second(const struct dataplane *dataplane);

unsigned dataplane_workers(const struct dataplane *dataplane);
unsigned dataplane_ports(const struct dataplane *dataplane);
void dataplane_worker_info(struct dataplane *dataplane, unsigned worker,
                           struct dataplane_worker_info *info);
int dataplane_port_info(struct dataplane *dataplane, unsigned port,
                        struct dataplane_port_info *info);

/*
 * The clock of the tables (`now` of swarms.h, `seen` of transfer.h): seconds, about those of the
 * wall clock at the start, and steady from then on, however the wall clock is set.
 */
uint32_t dataplane_now(const struct dataplane *dataplane);

/* The worker that owns a swarm. */
unsigned dataplane_owner(const struct dataplane *dataplane, const uint8_t *info_hash);

/*
 * Takes up to `most` of what was announced to a worker since, if the configuration has `deltas`.
 * *lost is how many records were lost so far: the ring was full, or only stops were wanted.
 */
unsigned dataplane_deltas(struct dataplane *dataplane, unsigned worker, struct delta *into,
                          unsigned most, uint64_t *lost);

/* See deltas_want_only_stops(). */
void dataplane_want_only_stops(struct dataplane *dataplane, unsigned worker, bool only_stops);

/* Jobs: what the owner of a table does for the control plane, a bounded slice a loop ----------- */

enum dataplane_job_kind {
    DATAPLANE_JOB_EXPORT,  /* fill `buffer` from `export` on */
    DATAPLANE_JOB_IMPORT,  /* merge `used` bytes of `buffer` */
    DATAPLANE_JOB_TOP,     /* fill `top` */
    DATAPLANE_JOB_SHOW,    /* fill `show`; ask the owner, dataplane_owner() */
    DATAPLANE_JOB_CLIENTS, /* fill `clients` */
};

struct dataplane_job {
    enum dataplane_job_kind kind;
    void *user;                              /* the submitter's own */
    void (*done)(struct dataplane_job *job); /* called by controlplane/jobs.h; not by dataplane/ */

    uint8_t *buffer;
    size_t size, used;

    struct transfer_export export;
    struct transfer_result result;

    struct inspect_top *top; /* these three are the submitter's; zeroed, the question filled in */
    struct inspect_show *show;
    struct inspect_clients *clients;

    int error; /* negative errno, 0 when well done */
};

/* Hands a job to a worker; it is the worker's until collected. -EAGAIN when its mailbox is full. */
int dataplane_submit(struct dataplane *dataplane, unsigned worker, struct dataplane_job *job);

/* The next finished job of that worker, or NULL. */
struct dataplane_job *dataplane_collect(struct dataplane *dataplane, unsigned worker);
