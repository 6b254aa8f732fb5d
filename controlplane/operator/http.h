/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HTTP side: GET and HEAD of four paths, one request a connection.
 *
 *   /           the page
 *   /live.json  what the page draws, and `musterctl top`
 *   /metrics    Prometheus
 *   /healthz    200 "ok", or 503 with why
 *
 * It stands on server.h, which bounds what clients can cost; evhttp knows neither a limit of
 * connections nor of the time that a request may take as a whole. Source: RFC 9112.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct dataplane_address;
struct event_base;
struct http;
struct console;

enum http_code { HTTP_200, HTTP_400, HTTP_404, HTTP_405, HTTP_431, HTTP_503, HTTP_CODES };

/* 0, or a negative errno with one line in `error`. */
int http_open(struct event_base *base, const struct dataplane_address *address,
              const struct console *console, struct http **http, char *error, size_t error_size);
void http_close(struct http *http);

/* The same over a socket that listens already, which becomes its own. NULL when out of memory. */
struct http *http_serve(struct event_base *base, int fd, const struct console *console);

/* The port that was bound: of use when 0 was asked for. */
uint16_t http_port(const struct http *http);

/* Answers given with each code, and its number (200). */
uint64_t http_requests(const struct http *http, enum http_code code);
unsigned http_code_number(enum http_code code);
