/* SPDX-License-Identifier: BSD-3-Clause */
/* musterbench: what the parts of Muster cost, each by itself, with no NIC. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

static const struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} subcommands[] = {
    {"table", bench_table, "one worker, from request to reply, on frames in memory"},
    {"handoff", bench_handoff, "several workers against one, with hand-off by owner"},
    {"flood", bench_flood, "the tables, with keys chosen against them"},
    {"xdp", bench_xdp, "the XDP program, for each kind of packet"},
};

enum { SUBCOMMANDS = sizeof(subcommands) / sizeof(subcommands[0]) };

static void usage(FILE *stream)
{
    fprintf(stream, "usage: musterbench COMMAND [OPTION...]\n\n");
    for (unsigned i = 0; i < SUBCOMMANDS; i++)
        fprintf(stream, "  %-10s %s\n", subcommands[i].name, subcommands[i].help);
    fprintf(stream, "\n`musterbench COMMAND --help` tells its options.\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("musterbench %s\n", MUSTER_VERSION);
        return 0;
    }
    for (unsigned i = 0; i < SUBCOMMANDS; i++)
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return subcommands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "musterbench: no command \"%s\"\n", argv[1]);
    usage(stderr);
    return 2;
}
