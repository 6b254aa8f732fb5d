/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must stay secret and outlive a restart: the keys of connection IDs (bpf/cookie.h), and the
 * secret that keys the swarm tables' hashes. Kept in one file of mode 0600, rewritten whole (a
 * temporary file, fsync, rename), so that a crash leaves the old or the new one.
 *
 * The file is text, so that it can be copied to the other appliances of a fleet, which then honour
 * each other's IDs:
 *
 *   muster-secrets 1
 *   current SINCE KEY      epoch in decimal, 128 bits in hexadecimal
 *   previous SINCE KEY
 *   swarms SECRET          192 bytes in hexadecimal
 *
 * A new key signs from SECRETS_LEAD epochs after its making on, not at once: until then whoever
 * takes over the settings late (a worker, XDP, another appliance) still agrees with the others. The
 * key before it is kept, and honoured for the IDs that it signed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "../bpf/cookie.h"
#include "../dataplane/swarms/swarms.h"

enum {
    SECRETS_LEAD = 2, /* epochs; the time to bring a new file to the rest of a fleet */
    SECRETS_ERROR_SIZE = 512,
};

struct secrets;

/*
 * Reads the file, or makes it with random keys if there is none. Refuses, with -EPERM, one that
 * others may read, and with -EINVAL one that is damaged: `error` (SECRETS_ERROR_SIZE) says what to
 * do.
 */
int secrets_open(const char *path, time_t now, struct secrets **secrets, char *error);

void secrets_close(struct secrets *secrets);

/* What workers and XDP are to be given at `now` (wall clock), again in every new epoch. */
struct cookie_state secrets_cookies(const struct secrets *secrets, time_t now);

const struct swarms_secret *secrets_swarms(const struct secrets *secrets);

/* True when the current key is older than `period` seconds. */
bool secrets_due(const struct secrets *secrets, time_t now, uint32_t period);

/*
 * Makes a new key and writes the file. -EAGAIN: the last rotation is so recent that a third key
 * would be needed; anything else: the file can't be written, and nothing has changed.
 */
int secrets_rotate(struct secrets *secrets, time_t now, char *error);

/* Reads the file again, after somebody replaced it. On error the keys stay as they are. */
int secrets_reload(struct secrets *secrets, char *error);

/* Random bytes from the kernel, for what needn't outlive a restart (the limiter's secret). */
void secrets_random(void *bytes, size_t size);
