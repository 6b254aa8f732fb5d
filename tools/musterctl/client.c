/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

enum {
    REPLY_MAX = 64 * 1024 * 1024, /* bytes; more isn't a reply of ours */
    REPLY_GROWTH = 64 * 1024,
    /* The longest call reads an access list of millions of lines, in seconds. */
    REPLY_TIMEOUT_MS = 60 * 1000,
};

struct client {
    int fd;
    const char *path;
    json_int_t id; /* of the last request */
};

static const char *connect_hint(int error)
{
    switch (error) {
    case ENOENT:
    case ECONNREFUSED:
        return "is musterd running? --socket PATH says where else to look";
    case EACCES:
        return "become root or join the group of the socket (control.group)";
    default:
        return "--socket PATH says where else to look";
    }
}

struct client *client_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct client *client = calloc(1, sizeof(*client));

    if (!client || strlen(path) >= sizeof(address.sun_path)) {
        fprintf(stderr, "musterctl: %s: the path is too long for a socket\n", path);
        free(client);
        return NULL;
    }
    strcpy(address.sun_path, path);
    client->path = path;
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        fprintf(stderr, "musterctl: %s: %s: %s\n", path, strerror(errno), connect_hint(errno));
        client_free(client);
        return NULL;
    }
    return client;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    if (client->fd >= 0)
        close(client->fd);
    free(client);
}

static bool send_all(struct client *client, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(client->fd, text, length, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        text += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* True when there is something to read, or the daemon has hung up. */
static bool wait_readable(const struct client *client)
{
    struct pollfd wait = {.fd = client->fd, .events = POLLIN};
    int ready;

    do {
        ready = poll(&wait, 1, REPLY_TIMEOUT_MS);
    } while (ready < 0 && errno == EINTR);
    errno = ready == 0 ? ETIMEDOUT : errno;
    return ready > 0;
}

/* One line, NUL-terminated without its newline; NULL when it didn't come whole. */
static char *receive_line(struct client *client)
{
    char *line = NULL;
    size_t length = 0, size = 0;

    while (length < REPLY_MAX) {
        ssize_t got;

        if (length + 1 >= size) {
            size += REPLY_GROWTH + size / 2;
            char *longer = realloc(line, size);

            if (!longer)
                break;
            line = longer;
        }
        if (!wait_readable(client))
            break;
        got = recv(client->fd, line + length, size - length - 1, 0);
        if (got <= 0) {
            errno = got == 0 ? ECONNRESET : errno;
            break;
        }
        length += (size_t)got;
        if (line[length - 1] == '\n') {
            line[length - 1] = '\0';
            return line;
        }
    }
    free(line);
    return NULL;
}

static json_t *exchange(struct client *client, const char *method, json_t *params)
{
    json_t *request = json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", ++client->id,
                                "method", method, "params", params);
    char *text = json_dumps(request, JSON_COMPACT);
    char *line = NULL;
    json_t *reply = NULL;

    if (text && send_all(client, text, strlen(text)) && send_all(client, "\n", 1))
        line = receive_line(client);
    if (!line)
        fprintf(stderr, "musterctl: %s: no answer: %s\n", client->path, strerror(errno));
    else if ((reply = json_loads(line, 0, NULL)) == NULL)
        fprintf(stderr, "musterctl: %s: what answers there isn't musterd\n", client->path);
    free(line);
    free(text);
    json_decref(request);
    return reply;
}

enum client_status client_call(struct client *client, const char *method, json_t *params,
                               json_t **reply)
{
    json_t *answer = exchange(client, method, params);
    json_t *result = json_object_get(answer, "result");
    json_t *error = json_object_get(answer, "error");

    *reply = json_incref(result ? result : error);
    json_decref(answer);
    if (result)
        return CLIENT_OK;
    return error ? CLIENT_REFUSED : CLIENT_LOST;
}
