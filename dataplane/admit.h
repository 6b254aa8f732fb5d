/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may ask: connection IDs, given out and checked as in XDP (bpf/cookie.h). Silence is the only
 * answer to a forged one, for an answer could be aimed at somebody else.
 */
#pragma once

#include <stdbool.h>

#include "../bpf/cookie.h"
#include "request.h"

/* The connection ID for the source of a request. */
uint64_t admit_issue(const struct cookie_state *cookies, const struct request *request);

/* True when the request's connection ID was issued to its source and is still honoured. */
bool admit_verify(const struct cookie_state *cookies, const struct request *request);
