/* SPDX-License-Identifier: BSD-3-Clause */
/* A control plane over the fake data plane: what operator/ needs, without ports or privileges. */
#pragma once

#include "controlplane/controlplane.h"

/* Filled by fake_controlplane_start(): defaults, and a control socket and HTTP on a free port. */
extern struct controlplane fake_controlplane;

/* What putting anything in force ends with: 0, or a negative errno. */
extern int fake_refusal;

/* What stands over it. */
extern struct console *fake_console;

/* Over fake_dataplane as it is filled. `folder` gets control.sock and muster.yaml. 0 or -1. */
int fake_controlplane_start(const char *folder);
void fake_controlplane_stop(void);
