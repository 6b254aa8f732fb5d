/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <event2/buffer.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console_state.h"
#include "health.h"
#include "http.h"
#include "listener.h"
#include "metrics/metrics.h"
#include "page/page.h"
#include "server.h"
#include "views.h"

enum {
    CLIENTS_MAX = 64,
    REQUEST_MAX = 8 * 1024, /* bytes; a browser's headers are about one */
    REQUEST_SECONDS = 5,
    REPLY_SECONDS = 10,
    IDLE_SECONDS = 5, /* browsers open connections in advance */
};

struct http {
    struct server *server;
    const struct console *console;
    uint16_t port;
    uint64_t requests[HTTP_CODES];
};

static const struct {
    unsigned number;
    const char *reason;
} codes[HTTP_CODES] = {
    [HTTP_200] = {200, "OK"},
    [HTTP_400] = {400, "Bad Request"},
    [HTTP_404] = {404, "Not Found"},
    [HTTP_405] = {405, "Method Not Allowed"},
    [HTTP_431] = {431, "Request Header Fields Too Large"},
    [HTTP_503] = {503, "Service Unavailable"},
};

struct request {
    struct client *client;
    bool head; /* the headers only */
};

/* Sends an answer and hangs up; `body` is drained. */
static void answer(const struct request *request, enum http_code code, const char *type,
                   struct evbuffer *body)
{
    struct http *http = client_context(request->client);
    char header[512];
    int length = snprintf(header, sizeof(header),
                          "HTTP/1.1 %u %s\r\n"
                          "Content-Type: %s\r\n"
                          "Content-Length: %zu\r\n"
                          "%s"
                          "Cache-Control: no-store\r\n"
                          "Content-Security-Policy: default-src 'self' 'unsafe-inline'; "
                          "img-src 'self' data:; frame-ancestors 'none'\r\n"
                          "X-Content-Type-Options: nosniff\r\n"
                          "Connection: close\r\n\r\n",
                          codes[code].number, codes[code].reason, type, evbuffer_get_length(body),
                          code == HTTP_405 ? "Allow: GET, HEAD\r\n" : "");

    http->requests[code]++;
    client_send(request->client, header, (size_t)length);
    if (!request->head)
        client_send_buffer(request->client, body);
    client_close(request->client);
}

static void answer_text(const struct request *request, enum http_code code, const char *text)
{
    struct evbuffer *body = evbuffer_new();

    evbuffer_add_printf(body, "%s\n", text);
    answer(request, code, "text/plain; charset=utf-8", body);
    evbuffer_free(body);
}

/* What is served -------------------------------------------------------------------------- */

static void serve_page(const struct request *request, const char *query)
{
    struct evbuffer *body = evbuffer_new();

    evbuffer_add_reference(body, page_html, page_html_size, NULL, NULL);
    answer(request, HTTP_200, "text/html; charset=utf-8", body);
    evbuffer_free(body);
}

/* "history=N" of a query, bounded. */
static unsigned history_seconds(const char *query)
{
    const char *value = strstr(query, "history=");
    unsigned long seconds = value ? strtoul(value + strlen("history="), NULL, 10) : 0;

    return seconds < OBSERVATION_HISTORY ? (unsigned)seconds : OBSERVATION_HISTORY;
}

static void serve_live(const struct request *request, const char *query)
{
    const struct http *http = client_context(request->client);
    json_t *view = view_live(http->console, history_seconds(query));
    char *text = json_dumps(view, JSON_COMPACT | JSON_REAL_PRECISION(6));
    struct evbuffer *body = evbuffer_new();

    evbuffer_add(body, text, strlen(text));
    answer(request, HTTP_200, "application/json", body);
    evbuffer_free(body);
    free(text);
    json_decref(view);
}

static void serve_metrics(const struct request *request, const char *query)
{
    const struct http *http = client_context(request->client);
    struct evbuffer *body = evbuffer_new();

    metrics_write(http->console, body);
    answer(request, HTTP_200, METRICS_CONTENT_TYPE, body);
    evbuffer_free(body);
}

static void serve_health(const struct request *request, const char *query)
{
    const struct http *http = client_context(request->client);
    char reason[256], text[300];
    enum health health = health_of(http->console, reason, sizeof(reason));

    snprintf(text, sizeof(text), "%s%s%s", health_name(health), reason[0] != '\0' ? ": " : "",
             reason);
    answer_text(request, health == HEALTH_OK ? HTTP_200 : HTTP_503, text);
}

static const struct {
    const char *path;
    void (*serve)(const struct request *request, const char *query);
} routes[] = {
    {"/", serve_page},
    {"/live.json", serve_live},
    {"/metrics", serve_metrics},
    {"/healthz", serve_health},
};

/* Requests -------------------------------------------------------------------------------- */

static size_t complete(struct evbuffer *input)
{
    struct evbuffer_ptr crlf = evbuffer_search(input, "\n\r\n", 3, NULL);
    struct evbuffer_ptr lf = evbuffer_search(input, "\n\n", 2, NULL);

    if (crlf.pos >= 0 && (lf.pos < 0 || crlf.pos < lf.pos))
        return (size_t)crlf.pos + 3;
    return lf.pos >= 0 ? (size_t)lf.pos + 2 : 0;
}

static void route(const struct request *request, char *target)
{
    char *query = strchr(target, '?');

    if (query)
        *query++ = '\0';
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(routes[i].path, target) == 0) {
            routes[i].serve(request, query ? query : "");
            return;
        }
    }
    answer_text(request, HTTP_404, "there are /, /live.json, /metrics and /healthz");
}

/* Only the request line matters: whatever the headers ask for, the answer is the same. */
static void handle(struct client *client, char *text, size_t length)
{
    char *line = strsep(&text, "\n");
    char *method = strsep(&line, " ");
    char *target = strsep(&line, " ");
    struct request request = {.client = client};

    if (!target || !line || target[0] != '/' || strncmp(line, "HTTP/1.", 7) != 0) {
        answer_text(&request, HTTP_400, "not a request of HTTP/1.1");
        return;
    }
    request.head = strcmp(method, "HEAD") == 0;
    if (!request.head && strcmp(method, "GET") != 0)
        answer_text(&request, HTTP_405, "GET and HEAD only: commands go to the control socket");
    else
        route(&request, target);
}

static void overlong(struct client *client)
{
    const struct request request = {.client = client};

    answer_text(&request, HTTP_431, "a request is at most 8192 bytes");
}

static void gone(struct client *client)
{
    /* Requests are answered where they are handled: nothing is ever under way. */
}

static const struct server_protocol protocol = {
    .clients_max = CLIENTS_MAX,
    .request_max = REQUEST_MAX,
    .request_seconds = REQUEST_SECONDS,
    .reply_seconds = REPLY_SECONDS,
    .idle_seconds = IDLE_SECONDS,
    .complete = complete,
    .handle = handle,
    .overlong = overlong,
    .gone = gone,
};

/* Opening --------------------------------------------------------------------------------- */

struct http *http_serve(struct event_base *base, int fd, const struct console *console)
{
    struct http *http = calloc(1, sizeof(*http));

    if (!http) {
        close(fd);
        return NULL;
    }
    http->console = console;
    http->server = server_new(base, fd, &protocol, http);
    if (!http->server) {
        free(http);
        return NULL;
    }
    return http;
}

int http_open(struct event_base *base, const struct dataplane_address *address,
              const struct console *console, struct http **http, char *error, size_t error_size)
{
    uint16_t port = 0;
    int fd = listener_tcp_open(address, &port);

    if (fd < 0) {
        snprintf(error, error_size,
                 "can't listen for HTTP at port %u: %s: change metrics.address, or set it to off",
                 address->port, strerror(-fd));
        return fd;
    }
    *http = http_serve(base, fd, console);
    if (!*http)
        return -ENOMEM;
    (*http)->port = port;
    return 0;
}

void http_close(struct http *http)
{
    if (!http)
        return;
    server_free(http->server);
    free(http);
}

uint16_t http_port(const struct http *http)
{
    return http->port;
}

uint64_t http_requests(const struct http *http, enum http_code code)
{
    return http->requests[code];
}

unsigned http_code_number(enum http_code code)
{
    return codes[code].number;
}
