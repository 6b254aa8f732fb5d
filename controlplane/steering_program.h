/* SPDX-License-Identifier: BSD-3-Clause */
/* The XDP program itself: whether it loads, and what is attached to an interface. */
#pragma once

#include <stdbool.h>

#include "steering.h"

struct bpf_object;

/*
 * Loads the program without pinning or attaching anything, to have the verifier's words: the driver
 * would only say that it failed. Keep it for steering_program_attach(), or bpf_object__close() it.
 */
int steering_program_try(const char *path, struct bpf_object **object, char *error);

/*
 * Makes sure that an interface exists and has no XDP program. One of ours that a dead musterd left
 * behind is detached, another's is an error.
 */
int steering_program_clear(const char *interface, char *error);

/* Attaches the tried program, and detaches it: 0, or why it can't be. */
int steering_program_attach(const char *interface, struct bpf_object *object,
                            enum steering_mode mode, char *error);

/* Our program on an interface. */
struct steering_attachment {
    uint32_t program; /* its id; 0: none */
    const char *mode; /* "native", "generic", "offloaded"; "none" */
};

/* Checks that our program is attached in that mode; for generic mode, moves it there. */
int steering_program_settle(const char *interface, enum steering_mode mode,
                            struct steering_attachment *attachment, char *error);

/* Detaches that program, if it is still there. Needs CAP_NET_ADMIN only. */
void steering_program_detach(const char *interface, const struct steering_attachment *attachment);
