/* SPDX-License-Identifier: BSD-3-Clause */
#include "commands.h"

#define PENDING(name)                                                                              \
    void command_##name(struct call *call)                                                         \
    {                                                                                              \
        call_error(call, JSON_RPC_UNAVAILABLE, NULL, "not part of this build");                    \
    }

PENDING(store)
PENDING(fleet)
PENDING(snapshot)
