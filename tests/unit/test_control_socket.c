/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket in its own thread of events, its clients in the test's: blocking, with time
 * limits. */
#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/operator/control_socket.h"
#include "fake_commands.h"

#define STATUS_REQUEST "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"note\"}\n"

static char folder[] = "/tmp/muster-test-XXXXXX";
static char path[64];
static struct event_base *base;
static struct control_socket *control;
static pthread_t thread;

static void *run_events(void *arg)
{
    event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

static int start(void **state)
{
    char error[256];

    signal(SIGPIPE, SIG_IGN); /* as server.h asks */
    evthread_use_pthreads();
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/control.sock", folder);
    base = event_base_new();
    if (control_socket_open(base, path, "", &fake_service, &control, error, sizeof(error)) != 0)
        return -1;
    return pthread_create(&thread, NULL, run_events, NULL);
}

static int stop(void **state)
{
    event_base_loopbreak(base);
    pthread_join(thread, NULL);
    control_socket_close(control);
    event_base_free(base);
    return rmdir(folder); /* empty: the socket's file is gone */
}

static int dial(void)
{
    const struct timeval limit = {.tv_sec = 5};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(address.sun_path, path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* One line without its end; static. "" at the end of the stream. */
static const char *hear(int fd)
{
    static char line[2 * 1024 * 1024];
    size_t length = 0;

    while (length + 1 < sizeof(line)) {
        ssize_t got = recv(fd, line + length, 1, 0);

        assert_true(got >= 0);
        if (got == 0 || line[length] == '\n')
            break;
        length++;
    }
    line[length] = '\0';
    return line;
}

static void assert_answers(int fd)
{
    say(fd, "{\"jsonrpc\":\"2.0\",\"id\":\"still\",\"method\":\"note\"}\n");
    assert_non_null(strstr(hear(fd), "still"));
}

static void file_is_for_owner_and_group(void **state)
{
    struct stat file;

    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0660);
}

static void garbage_is_answered_with_an_error_each_line(void **state)
{
    int fd = dial();

    say(fd, "garbage\n{\"jsonrpc\"\n[]\n[[[[[[\n\xff\xfe\n{\"a\":1,\"a\":2}\n");
    for (int i = 0; i < 6; i++)
        assert_non_null(strstr(hear(fd), "\"error\""));
    assert_answers(fd);
    close(fd);
}

static void empty_lines_ask_nothing(void **state)
{
    int fd = dial();

    say(fd, "\n\r\n  \n");
    assert_answers(fd);
    close(fd);
}

static void a_request_may_come_in_pieces(void **state)
{
    int fd = dial();

    for (const char *byte = STATUS_REQUEST; *byte != '\0'; byte++)
        assert_int_equal(send(fd, byte, 1, 0), 1);
    assert_non_null(strstr(hear(fd), "\"result\""));
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    int fd = dial();
    char request[96];

    for (int i = 0; i < 300; i++) {
        snprintf(request, sizeof(request), "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"note\"}\n",
                 i);
        say(fd, request);
    }
    for (int i = 0; i < 300; i++) {
        snprintf(request, sizeof(request), "\"id\":%d,", i);
        assert_non_null(strstr(hear(fd), request));
    }
    close(fd);
}

static void a_batch_gets_one_line(void **state)
{
    int fd = dial();
    const char *reply;

    say(fd, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"note\"},{\"jsonrpc\":\"2.0\",\"method\":"
            "\"note\"},3,{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"no\"}]\n");
    reply = hear(fd);
    assert_int_equal(reply[0], '[');
    assert_non_null(strstr(reply, "\"id\":1"));
    assert_non_null(strstr(reply, "-32600"));
    assert_non_null(strstr(reply, "\"id\":2"));
    say(fd,
        "[{\"jsonrpc\":\"2.0\",\"method\":\"note\"}]\n"); /* notifications only: no line at all */
    assert_answers(fd);
    close(fd);
}

static void a_request_over_the_cap_is_told_so_and_hung_up_on(void **state)
{
    int fd = dial();
    char *giant = malloc(CONTROL_SOCKET_REQUEST_MAX * 2);

    memset(giant, ' ', CONTROL_SOCKET_REQUEST_MAX * 2);
    send(fd, giant, CONTROL_SOCKET_REQUEST_MAX * 2, MSG_NOSIGNAL);
    free(giant);
    assert_non_null(strstr(hear(fd), "at most 65536 bytes"));
    assert_string_equal(hear(fd), "");
    close(fd);
}

static void a_request_just_under_the_cap_is_served(void **state)
{
    static const char head[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[\"";
    int fd = dial();
    char *request = malloc(CONTROL_SOCKET_REQUEST_MAX + 1);

    memset(request, 'x', CONTROL_SOCKET_REQUEST_MAX);
    memcpy(request, head, sizeof(head) - 1);
    strcpy(request + CONTROL_SOCKET_REQUEST_MAX - 5, "\"]}\n");
    say(fd, request);
    assert_non_null(strstr(hear(fd), "\"result\""));
    free(request);
    close(fd);
}

static void a_client_that_ends_its_side_still_gets_its_replies(void **state)
{
    int fd = dial();

    say(fd, STATUS_REQUEST STATUS_REQUEST);
    shutdown(fd, SHUT_WR);
    assert_non_null(strstr(hear(fd), "\"result\""));
    assert_non_null(strstr(hear(fd), "\"result\""));
    assert_string_equal(hear(fd), "");
    close(fd);
}

static void a_client_that_reads_nothing_delays_nobody(void **state)
{
    int slow = dial(), quick = dial();

    for (int i = 0; i < 100; i++)
        say(slow, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"large\"}\n");
    for (int i = 0; i < 100; i++)
        assert_answers(quick);
    assert_int_equal(strlen(hear(slow)), 1024 * 1024 + 36);
    close(slow);
    close(quick);
}

/* However long the thread of events takes to notice. */
static void await_clients(unsigned count)
{
    for (int i = 0; i < 5000 && control_socket_clients(control) != count; i++)
        usleep(1000);
    assert_int_equal(control_socket_clients(control), count);
}

static void clients_that_vanish_leave_nothing_behind(void **state)
{
    for (int i = 0; i < 500; i++) {
        int fd = dial();

        if (i % 3 != 0)
            say(fd, i % 3 == 1 ? STATUS_REQUEST : "{\"jsonrpc\":");
        close(fd);
    }
    int fd = dial();
    assert_answers(fd);
    await_clients(1);
    close(fd);
}

static void one_more_than_the_maximum_takes_the_place_of_the_longest_silent(void **state)
{
    int fds[CONTROL_SOCKET_CLIENTS_MAX + 1];

    for (int i = 0; i < CONTROL_SOCKET_CLIENTS_MAX; i++) {
        fds[i] = dial();
        assert_answers(fds[i]);
    }
    assert_answers(fds[0]); /* now the second is the longest silent */
    fds[CONTROL_SOCKET_CLIENTS_MAX] = dial();
    assert_answers(fds[CONTROL_SOCKET_CLIENTS_MAX]);
    assert_answers(fds[0]);
    assert_string_equal(hear(fds[1]), "");
    for (int i = 0; i <= CONTROL_SOCKET_CLIENTS_MAX; i++)
        close(fds[i]);
}

static void answer(evutil_socket_t fd, short what, void *arg)
{
    fake_answer();
}

static void hanging_up_during_a_long_call_is_safe(void **state)
{
    int fd = dial();

    say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"later\"}\n");
    for (int i = 0; i < 1000 && *(volatile unsigned *)&fake_waiting == 0; i++)
        usleep(1000);
    assert_int_equal(fake_waiting, 1);
    close(fd);
    usleep(50 * 1000); /* that it is noticed before or after the answer must not matter */
    assert_int_equal(event_base_once(base, -1, EV_TIMEOUT, answer, NULL, NULL), 0);
    await_clients(0);
    fd = dial();
    assert_answers(fd);
    close(fd);
}

static void a_live_daemons_path_is_refused(void **state)
{
    struct control_socket *second = NULL;
    char error[256] = "";

    assert_int_equal(
        control_socket_open(base, path, "", &fake_service, &second, error, sizeof(error)),
        -EADDRINUSE);
    assert_non_null(strstr(error, "another daemon"));
    assert_null(second);
    int fd = dial();
    assert_answers(fd);
    close(fd);
}

static void a_dead_daemons_file_is_replaced(void **state)
{
    struct event_base *own = event_base_new();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct control_socket *second = NULL;
    char error[256] = "";
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/dead.sock", folder);
    assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
    close(dead);
    assert_int_equal(control_socket_open(own, address.sun_path, "", &fake_service, &second, error,
                                         sizeof(error)),
                     0);
    control_socket_close(second);
    assert_int_equal(access(address.sun_path, F_OK), -1);
    event_base_free(own);
}

static void other_things_in_the_way_are_left_alone(void **state)
{
    struct control_socket *second = NULL;
    char error[256] = "", file[80];

    snprintf(file, sizeof(file), "%s/file", folder);
    fclose(fopen(file, "w"));
    assert_int_equal(
        control_socket_open(base, file, "", &fake_service, &second, error, sizeof(error)), -EEXIST);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(control_socket_open(base, "/no/such/folder/s", "", &fake_service, &second,
                                         error, sizeof(error)),
                     -ENOENT);
    snprintf(file, sizeof(file), "%s/other", folder);
    assert_int_equal(control_socket_open(base, file, "no-such-group", &fake_service, &second, error,
                                         sizeof(error)),
                     -ENOENT);
    assert_non_null(strstr(error, "no group"));
    assert_int_equal(access(file, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_is_for_owner_and_group),
        cmocka_unit_test(garbage_is_answered_with_an_error_each_line),
        cmocka_unit_test(empty_lines_ask_nothing),
        cmocka_unit_test(a_request_may_come_in_pieces),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_batch_gets_one_line),
        cmocka_unit_test(a_request_over_the_cap_is_told_so_and_hung_up_on),
        cmocka_unit_test(a_request_just_under_the_cap_is_served),
        cmocka_unit_test(a_client_that_ends_its_side_still_gets_its_replies),
        cmocka_unit_test(a_client_that_reads_nothing_delays_nobody),
        cmocka_unit_test(clients_that_vanish_leave_nothing_behind),
        cmocka_unit_test(one_more_than_the_maximum_takes_the_place_of_the_longest_silent),
        cmocka_unit_test(hanging_up_during_a_long_call_is_safe),
        cmocka_unit_test(a_live_daemons_path_is_refused),
        cmocka_unit_test(a_dead_daemons_file_is_replaced),
        cmocka_unit_test(other_things_in_the_way_are_left_alone),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
