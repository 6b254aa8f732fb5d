/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration: one flat struct (no pointers into the heap: assign it to copy it), read from
 * YAML. Each key stands once, in the table of config_schema.c; reading, checking, showing,
 * comparing and the documentation (configs/muster.yaml, muster.yaml(5)) are made from that table.
 *
 * Errors are written to a stream, one a line: `file:line: key: what was expected, what was found`.
 */
#pragma once

#include <stdio.h>

#include "../dataplane/dataplane.h"
#include "config_schema.h"
#include "log.h"
#include "persistence_settings.h"
#include "steering.h"

enum {
    CONFIG_PATH_SIZE = 256,
    CONFIG_NAME_SIZE = 64,
    CONFIG_SOCKET_SIZE = 108, /* sun_path, unix(7) */
};

/* What a source is: an address (IPv4 /32, IPv6 /64), or the network around it (/24, /48). */
enum config_source { CONFIG_SOURCE_ADDRESS, CONFIG_SOURCE_NETWORK, CONFIG_SOURCES };

/* The parts' own structs hold what is theirs, so that nothing is copied from one to another. */
struct config {
    char folder[CONFIG_PATH_SIZE]; /* of the file; relative paths in it are taken from here */

    struct dataplane_config dataplane;  /* workers, memory, ports, listen */
    struct dataplane_settings settings; /* what workers take live: tracker, access.mode */

    struct {
        uint32_t maximum; /* seconds; the longest interval that load may stretch to */
        uint32_t load;    /* percent of the busiest worker's time, above which it stretches */
    } adaptive_interval;

    struct {
        char key_file[CONFIG_PATH_SIZE];
        uint32_t rotation; /* seconds */
    } connection_id;

    struct {
        char program[CONFIG_PATH_SIZE];
        enum steering_mode mode;
        bool answer_connect;
    } xdp;

    struct {
        bool dry_run;
        uint32_t rates[LIMITER_CLASSES][CONFIG_SOURCES]; /* requests a second; 0: no limit */
        uint32_t burst;                                  /* seconds' worth of requests at once */
    } limits;

    struct {
        char file[CONFIG_PATH_SIZE]; /* "" none */
    } access;

    struct persistence_settings persistence; /* store, redis, fleet */

    struct {
        char socket[CONFIG_SOCKET_SIZE];
        char group[CONFIG_NAME_SIZE]; /* "" the process's own */
    } control;

    struct {
        struct dataplane_address address; /* family 0: no HTTP */
    } metrics;

    struct {
        enum log_level level;
        enum log_target target;
    } log;

    struct {
        char user[CONFIG_NAME_SIZE]; /* "" keep the one that started it */
        bool files;
        char readable[CONFIG_PATH_SIZE]; /* "" no further folder */
        bool seccomp;
    } confine;
};

/* Every key at its default. */
void config_defaults(struct config *config);

/*
 * Reads `path` over the defaults and checks the whole. 0, -EINVAL when the content is wrong, or
 * another negative errno when it can't be read; `errors` then says everything that is wrong.
 */
int config_load(const char *path, struct config *config, FILE *errors);

/*
 * The same for a file that a client names. It is refused when only its owner may read it: errors
 * repeat what is wrong, and such a file would be our keys.
 */
int config_load_public(const char *path, struct config *config, FILE *errors);

/* The same, of what `path` holds. */
int config_parse(const char *text, size_t size, const char *path, struct config *config,
                 FILE *errors);

/*
 * Sets one key from text as it would stand in the file (`30m`, `[1, 2]`) and checks the whole
 * again. -ENOENT: no such key; -EPERM: it needs a restart; -EINVAL: the value. `config` is then
 * unchanged.
 */
int config_set(struct config *config, const char *key, const char *value, FILE *errors);

/* Writes a key's value as it would stand in the file, on one line. */
void config_print_value(const struct config *config, const struct config_key *key, FILE *out);

/* True when both hold the same value of `key`. */
bool config_same(const struct config *a, const struct config *b, const struct config_key *key);

/* Copies the value of `key`. */
void config_copy(struct config *to, const struct config *from, const struct config_key *key);

/* What a reload of `to` changes: what each differing key was and is, or why it stays. */
void config_print_changes(const struct config *from, const struct config *to, FILE *out);

/* Says what is wrong between keys, if anything. */
struct config_report;
void config_check(const struct config *config, struct config_report *report);
