/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_schema.h"

#include <string.h>

#include "config.h"

#define FIELD(member)                                                                              \
    .offset = offsetof(struct config, member), .size = sizeof(((struct config *)NULL)->member)
#define LIST(member, count)                                                                        \
    .offset = offsetof(struct config, member), .size = sizeof(((struct config *)NULL)->member[0]), \
    .list_max =                                                                                    \
        sizeof(((struct config *)NULL)->member) / sizeof(((struct config *)NULL)->member[0]),      \
    .count_offset = offsetof(struct config, count)
#define PORT_FIELD(member)                                                                         \
    .offset = offsetof(struct dataplane_port_config, member),                                      \
    .size = sizeof(((struct dataplane_port_config *)NULL)->member)

#define RESTART_CORES   "workers are pinned to their cores at start"
#define RESTART_MEMORY  "memory is reserved at start"
#define RESTART_PORTS   "ports are opened at start"
#define RESTART_LISTEN  "steering and workers take the addresses at start"
#define RESTART_PROGRAM "the program is attached at start"
#define RESTART_STORE   "the store is opened at start"
#define RESTART_SOCKET  "sockets are opened at start, before privileges are dropped"
#define RESTART_CONFINE "privileges can't be had again once dropped"

enum {
    MINUTE = 60,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR,
    ANY_KIND = 0,
    AF_XDP_ONLY = 1 << DATAPLANE_AF_XDP,
    PCI_ONLY = 1 << DATAPLANE_PCI,
    MEMIF_ONLY = 1 << DATAPLANE_MEMIF,
    VDEV_ONLY = 1 << DATAPLANE_VDEV,
};

static const char *const idle_choices[] = {"poll", "adaptive", NULL};
static const char *const port_choices[] = {"af_xdp", "pci", "memif", "vdev", NULL};
static const char *const role_choices[] = {"client", "server", NULL};
static const char *const xdp_mode_choices[] = {"auto", "native", "generic", NULL};
static const char *const access_choices[] = {"open", "allow", "deny", NULL};
static const char *const store_choices[] = {"none", "file", "redis", NULL};
static const char *const redis_mode_choices[] = {"cluster", "single", NULL};
static const char *const log_level_choices[] = {"error", "warning", "info", "debug", NULL};
static const char *const log_target_choices[] = {"auto", "stderr", "journal", NULL};

const struct config_section config_sections[] = {
    {"workers",
     "The worker cores: each polls its queues, owns a share of the swarms and does nothing "
     "else."},
    {"memory", "Hard caps. All memory is reserved from them at start; it never grows."},
    {"tracker", "What clients are told."},
    {"connection_id", "Connection IDs (BEP 15) are signed, not stored; the key signs them."},
    {"xdp", "The program that steers packets in front of af_xdp ports."},
    {"limits", "What a source may ask for in a second. What is above is dropped and counted."},
    {"access", "Which torrents are tracked."},
    {"store", "What outlives a restart. Swarms are written in chunks, over and over, and read at "
              "start while "
              "announces are served."},
    {"redis", "The Redis that keeps swarms, with store.type redis."},
    {"fleet",
     "Several appliances that answer as one: what is announced at one is handed out by the others "
     "within a second. Needs store.type redis."},
    {"control", "The socket that musterctl talks to."},
    {"metrics", "Prometheus metrics, /healthz and the live page, over HTTP."},
    {"log", "The log."},
    {"confine", "What the process may still do once it has started."},
    {NULL, NULL},
};

/* The first one is the kind, in the order of enum dataplane_port_kind. */
static const struct config_key port_fields[] = {
    {"type", CONFIG_CHOICE, PORT_FIELD(kind), .choices = port_choices, .required = true,
     .help = "af_xdp: an interface that the kernel keeps; XDP picks out the tracker's packets. "
             "pci: a NIC that DPDK drives itself. memif: shared memory with another process. "
             "vdev: any virtual device of DPDK."},
    {"interface", CONFIG_STRING, PORT_FIELD(device), .kinds = AF_XDP_ONLY, .required = true,
     .help = "The network interface."},
    {"address", CONFIG_STRING, PORT_FIELD(device), .kinds = PCI_ONLY, .required = true,
     .help = "The PCI address, as lspci -D prints it (0000:03:00.0)."},
    {"socket", CONFIG_PATH, PORT_FIELD(device), .kinds = MEMIF_ONLY, .required = true,
     .help = "The socket over which both sides meet."},
    {"args", CONFIG_STRING, PORT_FIELD(device), .kinds = VDEV_ONLY, .required = true,
     .help = "The device and its arguments, as for DPDK's --vdev."},
    {"role", CONFIG_CHOICE, PORT_FIELD(memif_server), .kinds = MEMIF_ONLY, .choices = role_choices,
     .initial = "client",
     .help = "server makes the socket; client connects to it, and looks for it once a second."},
    {"queues", CONFIG_COUNT, PORT_FIELD(queues), .min = 1, .max = DATAPLANE_WORKERS_MAX,
     .initial = "1",
     .help =
         "Receive and transmit queue pairs, each polled by one worker. Best as many as there are "
         "workers; an af_xdp port starts at the interface's queue 0 and wants all of them "
         "(ethtool -L INTERFACE combined N)."},
    {"descriptors", CONFIG_COUNT, PORT_FIELD(descriptors), .max = 32768, .initial = "0",
     .help = "Descriptors of each queue; 0 for the driver's default. More ride out longer bursts, "
             "and take more cache. An af_xdp port has 2048 at least, and holds no more packets."},
    {"mtu", CONFIG_COUNT, PORT_FIELD(mtu), .min = 576, .max = 9000, .initial = "1500",
     .help = "Bytes of an IP packet at most: replies name no more peers than fit. Lower it where "
             "clients sit behind tunnels."},
    {"force_copy", CONFIG_BOOL, PORT_FIELD(force_copy), .kinds = AF_XDP_ONLY, .initial = "false",
     .help = "Copy packets even where the driver could do without: for drivers whose zero-copy "
             "mode is broken."},
    {"busy_budget", CONFIG_COUNT, PORT_FIELD(busy_budget), .kinds = AF_XDP_ONLY, .max = 512,
     .initial = "64",
     .help =
         "Packets that one busy-poll call to the kernel may take; 0 turns busy polling off, and "
         "leaves the driver's work to softirqs."},
    {"exception", CONFIG_STRING, PORT_FIELD(exception), .kinds = PCI_ONLY, .optional = true,
     .initial = "",
     .help = "Name of the kernel interface to make for what isn't tracker traffic (ARP, ping, SSH, "
             "BGP); empty: none, and such packets are dropped."},
    {.name = NULL},
};

const struct config_key config_keys[] = {
    {"instance", CONFIG_STRING, FIELD(dataplane.file_prefix), .initial = "muster",
     .restart = RESTART_MEMORY,
     .help = "Name of this daemon among those of the machine; DPDK's files bear it."},

    {"listen", CONFIG_ADDRESS, LIST(dataplane.listen, dataplane.listen_count),
     .initial = "[\"0.0.0.0:6969\", \"[::]:6969\"]", .restart = RESTART_LISTEN,
     .help = "Addresses and UDP ports that are the tracker's; anything else stays the kernel's. "
             "0.0.0.0 and [::] stand for whatever address a packet was sent to. Replies always "
             "come from the address that was asked."},
    {"ports", CONFIG_RECORD, LIST(dataplane.ports, dataplane.ports_count), .fields = port_fields,
     .example = "\n  - type: af_xdp\n    interface: eth0\n    queues: 1\n"
                "# - type: pci\n#   address: 0000:03:00.0\n#   queues: 4\n#   exception: muster0\n"
                "# - type: memif\n#   socket: /run/muster/memif.sock\n#   role: server\n"
                "# - type: vdev\n#   args: net_tap0,iface=tap0",
     .restart = RESTART_PORTS, .help = "Where packets come from."},

    {"workers.cores", CONFIG_COUNT, LIST(dataplane.cores, dataplane.workers), .max = 1023,
     .initial = "[1]", .restart = RESTART_CORES,
     .help = "One worker on each of these CPU cores. Keep them free of anything else "
             "(muster-host check)."},
    {"workers.control_core", CONFIG_COUNT, FIELD(dataplane.control_core), .max = 1023,
     .initial = "0", .restart = RESTART_CORES,
     .help =
         "The core of the control plane: logging, metrics, snapshots. One of its own is best; on a "
         "small machine it may share a worker's, with idle: adaptive."},
    {"workers.burst", CONFIG_COUNT, FIELD(settings.burst), .min = DATAPLANE_BURST_MIN,
     .max = SWARMS_BURST_MAX, .initial = "32",
     .help = "Packets handled together. Lower answers a lone packet sooner, higher hides more "
             "memory latency under load. Asked for fewer than 8, some NICs' drivers give none."},
    {"workers.idle", CONFIG_CHOICE, FIELD(settings.idle), .choices = idle_choices,
     .initial = "adaptive",
     .help = "poll: never sleep, the core is always at 100 %. adaptive: short sleeps when nothing "
             "comes, which cost up to some 100 microseconds of latency."},

    {"memory.torrents", CONFIG_COUNT, FIELD(dataplane.torrents_max), .min = 1000, .max = 2000000000,
     .initial = "1M", .restart = RESTART_MEMORY,
     .help = "Swarms at most (a torrent has one for IPv4 and one for IPv6). At the cap the stalest "
             "of a few is evicted for a new one."},
    {"memory.peers", CONFIG_COUNT, FIELD(dataplane.peers_max), .min = 1000, .max = 20000000000,
     .initial = "4M", .restart = RESTART_MEMORY,
     .help =
         "IPv4 peers at most; an IPv6 peer counts as two. At the cap the stalest swarm of a few "
         "makes room; if that isn't enough, new peers get their answer, but aren't stored."},
    {"memory.huge_pages", CONFIG_BOOL, FIELD(dataplane.huge_pages), .initial = "true",
     .restart = RESTART_MEMORY,
     .help = "Tables and packets on huge pages. Without them random access costs about twice as "
             "much."},
    {"memory.packets_mib", CONFIG_COUNT, FIELD(dataplane.mbuf_memory_mb), .max = 65536,
     .initial = "0", .restart = RESTART_MEMORY,
     .help =
         "Memory for packet buffers and rings where there are no huge pages, in MiB; 0: as much "
         "as the ports need."},

    {"tracker.interval", CONFIG_DURATION, FIELD(settings.interval), .min = 1, .max = 2 * HOUR,
     .initial = "30m", .help = "How long clients shall wait before they announce again."},
    {"tracker.interval_jitter", CONFIG_DURATION, FIELD(settings.interval_jitter), .max = HOUR,
     .initial = "3m",
     .help = "Each client is told the interval plus or minus up to this, so that crowds disperse."},
    {"tracker.interval_max", CONFIG_DURATION, FIELD(adaptive_interval.maximum), .min = 1,
     .max = 3 * HOUR, .initial = "60m",
     .help = "Under load the interval stretches, up to this; while draining clients are told this "
             "one. The same as the interval: it never stretches."},
    {"tracker.target_load", CONFIG_COUNT, FIELD(adaptive_interval.load), .min = 1, .max = 100,
     .initial = "70",
     .help = "Percent of its time that the busiest worker may work before the interval stretches."},
    {"tracker.numwant_default", CONFIG_COUNT, FIELD(settings.numwant_default), .max = 1000,
     .initial = "50", .help = "Peers for a client that doesn't say how many it wants."},
    {"tracker.numwant_max", CONFIG_COUNT, FIELD(settings.numwant_max), .max = 1000,
     .initial = "200", .help = "Peers in one reply at most; the port's MTU caps it, too."},
    {"tracker.peer_timeout", CONFIG_DURATION, FIELD(settings.timeouts.peer), .min = 1,
     .max = SWARMS_TIMEOUT_MAX, .initial = "75m",
     .help =
         "A peer that hasn't announced for so long is forgotten. Must be longer than the longest "
         "interval that a client may be told."},
    {"tracker.torrent_timeout", CONFIG_DURATION, FIELD(settings.timeouts.torrent), .min = 1,
     .max = SWARMS_TIMEOUT_MAX, .initial = "4h",
     .help = "A torrent without peers keeps its download count for so long."},

    {"connection_id.key_file", CONFIG_PATH, FIELD(connection_id.key_file),
     .initial = "/var/lib/muster/connection-id.key",
     .restart = "a run keeps to one file; a reload reads it again",
     .help =
         "Where the keys are kept (mode 0600; made if missing), so that connection IDs outlive a "
         "restart. Appliances with the same file honour each other's."},
    {"connection_id.rotation", CONFIG_DURATION, FIELD(connection_id.rotation), .min = 5 * MINUTE,
     .max = 365 * DAY, .initial = "24h", .help = "A new key after so long."},

    {"xdp.program", CONFIG_PATH, FIELD(xdp.program), .initial = MUSTER_XDP_PROGRAM,
     .restart = RESTART_PROGRAM, .help = "The compiled program, steering.bpf.o."},
    {"xdp.mode", CONFIG_CHOICE, FIELD(xdp.mode), .choices = xdp_mode_choices, .initial = "auto",
     .restart = RESTART_PROGRAM,
     .help = "native: in the driver. generic: in the kernel's stack, slower, works everywhere, and "
             "needs "
             "force_copy of the ports. auto: native where the driver has it."},
    {"xdp.answer_connect", CONFIG_BOOL, FIELD(xdp.answer_connect), .initial = "true",
     .help = "Answer connect requests in the program already, before a worker sees them."},

    {"limits.dry_run", CONFIG_BOOL, FIELD(limits.dry_run), .initial = "false",
     .help =
         "Only count what is over a limit (would_limit), and let it through: to find good limits."},
    {"limits.connect_address", CONFIG_COUNT, FIELD(limits.rates[LIMITER_CONNECT][0]),
     .max = LIMITER_RATE_MAX, .initial = "100",
     .help =
         "Connect requests a second from an address (IPv6: from a /64); 0: no limit. Sources of "
         "connect requests can be forged."},
    {"limits.connect_network", CONFIG_COUNT, FIELD(limits.rates[LIMITER_CONNECT][1]),
     .max = LIMITER_RATE_MAX, .initial = "2000",
     .help = "The same from the network around it: a /24, for IPv6 a /48."},
    {"limits.request_address", CONFIG_COUNT, FIELD(limits.rates[LIMITER_ESTABLISHED][0]),
     .max = LIMITER_RATE_MAX, .initial = "1000",
     .help = "Announces and scrapes with a valid connection ID a second, from an address; 0: no "
             "limit. Mind that thousands of clients may share one."},
    {"limits.request_network", CONFIG_COUNT, FIELD(limits.rates[LIMITER_ESTABLISHED][1]),
     .max = LIMITER_RATE_MAX, .initial = "20k", .help = "The same from the network around it."},
    {"limits.burst", CONFIG_DURATION, FIELD(limits.burst), .min = 1,
     .max = LIMITER_DEBT_SECONDS_MAX, .initial = "5s",
     .help = "So many seconds' worth of a limit may come at once."},

    {"access.mode", CONFIG_CHOICE, FIELD(settings.access_mode), .choices = access_choices,
     .initial = "open",
     .help =
         "open: every torrent. allow: only those in the list. deny: all but those in the list."},
    {"access.file", CONFIG_PATH, FIELD(access.file), .optional = true, .initial = "",
     .help = "The list: one info-hash a line (40 hexadecimal digits), # begins a comment. Read at "
             "start, on reload and by musterctl access load."},

    {"store.type", CONFIG_CHOICE, FIELD(persistence.kind), .choices = store_choices,
     .initial = "file", .restart = RESTART_STORE,
     .help =
         "none: a restart empties the swarms. file: in a directory. redis: in Redis, for fleets "
         "and for machines that may be replaced."},
    {"store.directory", CONFIG_PATH, FIELD(persistence.directory),
     .initial = "/var/lib/muster/swarms", .restart = RESTART_STORE,
     .help = "Where files go; made if missing. One daemon's own. Some 10 bytes a peer in large "
             "swarms, 30 in small ones."},
    {"store.interval", CONFIG_DURATION, FIELD(persistence.interval), .min = 1, .max = HOUR,
     .initial = "60s",
     .help = "A change is stored within so long: what a crash may lose. All tables are read once "
             "in that time."},
    {"store.refresh", CONFIG_DURATION, FIELD(persistence.refresh), .min = 10, .max = DAY,
     .initial = "30m",
     .help = "Every chunk is written within so long, changed or not: what heals a store that lost "
             "something unnoticed."},

    {"redis.nodes", CONFIG_STRING, LIST(persistence.redis.nodes, persistence.redis.nodes_count),
     .initial = "[\"127.0.0.1:6379\"]", .example = "[\"10.0.0.11:6379\", \"10.0.0.12:6379\"]",
     .restart = RESTART_STORE,
     .help = "host:port of some of the cluster's nodes; they name the others. Names are looked up "
             "anew whenever a node has to be found again."},
    {"redis.mode", CONFIG_CHOICE, FIELD(persistence.redis.single), .choices = redis_mode_choices,
     .initial = "cluster", .restart = RESTART_STORE,
     .help = "cluster: Redis Cluster. single: one server, the first of redis.nodes."},
    {"redis.user", CONFIG_STRING, FIELD(persistence.redis.user), .optional = true, .initial = "",
     .restart = RESTART_STORE,
     .help = "ACL user; empty: the default one. It needs +set +get +xadd +xread +expire "
             "+cluster|slots +asking +info on ~{*."},
    {"redis.password_file", CONFIG_PATH, FIELD(persistence.redis.password_file), .optional = true,
     .initial = "", .restart = RESTART_STORE,
     .help =
         "A file whose first line is the password; confine.user must be able to read it. Empty: "
         "no password."},
    {"redis.expiry", CONFIG_DURATION, FIELD(persistence.redis.expiry), .min = 10 * MINUTE,
     .max = 30 * DAY, .initial = "24h", .restart = RESTART_STORE,
     .help = "Redis forgets what an appliance that is gone has written after so long."},

    {"fleet.enabled", CONFIG_BOOL, FIELD(persistence.fleet.enabled), .initial = "false",
     .restart = RESTART_STORE, .help = "Share swarms with the other appliances."},
    {"fleet.number", CONFIG_COUNT, FIELD(persistence.fleet.number), .max = 63, .initial = "0",
     .restart = RESTART_STORE,
     .help = "This appliance's number, each its own: what it writes bears it. Whoever comes with a "
             "number takes the place of the one who had it."},
    {"fleet.name", CONFIG_STRING, FIELD(persistence.fleet.name), .optional = true, .initial = "",
     .restart = RESTART_STORE,
     .help = "Its name, for people, in musterctl fleet; empty: the host's."},
    {"fleet.retention", CONFIG_DURATION, FIELD(persistence.fleet.retention), .min = MINUTE,
     .max = HOUR, .initial = "3m", .restart = RESTART_STORE,
     .help = "Redis keeps what was announced for so long, for appliances that fall behind. Longer "
             "takes memory, shorter makes them read snapshots instead. At least twice "
             "store.interval."},

    {"control.socket", CONFIG_PATH, FIELD(control.socket), .initial = "/run/muster/control.sock",
     .restart = RESTART_SOCKET, .help = "Unix socket, made with mode 0660."},
    {"control.group", CONFIG_STRING, FIELD(control.group), .optional = true, .initial = "",
     .restart = RESTART_SOCKET,
     .help =
         "Group that may use the socket; empty: the daemon's own. Whoever may use it can stop the "
         "tracker and change what clients are told."},

    {"metrics.address", CONFIG_ADDRESS, FIELD(metrics.address), .optional = true,
     .initial = "127.0.0.1:9969", .restart = RESTART_SOCKET,
     .help = "Address and TCP port, or off. There is no password: keep it on loopback or a "
             "management network."},

    {"log.level", CONFIG_CHOICE, FIELD(log.level), .choices = log_level_choices, .initial = "info",
     .help = "What is logged: this and whatever is worse."},
    {"log.target", CONFIG_CHOICE, FIELD(log.target), .choices = log_target_choices,
     .initial = "auto", .restart = RESTART_SOCKET,
     .help = "auto: the journal when systemd started us, else stderr."},

    {"confine.user", CONFIG_STRING, FIELD(confine.user), .optional = true, .initial = "",
     .restart = RESTART_CONFINE,
     .help =
         "Become this user once ports and memory are taken, and keep only the capabilities that "
         "af_xdp ports need; empty: stay who we are."},
    {"confine.files", CONFIG_BOOL, FIELD(confine.files), .initial = "true",
     .restart = RESTART_CONFINE,
     .help = "Deny all files but what a running tracker needs (Landlock): the folders of this file "
             "and of access.file may be read; those of the keys, the control socket and the store "
             "written."},
    {"confine.readable", CONFIG_PATH, FIELD(confine.readable), .optional = true, .initial = "",
     .restart = RESTART_CONFINE,
     .help = "One more folder that may be read, for access lists that lie elsewhere."},
    {"confine.seccomp", CONFIG_BOOL, FIELD(confine.seccomp), .initial = "true",
     .restart = RESTART_CONFINE,
     .help = "Refuse all system calls but those that a running tracker makes. Turn it off only to "
             "find out whether it is in the way."},
    {.name = NULL},
};

const struct config_key *config_key_find(const char *name)
{
    for (const struct config_key *key = config_keys; key->name; key++)
        if (strcmp(key->name, name) == 0)
            return key;
    return NULL;
}

size_t config_section_length(const struct config_key *key)
{
    const char *dot = strchr(key->name, '.');

    return dot ? (size_t)(dot - key->name) : 0;
}

bool config_field_applies(const struct config_key *field, unsigned kind)
{
    return field->kinds == 0 || field->kinds & 1u << kind;
}
