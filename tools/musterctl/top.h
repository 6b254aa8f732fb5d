/* SPDX-License-Identifier: BSD-3-Clause */
/* The live view. */
#pragma once

#include "session.h"

/* Redraws every second until q, Ctrl-C or the daemon's end. `params` as for the method "live". */
enum musterctl_exit top_run(struct session *session, const json_t *params);

/* One frame, of any length, for a screen of that width. */
void top_draw(const json_t *live, unsigned columns, FILE *out);
