/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of the appliance in JSON, as commands and the page show it. Each returns a new
 * reference; numbers are counts, bytes, seconds, or a second; shares are 0..1.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct inspect_swarm;
struct observation_rates;
struct console;

/* By enum swarms_family. */
extern const char *const view_families[2];

/* {status, reason} */
json_t *view_health(const struct console *console);

/* The members of struct observation_rates, without `time`. */
json_t *view_rates(const struct observation_rates *rates);

/* Swarms and peers now, against their caps, and their memory. */
json_t *view_tables(const struct console *console);

/* Arrays, an object each. */
json_t *view_workers(const struct console *console);
json_t *view_ports(const struct console *console);
json_t *view_counters(const struct console *console, bool moving_only);
json_t *view_xdp(const struct console *console, bool moving_only); /* null without XDP */

/* Reasons in descending order of rate, then of total; `all`: those that never occurred, too. */
json_t *view_drops(const struct console *console, bool all);

json_t *view_swarm(const struct inspect_swarm *swarm);

/*
 * {age, top, sizes}: the largest swarms, by the first digits of their info-hashes (whoever may see
 * the page need not learn which they are), and how many swarms there are of each size. null before
 * the first look at the tables has ended.
 */
json_t *view_survey(const struct console *console);

/* For `status`: what is known without asking the workers for it. */
json_t *view_appliance(const struct console *console);

/* For `top` and the page: that, the survey, and `seconds` of history as one array a column. */
json_t *view_live(const struct console *console, unsigned seconds);
