/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever a client says over HTTP: it gets one whole answer, or none, and is hung up on. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>

#include "controlplane/operator/console_state.h"
#include "controlplane/operator/http.h"
#include "stream_client.h"
#include "tests/unit/fake_controlplane.h"
#include "tests/unit/fake_dataplane.h"

static struct sockaddr_un address;
static char folder[] = "/tmp/muster-fuzz-XXXXXX";

/* Listens at an abstract name of this process. */
static int listen_somewhere(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sun_family = AF_UNIX;
    memcpy(address.sun_path + 1, "muster-fuzz", 11);
    uint32_t pid = (uint32_t)getpid();
    memcpy(address.sun_path + 12, &pid, sizeof(pid));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, 16) != 0)
        abort();
    return fd;
}

static void clean_up(void)
{
    fake_controlplane_stop();
    rmdir(folder);
}

static void start(void)
{
    signal(SIGPIPE, SIG_IGN);
    fake_dataplane_fill();
    if (mkdtemp(folder) == NULL || fake_controlplane_start(folder) != 0 ||
        http_serve(fake_controlplane.events, listen_somewhere(), fake_console) == NULL)
        abort();
    atexit(clean_up);
}

/* Status line, headers, and a body of the length that they tell; HEAD has none. */
static void check_answer(const char *answer, size_t length)
{
    const char *end = strstr(answer, "\r\n\r\n"), *told = strstr(answer, "Content-Length: ");
    unsigned status;
    size_t body, expected;

    if (sscanf(answer, "HTTP/1.1 %3u ", &status) != 1 || status < 200 || status > 503 ||
        end == NULL || told == NULL || told > end)
        abort();
    body = length - (size_t)(end + 4 - answer);
    expected = strtoul(told + strlen("Content-Length: "), NULL, 10);
    if (body != expected && body != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length;
    char *answer;

    if (fake_controlplane.events == NULL)
        start();
    answer = stream_exchange(fake_controlplane.events, &address, data, size, &length);
    if (length > 0)
        check_answer(answer, length);
    free(answer);
    return 0;
}
