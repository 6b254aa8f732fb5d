/* SPDX-License-Identifier: BSD-3-Clause */
/* A table of commands for the tests of what stands around commands. */
#pragma once

#include "controlplane/operator/call.h"

/* How often `note` ran. */
extern unsigned fake_notes;

/* Calls of `later` that wait for fake_answer(). */
extern unsigned fake_waiting;

extern const struct call_service fake_service;

/* Ends the oldest waiting call. */
void fake_answer(void);
