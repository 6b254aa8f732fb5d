/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of a server under test that runs in the same thread: sends bytes, takes what comes back.
 */
#pragma once

#include <errno.h>
#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    STREAM_ROUNDS_MAX = 100000, /* more turns of the event loop mean that the server hangs */
    STREAM_ANSWER_MAX = 64 * 1024 * 1024,
};

/* Says `bytes`, ends its side, and returns all that is answered, NUL-terminated; aborts on a hang.
 */
static char *stream_exchange(struct event_base *base, const struct sockaddr_un *address,
                             const uint8_t *bytes, size_t size, size_t *answered)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char *answer = NULL;
    size_t sent = 0, length = 0;

    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        abort();
    for (unsigned round = 0; round < STREAM_ROUNDS_MAX; round++) {
        ssize_t n = sent < size ? send(fd, bytes + sent, size - sent, MSG_NOSIGNAL) : 0;

        if (n > 0)
            sent += (size_t)n;
        if (sent == size || (n < 0 && errno != EAGAIN))
            shutdown(fd, SHUT_WR);
        event_base_loop(base, EVLOOP_NONBLOCK);
        char *longer = realloc(answer, length + 65536 + 1);

        if (longer == NULL)
            abort();
        answer = longer;
        n = recv(fd, answer + length, 65536, 0);
        if (n > 0)
            length += (size_t)n;
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            close(fd);
            event_base_loop(base, EVLOOP_NONBLOCK);
            answer[length] = '\0';
            *answered = length;
            return answer;
        }
        if (length > STREAM_ANSWER_MAX)
            abort();
    }
    abort();
}
