/* SPDX-License-Identifier: BSD-3-Clause */
#include "redis_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_MAX = 24 }; /* "$" and a 64-bit number and "\r\n" */

struct redis_command *redis_command_new(int argc, const char *const *argv, const size_t *sizes)
{
    struct redis_command *command = calloc(1, sizeof(*command));
    size_t most = LENGTH_MAX;
    char *at;

    if (!command)
        return NULL;
    for (int i = 0; i < argc; i++)
        most += LENGTH_MAX + sizes[i] + 2;
    command->bytes = at = malloc(most);
    if (!at) {
        free(command);
        return NULL;
    }
    at += sprintf(at, "*%d\r\n", argc);
    for (int i = 0; i < argc; i++) {
        at += sprintf(at, "$%zu\r\n", sizes[i]);
        memcpy(at, argv[i], sizes[i]);
        at += sizes[i];
        *at++ = '\r';
        *at++ = '\n';
    }
    command->size = (size_t)(at - command->bytes);
    command->slot = -1;
    return command;
}

void redis_command_finish(struct redis_command *command, enum redis_outcome outcome,
                          enum redis_error error, const struct redisReply *reply)
{
    struct redis_result result = {
        .outcome = outcome, .error = error, .repeated = command->repeated, .reply = reply};

    if (command->done)
        command->done(command->user, &result);
    free(command->bytes);
    free(command);
}
