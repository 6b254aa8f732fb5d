/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading commands from a person, with history and completion (libedit), or from a pipe. */
#pragma once

#include "session.h"

/* Until the end of input, `quit` or `exit`. The last command's status; of a pipe, the worst. */
enum musterctl_exit interactive_run(struct session *session);
