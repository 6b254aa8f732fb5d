/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The XDP program in front of the af_xdp ports, as the control plane sees it: made ready before the
 * ports start, found again after, configured while it runs, removed at the end.
 *
 *   steering_prepare()     the program is tried, leftovers of a killed musterd are removed
 *   (dataplane_start)      DPDK's driver loads and attaches it, a port at a time
 *   steering_open()        its pinned maps are found
 *   steering_configure()   until then, everything goes to the kernel
 *   (dataplane_stop)       the driver detaches it
 *   steering_close()
 *
 * Errors are negative errno, with what failed, the kernel's words and what to do in `error`, which
 * is STEERING_ERROR_SIZE bytes. For the control thread alone.
 *
 * bpffs (STEERING_PIN_ROOT) belongs to one musterd at a time. A second one on the machine needs a
 * mount namespace and a bpffs of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../bpf/steering_verdicts.h"
#include "../dataplane/ban_set.h"
#include "../dataplane/dataplane.h"

enum { STEERING_ERROR_SIZE = 1024 };

enum steering_mode {
    STEERING_AUTO, /* native where the driver has it */
    STEERING_NATIVE,
    STEERING_GENERIC, /* the ports must have force_copy */
};

struct steering;

/*
 * Checks that `program` can be loaded here and that the ports' interfaces are free for it. NULL in
 * *steering, and 0, when no port is of kind af_xdp.
 */
int steering_prepare(const struct dataplane_config *config, const char *program,
                     enum steering_mode mode, struct steering **steering, char *error);

/* After the ports failed to start: adds to `error` what the kernel says to an attachment. */
void steering_explain(struct steering *steering, char *error);

/*
 * After the ports have started. Checks that each interface has the program, in the mode asked for.
 * `owner` gets the pins, so that it can remove them when privileges are gone.
 */
int steering_open(struct steering *steering, uid_t owner, char *error);

/* What the program is to do; `bans` of the settings are not looked at, see below. */
int steering_configure(struct steering *steering, const struct dataplane_settings *settings,
                       bool answer_connect);

/*
 * Prefixes whose packets are dropped; adding one again changes its end. Where prefixes nest, the
 * longest one decides alone: bans.h works out when it must end. -ENOSPC: STEERING_BANS_MAX of a
 * family.
 */
int steering_ban_add(struct steering *steering, const struct ban *ban);
int steering_ban_delete(struct steering *steering, const struct ban *ban);

/* Packets since the ports started, of all CPUs, by enum steering_counter. */
int steering_counters(const struct steering *steering, uint64_t counts[STEERING_COUNTERS]);

/* The mode in which the program runs on a port's interface: "native", "generic", "none". */
const char *steering_mode_of(const struct steering *steering, const char *interface);

/* Sends all to the kernel, detaches what is still attached, removes the pins. NULL is fine. */
void steering_close(struct steering *steering);
