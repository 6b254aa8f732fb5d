/* SPDX-License-Identifier: BSD-3-Clause */
/* musterctl: the operator's client of musterd's control socket. */
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interactive.h"
#include "run.h"
#include "text.h"

enum { OPTION_SOCKET = 256, OPTION_JSON, OPTION_HELP, OPTION_VERSION };

static const char *default_socket(void)
{
    const char *path = getenv("MUSTER_SOCKET");

    return path && path[0] != '\0' ? path : CLIENT_DEFAULT_SOCKET;
}

/* Options up to the command; -1 to go on, else the exit status. */
static int parse_options(int argc, char *argv[], struct session *session)
{
    static const struct option options[] = {
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"json", no_argument, NULL, OPTION_JSON},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        switch (option) {
        case OPTION_SOCKET:
            session->socket = optarg;
            break;
        case OPTION_JSON:
            session->json = true;
            break;
        case OPTION_VERSION:
            puts("musterctl " MUSTER_VERSION);
            return MUSTERCTL_OK;
        case OPTION_HELP:
        case 'h':
            help_print(stdout);
            return MUSTERCTL_OK;
        default:
            fputs("try musterctl --help\n", stderr);
            return MUSTERCTL_USAGE;
        }
    }
    return -1;
}

int main(int argc, char *argv[])
{
    struct session session = {.socket = default_socket()};
    int status;

    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C");
    text_use_colors(isatty(STDOUT_FILENO) && !getenv("NO_COLOR"));
    status = parse_options(argc, argv, &session);
    if (status < 0)
        status =
            (int)(optind == argc ? interactive_run(&session)
                                 : run_words(&session, argv + optind, (unsigned)(argc - optind)));
    client_free(session.client);
    return status;
}
