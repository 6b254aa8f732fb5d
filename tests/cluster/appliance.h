/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the drills' appliance, and what it is made of. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/persistence.h"
#include "tables.h"

struct event_base;

struct appliance {
    struct event_base *base;
    struct tables_config tables;
    struct persistence_settings settings;
    struct dataplane *dataplane;
    struct jobs *jobs;
    struct persistence *persistence;
};

/* Prints a line of output. */
void answer(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * What the command line says, else what is usual; of the tables' caps and of the rings, else what
 * `appliance` has already. Ends the program if the options are wrong.
 */
void appliance_options(struct appliance *appliance, int argc, char *argv[]);

/* Commands: each answers by a line, some of them later. */
void command_announce(struct appliance *appliance, char *arguments);
void command_bulk(struct appliance *appliance, char *arguments);
void command_load(struct appliance *appliance, char *arguments);
void command_list(struct appliance *appliance, char *arguments);
void command_status(struct appliance *appliance, char *arguments);

/* Seconds that this process's wall clock is ahead of the machine's. */
void wall_clock_set(int64_t offset);
