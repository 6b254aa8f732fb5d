/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether load balancers should send traffic here. */
#pragma once

#include <stddef.h>

struct console;

enum health { HEALTH_OK, HEALTH_DRAINING, HEALTH_FAILING, HEALTHS };

/* `reason`, of a failing one, says what is wrong and what to do; else it is empty. */
enum health health_of(const struct console *console, char *reason, size_t size);

/* "ok", "draining", "failing" */
const char *health_name(enum health health);
