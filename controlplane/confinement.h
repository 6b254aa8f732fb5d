/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the configuration leaves musterd to do once ports, memory and sockets are taken: confine.h's
 * means, applied in their order.
 */
#pragma once

#include "controlplane.h"

/* 0, or a negative errno with one line of explanation in `error`. */
int confinement_start(const struct controlplane *controlplane, char *error, size_t error_size);
