/* SPDX-License-Identifier: BSD-3-Clause */
#include "command_table.h"

#define HASH_ARGUMENT                                                                              \
    {                                                                                              \
        .name = "hash", .kind = ARGUMENT_HASH, .required = true,                                   \
        .help = "info-hash of the torrent, 40 hexadecimal digits",                                 \
    }

#define PREFIX_ARGUMENT(text)                                                                      \
    {                                                                                              \
        .name = "prefix", .kind = ARGUMENT_TEXT, .required = true, .help = text,                   \
    }

const struct command command_table[COMMANDS_COUNT] = {
    [COMMAND_status] =
        {
            .noun = "status",
            .method = "status",
            .summary = "how the appliance is: health, uptime, traffic, table fill, ports",
            .details = "The first thing to look at. Says ok, draining or failing, and why.",
            .result = "version, hostname, pid, config (the file), started, uptime, health (status, "
                      "reason), interval, interval_base (unstretched), now (rates), tables, "
                      "workers, ports, drops",
        },
    [COMMAND_stats] =
        {
            .noun = "stats",
            .method = "stats",
            .summary = "every counter, and its rate over the last second",
            .details = "Counters run from the start of the daemon and never go back. A packet that "
                       "comes in is counted as received, and then as exactly one drop, punt or "
                       "reply.",
            .result = "rates, tables, counters (name, help, total, rate), xdp (the same, or null "
                      "where XDP doesn't steer)",
            .arguments =
                {
                    {
                        .name = "rate",
                        .kind = ARGUMENT_FLAG,
                        .option = true,
                        .help = "only what moved in the last second",
                    },
                },
        },
    [COMMAND_drops] =
        {
            .noun = "drops",
            .method = "drops",
            .summary = "why packets got no answer: every reason, with what it means",
            .details = "Both workers and XDP drop; `where` tells which did.",
            .result = "received, drops (where, reason, help, total, rate), the busiest first",
            .arguments =
                {
                    {
                        .name = "all",
                        .kind = ARGUMENT_FLAG,
                        .option = true,
                        .help = "the reasons that never occurred, too",
                    },
                },
        },
    [COMMAND_workers] =
        {
            .noun = "workers",
            .method = "workers",
            .summary = "each worker: core, load, rates, bursts, service time, table",
            .result = "workers (worker, core, numa_node, alive, load, received, sent and dropped a "
                      "second, handed_off, burst_mean, service_p50, service_p99, torrents, peers, "
                      "memory_used)",
        },
    [COMMAND_ports] =
        {
            .noun = "ports",
            .method = "ports",
            .summary = "each port: driver, link, traffic, loss, buffers",
            .details =
                "`rx_missed` is what the NIC dropped because its ring was full: the workers "
                "are too slow or too few. `mbufs_free` near zero means that buffers run out.",
            .result =
                "ports (name, driver, xdp, link_up, queues, mtu, rx_packets, rx_bytes, rx_missed, "
                "rx_errors, rx_no_mbuf, tx_packets, tx_bytes, tx_errors, mbufs_free, "
                "mbufs_total)",
        },
    [COMMAND_top] =
        {
            .noun = "top",
            .method = "live",
            .summary = "live view of the terminal: rates, latency, drops, load of each worker",
            .details = "Redraws every second. q or Ctrl-C ends it. With --json, or when the output "
                       "is no terminal, prints one reading and ends.",
            .result = "as `status`; swarms: top (the largest, by the first digits of their "
                      "info-hashes) and sizes (how many swarms have up to so many peers), at most "
                      "some seconds old, null before the first look; history: an array of each "
                      "rate, one value a second, the oldest first; its time is in milliseconds",
            .arguments =
                {
                    {
                        .name = "history",
                        .kind = ARGUMENT_NUMBER,
                        .option = true,
                        .minimum = 0,
                        .maximum = 300,
                        .initial = "60",
                        .help = "seconds of the past to send",
                    },
                },
        },
    [COMMAND_swarms_top] =
        {
            .noun = "swarms",
            .verb = "top",
            .method = "swarms.top",
            .summary = "the largest swarms, or the busiest",
            .details = "Walks the tables in slices between bursts: it takes a moment on a full "
                       "appliance and costs the clients nothing. The rate is of about the last "
                       "one and a half minutes.",
            .result = "swarms (info_hash, family, seeders, leechers, completed, "
                      "announces_per_minute)",
            .arguments =
                {
                    {
                        .name = "by",
                        .kind = ARGUMENT_CHOICE,
                        .option = true,
                        .choices = "peers|rate",
                        .initial = "peers",
                        .help = "what to order by",
                    },
                    {
                        .name = "limit",
                        .kind = ARGUMENT_NUMBER,
                        .option = true,
                        .minimum = 1,
                        .maximum = 100,
                        .initial = "10",
                        .help = "how many to show",
                    },
                },
        },
    [COMMAND_swarms_show] =
        {
            .noun = "swarms",
            .verb = "show",
            .method = "swarms.show",
            .summary = "one swarm: counts, memory, a sample of its peers",
            .result = "swarms, one of each family found (info_hash, family, seeders, leechers, "
                      "completed, announces_per_minute, memory, owner, peers: address, port, "
                      "seeder, age)",
            .arguments = {HASH_ARGUMENT},
        },
    [COMMAND_clients] =
        {
            .noun = "clients",
            .method = "clients",
            .summary = "which client programs announce, by the first bytes of their peer IDs",
            .details = "A sample of the announces of about the last ten minutes. Peer IDs are what "
                       "clients claim; BEP 20 says how they name program and version.",
            .result = "clients (prefix, program, version, announces, share), others, others_share, "
                      "announces, sampled_of",
            .arguments =
                {
                    {
                        .name = "limit",
                        .kind = ARGUMENT_NUMBER,
                        .option = true,
                        .minimum = 1,
                        .maximum = 1000,
                        .initial = "20",
                        .help = "how many to show",
                    },
                },
        },
    [COMMAND_config_show] =
        {
            .noun = "config",
            .verb = "show",
            .method = "config.show",
            .summary = "the configuration as it runs",
            .result = "file, keys (key, value, default, live, restart: why it needs one, help)",
            .arguments =
                {
                    {
                        .name = "key",
                        .kind = ARGUMENT_KEY,
                        .help = "only this key, or the keys of this section",
                    },
                },
        },
    [COMMAND_config_check] =
        {
            .noun = "config",
            .verb = "check",
            .method = "config.check",
            .summary = "whether a file would be taken, and if not, why",
            .details = "Reads the file as the daemon would, and changes nothing.",
            .result = "file, valid, errors (one a line of the file that is wrong)",
            .arguments =
                {
                    {
                        .name = "file",
                        .kind = ARGUMENT_FILE,
                        .help = "default: the file that the daemon was started with",
                    },
                },
        },
    [COMMAND_config_diff] =
        {
            .noun = "config",
            .verb = "diff",
            .method = "config.diff",
            .summary = "where the file differs from what runs",
            .result = "file, changes (key, running, file, live, restart: why it needs one)",
        },
    [COMMAND_config_reload] =
        {
            .noun = "config",
            .verb = "reload",
            .method = "config.reload",
            .summary = "read the file again and apply it: all or nothing",
            .details = "An invalid file changes nothing. Keys that need a restart are named with "
                       "the reason; the others take effect at once, without losing a packet.",
            .result = "file, report (one line each change)",
        },
    [COMMAND_config_set] =
        {
            .noun = "config",
            .verb = "set",
            .method = "config.set",
            .summary = "change a live key until the next restart or reload",
            .details = "The file isn't written: put there what should last. Keys that need a "
                       "restart are refused with the reason.",
            .result = "key, value (as it is now), before",
            .arguments =
                {
                    {
                        .name = "key",
                        .kind = ARGUMENT_KEY,
                        .required = true,
                        .help = "as `config show` names it, tracker.interval",
                    },
                    {
                        .name = "value",
                        .kind = ARGUMENT_TEXT,
                        .required = true,
                        .help = "as it would stand in the file, 30m",
                    },
                },
        },
    [COMMAND_access_show] =
        {
            .noun = "access",
            .verb = "show",
            .method = "access.show",
            .summary = "who may be announced: mode, size of the list, where it came from",
            .result = "mode, entries, file, loaded, edits, changing, refused, and hash and listed "
                      "when one was asked for",
            .arguments =
                {
                    {
                        .name = "hash",
                        .kind = ARGUMENT_HASH,
                        .help = "is this info-hash on the list?",
                    },
                },
        },
    [COMMAND_access_mode] =
        {
            .noun = "access",
            .verb = "mode",
            .method = "access.mode",
            .summary = "what the list means: nothing, only these, or all but these",
            .details = "A refused announce gets a BEP 15 error, once the client has shown by its "
                       "connection ID that it is where it says.",
            .result = "key, mode, before",
            .arguments =
                {
                    {
                        .name = "mode",
                        .kind = ARGUMENT_CHOICE,
                        .required = true,
                        .choices = "open|allow|deny",
                        .help = "open: every torrent; allow: only listed; deny: all but listed",
                    },
                },
        },
    [COMMAND_access_add] =
        {
            .noun = "access",
            .verb = "add",
            .method = "access.add",
            .summary = "put an info-hash on the list, until the next load",
            .result = "as of `access show`, hash, changed: false if it was so before",
            .arguments = {HASH_ARGUMENT},
        },
    [COMMAND_access_del] =
        {
            .noun = "access",
            .verb = "del",
            .method = "access.del",
            .summary = "take an info-hash off the list, until the next load",
            .result = "as of `access show`, hash, changed: false if it was so before",
            .arguments = {HASH_ARGUMENT},
        },
    [COMMAND_access_load] =
        {
            .noun = "access",
            .verb = "load",
            .method = "access.load",
            .summary = "read the list from a file and swap it in at once",
            .details = "One info-hash in hexadecimal a line; # begins a comment. A bad line is "
                       "named by its number, and the old list stays.",
            .result = "as of `access show`",
            .arguments =
                {
                    {
                        .name = "file",
                        .kind = ARGUMENT_FILE,
                        .help = "default: access.file of the configuration",
                    },
                },
        },
    [COMMAND_ban_add] =
        {
            .noun = "ban",
            .verb = "add",
            .method = "ban.add",
            .summary = "answer nothing to an address or prefix",
            .result = "prefix, expires (seconds from now; absent: never)",
            .arguments =
                {
                    PREFIX_ARGUMENT("192.0.2.7, 192.0.2.0/24, 2001:db8::/48"),
                    {
                        .name = "duration",
                        .kind = ARGUMENT_TEXT,
                        .help = "90s, 15m, 2h, 7d; without one: until it is deleted",
                    },
                },
        },
    [COMMAND_ban_del] =
        {
            .noun = "ban",
            .verb = "del",
            .method = "ban.del",
            .summary = "lift a ban",
            .result = "prefix",
            .arguments = {PREFIX_ARGUMENT("as `ban list` shows it")},
        },
    [COMMAND_ban_list] =
        {
            .noun = "ban",
            .verb = "list",
            .method = "ban.list",
            .summary = "the bans and when they end",
            .result = "bans (prefix, expires)",
        },
    [COMMAND_drain] =
        {
            .noun = "drain",
            .method = "drain",
            .summary = "get ready to go: answer, but send clients away for long",
            .details = "Clients are told the longest interval, /healthz says draining so that load "
                       "balancers stop sending, and nothing is dropped.",
            .result = "draining",
        },
    [COMMAND_undrain] =
        {
            .noun = "undrain",
            .method = "undrain",
            .summary = "back to work after drain",
            .result = "draining",
        },
    [COMMAND_store] =
        {
            .noun = "store",
            .method = "store",
            .summary = "where snapshots go: nodes, state, errors, bytes a peer",
            .result = "kind, state, and what the store says of itself",
        },
    [COMMAND_fleet] =
        {
            .noun = "fleet",
            .method = "fleet",
            .summary = "the other appliances: state and lag of each",
            .result = "members (appliance, state, lag_seconds, lag_records)",
        },
    [COMMAND_snapshot] =
        {
            .noun = "snapshot",
            .method = "snapshot",
            .summary = "write all swarms to the store now",
            .details = "Returns when it has begun; `store` shows how far it is.",
            .result = "started",
        },
    [COMMAND_log] =
        {
            .noun = "log",
            .method = "log",
            .summary = "how much the daemon says",
            .result = "key, level, before",
            .arguments =
                {
                    {
                        .name = "level",
                        .kind = ARGUMENT_CHOICE,
                        .required = true,
                        .choices = "error|warning|info|debug",
                        .help = "debug is for looking for a fault; info is what to keep",
                    },
                },
        },
    [COMMAND_shutdown] =
        {
            .noun = "shutdown",
            .method = "shutdown",
            .summary = "stop the daemon in order: last snapshot, ports, sockets",
            .result = "stopping",
        },
};
