/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An appliance without packets, for drills and measurements: real tables, snapshots, store and
 * fleet, and announces that come as lines on standard input. Each line is answered by one line of
 * JSON. `help` names the commands.
 */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "appliance.h"
#include "controlplane/store/monotonic.h"

enum { LINE_SIZE = 512 };

static struct appliance appliance = {
    .tables = {.torrents_max = 1000000, .peers_max = 4000000, .deltas = 1 << 16},
};

static void on_note(void *user, bool warning, const char *text)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    fprintf(stderr, "%ld.%03ld %s: %s\n", (long)now.tv_sec, now.tv_nsec / 1000000,
            warning ? "warning" : "note", text);
}

/* Commands ------------------------------------------------------------------------------------- */

static uint64_t snapshot_began;

static void on_snapshot(void *user, unsigned failed)
{
    answer("{\"failed\": %u, \"seconds\": %.3f}", failed,
           (double)(monotonic_us() - snapshot_began) / 1e6);
}

static void command_snapshot(struct appliance *a, char *arguments)
{
    int error;

    snapshot_began = monotonic_us();
    error = persistence_snapshot(a->persistence, on_snapshot, NULL);
    if (error)
        answer("{\"error\": \"%s\"}", strerror(-error));
}

static void command_clock(struct appliance *a, char *arguments)
{
    wall_clock_set(atoll(arguments));
    answer("{\"offset\": %lld}", atoll(arguments));
}

/* A last snapshot, and the end. */
static void command_quit(struct appliance *a, char *arguments)
{
    event_base_loopbreak(a->base);
}

static void command_help(struct appliance *a, char *arguments);

static const struct {
    const char *name;
    void (*obey)(struct appliance *appliance, char *arguments);
    const char *help;
} commands[] = {
    {"announce", command_announce,
     "TORRENT FIRST COUNT [started|completed|stopped] [AGE]: peers FIRST.. of a torrent"},
    {"bulk", command_bulk,
     "PEERS SEED: a quarter of the peers each in swarms of 1, 5, 50 and 1000"},
    {"load", command_load,
     "RATE SECONDS: announces of random peers of that population, as many a second"},
    {"list", command_list, "TORRENT: the peers' numbers"},
    {"snapshot", command_snapshot, "answered when it is done"},
    {"status", command_status, ""},
    {"clock", command_clock, "SECONDS: sets the wall clock (of this process) ahead"},
    {"quit", command_quit, "a last snapshot, and the end"},
    {"help", command_help, ""},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void command_help(struct appliance *a, char *arguments)
{
    printf("{");
    for (unsigned i = 0; i < COMMANDS; i++)
        printf("%s\"%s\": \"%s\"", i ? ", " : "", commands[i].name, commands[i].help);
    answer("}");
}

static void obey(char *line)
{
    char *arguments = strchr(line, ' ');

    line[strcspn(line, "\n")] = '\0';
    if (arguments)
        *arguments++ = '\0';
    else
        arguments = line + strlen(line);
    for (unsigned i = 0; i < COMMANDS; i++) {
        if (strcmp(line, commands[i].name) != 0)
            continue;
        commands[i].obey(&appliance, arguments);
        return;
    }
    answer("{\"error\": \"no such command\"}");
}

static void on_input(evutil_socket_t fd, short what, void *user)
{
    char line[LINE_SIZE];

    if (fgets(line, sizeof(line), stdin))
        obey(line);
    else
        event_base_loopbreak(appliance.base);
}

/* Start and end -------------------------------------------------------------------------------- */

static bool start(struct appliance *a)
{
    char error[256];
    struct persistence_config config;

    a->base = event_base_new();
    a->dataplane = tables_start(&a->tables);
    if (!a->base || !a->dataplane) {
        fprintf(stderr, "appliance: out of memory\n");
        return false;
    }
    a->jobs = jobs_new(a->base, a->dataplane);
    config = (struct persistence_config){.settings = &a->settings,
                                         .on_note = on_note,
                                         .base = a->base,
                                         .jobs = a->jobs,
                                         .dataplane = a->dataplane,
                                         .secret = &a->tables.secret,
                                         .timeouts = &a->tables.timeouts};
    a->persistence = persistence_start(&config, error, sizeof(error));
    if (!a->persistence)
        fprintf(stderr, "appliance: %s\n", error);
    return a->persistence != NULL;
}

static void stop(struct appliance *a)
{
    persistence_stop(a->persistence, 30);
    tables_stop(a->dataplane);
    persistence_free(a->persistence);
    jobs_free(a->jobs);
    event_base_free(a->base);
}

int main(int argc, char *argv[])
{
    struct event *input;

    appliance_options(&appliance, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdin, NULL, _IONBF, 0); /* a line that stdio holds back would wake nobody */
    if (!start(&appliance))
        return 1;
    input = event_new(appliance.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, NULL);
    event_add(input, NULL);
    event_base_dispatch(appliance.base);
    event_free(input);
    stop(&appliance);
    answer("{\"ok\": true}");
    return 0;
}
