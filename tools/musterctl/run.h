/* SPDX-License-Identifier: BSD-3-Clause */
/* One command, from words to what is on the screen. */
#pragma once

#include "session.h"

enum musterctl_exit run_words(struct session *session, char *const words[], unsigned count);
