/* SPDX-License-Identifier: BSD-3-Clause */
/* What commands, metrics and the page have in common. Private to operator/. */
#pragma once

#include "../controlplane.h"
#include "../observation.h"

struct control_socket;
struct http;
struct survey;

struct console {
    struct controlplane *controlplane;
    struct observation *observation; /* controlplane->observation */
    struct survey *survey;
    struct control_socket *control;
    struct http *http; /* NULL when metrics.address is off */
};
