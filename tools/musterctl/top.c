/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "render.h"
#include "table.h"
#include "text.h"
#include "top.h"

enum {
    REFRESH_MS = 1000,
    LABEL_WIDTH = 22, /* of a rate's name and number, left of its curve */
    BAR_WIDTH = 20,
};

#define ENTER_SCREEN "\033[?1049h\033[?25l" /* the alternate screen, no cursor */
#define LEAVE_SCREEN "\033[?25h\033[?1049l"
#define HOME         "\033[H"
#define CLEAR_LINE   "\033[K"
#define CLEAR_BELOW  "\033[J"

/* Curves ----------------------------------------------------------------------------------- */

static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const ascii_blocks[] = {" ", ".", ".", ":", ":", "-", "=", "+", "#"};
enum { LEVELS = 8 };

static double maximum_of(const json_t *column)
{
    const json_t *value;
    double maximum = 0;
    size_t i;

    json_array_foreach(column, i, value) maximum =
        json_number_value(value) > maximum ? json_number_value(value) : maximum;
    return maximum;
}

/* The latest values that fit, from zero to the highest of them all (`top` 0) or to `top`. */
static void draw_curve(const json_t *column, double top, unsigned width, FILE *out)
{
    const char *const *marks = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? blocks : ascii_blocks;
    size_t count = json_array_size(column);

    if (top == 0)
        top = maximum_of(column);
    for (size_t i = count > width ? count - width : 0; i < count; i++) {
        double share = top > 0 ? json_number_value(json_array_get(column, i)) / top : 0;
        int level = share <= 0 ? 0 : share >= 1 ? LEVELS : 1 + (int)(share * (LEVELS - 1));

        fputs(marks[level], out);
    }
}

static void draw_rate(const json_t *live, const char *label, const char *column, unsigned columns,
                      FILE *out)
{
    char text[TEXT_SIZE];

    fprintf(out, "%-12s%9s ", label,
            text_count(text, json_number(json_object_get(live, "now"), column)));
    draw_curve(json_object_get(json_object_get(live, "history"), column), 0,
               columns > LABEL_WIDTH ? columns - LABEL_WIDTH : 0, out);
    fputc('\n', out);
}

/* Frame ------------------------------------------------------------------------------------ */

static void draw_head(const json_t *live, FILE *out)
{
    const json_t *health = json_object_get(live, "health");
    const char *status = json_text(health, "status"), *reason = json_text(health, "reason");
    char uptime[TEXT_SIZE], clock[16];
    time_t now = time(NULL);

    strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&now));
    fprintf(out, "%smuster%s %s  %s  up %s  %s%s%s%s%s  %s\n\n", text_style(TEXT_BOLD),
            text_style(TEXT_PLAIN), json_text(live, "version"), json_text(live, "hostname"),
            text_span(uptime, json_whole(live, "uptime")),
            text_style(strcmp(status, "ok") == 0 ? TEXT_GOOD : TEXT_BAD), status,
            text_style(TEXT_PLAIN), reason[0] ? ": " : "", reason, clock);
}

static void draw_rates(const json_t *live, unsigned columns, FILE *out)
{
    const json_t *now = json_object_get(live, "now"), *history = json_object_get(live, "history");
    unsigned width = columns > LABEL_WIDTH ? columns - LABEL_WIDTH : 0;
    char text[TEXT_SIZE];

    draw_rate(live, "requests/s", "received", columns, out);
    draw_rate(live, "replies/s", "sent", columns, out);
    draw_rate(live, "dropped/s", "dropped", columns, out);
    fprintf(out, "%-12s%9s ", "latency p99", text_time(text, json_number(now, "service_p99")));
    draw_curve(json_object_get(history, "service_p99"), 0, width, out);
    fprintf(out, "\n%-12s%9s ", "load", text_percent(text, json_number(now, "load")));
    draw_curve(json_object_get(history, "load"), 1, width, out);
    fputs("\n\n", out);
}

static void draw_fill(const json_t *tables, const char *name, FILE *out)
{
    struct text_fill fill = text_fill(tables, name);

    fprintf(out, "%-12s%9s %s", name, fill.now,
            text_style(fill.share > 0.8 ? TEXT_WARN : TEXT_PLAIN));
    text_bar(out, fill.share, BAR_WIDTH);
    fprintf(out, "%s %s of %s\n", text_style(TEXT_PLAIN), fill.percent, fill.limit);
}

static const char *worker_number(const json_t *worker, const char *member, char *text)
{
    snprintf(text, TABLE_CELL_SIZE, json_flag(worker, "alive") ? "%lld" : "%lld STUCK",
             (long long)json_whole(worker, member));
    return text;
}

static const char *load_bar(const json_t *worker, const char *member, char *text)
{
    FILE *out = fmemopen(text, TABLE_CELL_SIZE, "w");

    if (!out)
        return "";
    text_bar(out, json_number(worker, member), BAR_WIDTH);
    fclose(out);
    return text;
}

static const char *beginning(const json_t *swarm, const char *member, char *text)
{
    snprintf(text, TABLE_CELL_SIZE, "%s...", json_text(swarm, member));
    return text;
}

static const struct table_column worker_columns[] = {
    {"WORKER", "worker", worker_number},
    {">CORE", "core", table_whole},
    {"LOAD", "load", load_bar},
    {">", "load", table_percent},
    {">IN/S", "received", table_count},
    {">OUT/S", "sent", table_count},
    {">DROPPED/S", "dropped", table_count},
    {">BURST", "burst_mean", table_tenths},
    {">P50", "service_p50", table_time},
    {">P99", "service_p99", table_time},
    {">PEERS", "peers", table_count},
    {0},
};

static const struct table_column drop_columns[] = {
    {"DROPPED BY", "where", table_text},
    {"REASON", "reason", table_text},
    {">PER SECOND", "rate", table_count},
    {"MEANING", "help", table_text},
    {0},
};

static const struct table_column swarm_columns[] = {
    {"LARGEST SWARMS", "info_hash", beginning},
    {"FAMILY", "family", table_text},
    {">SEEDERS", "seeders", table_exact},
    {">LEECHERS", "leechers", table_exact},
    {">ANNOUNCES/MIN", "announces_per_minute", table_exact},
    {0},
};

void top_draw(const json_t *live, unsigned columns, FILE *out)
{
    const json_t *tables = json_object_get(live, "tables"), *drops = json_object_get(live, "drops");
    const json_t *swarms = json_object_get(json_object_get(live, "swarms"), "top");

    draw_head(live, out);
    draw_rates(live, columns, out);
    draw_fill(tables, "torrents", out);
    draw_fill(tables, "peers", out);
    fputc('\n', out);
    table_print(worker_columns, json_object_get(live, "workers"), out);
    fputc('\n', out);
    if (json_array_size(drops) > 0)
        table_print(drop_columns, drops, out);
    else
        fputs("nothing was dropped\n", out);
    /* The last part: what the screen has no room for is not drawn. */
    if (json_array_size(swarms) > 0) {
        fputc('\n', out);
        table_print(swarm_columns, swarms, out);
    }
}

/* Screen ----------------------------------------------------------------------------------- */

/* Copies a line, at most `columns` wide; escape sequences take no room, UTF-8 characters one
 * column. */
static const char *put_line(const char *text, unsigned columns, FILE *out)
{
    unsigned column = 0;

    for (; *text != '\0' && *text != '\n'; text++) {
        if (*text == '\033') {
            while (*text != '\0' && *text != 'm')
                fputc(*text++, out);
            fputc('m', out);
            continue;
        }
        column += ((unsigned char)*text & 0xc0) != 0x80;
        if (column <= columns)
            fputc(*text, out);
    }
    return *text == '\n' ? text + 1 : text;
}

static void put_frame(const char *frame, unsigned columns, unsigned rows)
{
    fputs(HOME, stdout);
    for (unsigned row = 0; row < rows && *frame != '\0'; row++) {
        if (row > 0)
            fputs("\r\n", stdout);
        frame = put_line(frame, columns, stdout);
        fputs(CLEAR_LINE, stdout);
    }
    fputs(CLEAR_BELOW, stdout);
    fflush(stdout);
}

static void show(const json_t *live)
{
    struct winsize size;
    char *frame = NULL;
    size_t length;
    FILE *out = open_memstream(&frame, &length);

    if (!out)
        return;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
        size = (struct winsize){.ws_col = 80, .ws_row = 24};
    top_draw(live, size.ws_col, out);
    fclose(out);
    put_frame(frame, size.ws_col, size.ws_row);
    free(frame);
}

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    ended = 1;
}

/* True when q was pressed within the time. */
static bool wait_for_q(int milliseconds)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char key;

    if (poll(&input, 1, milliseconds) <= 0)
        return false;
    return read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q';
}

enum musterctl_exit top_run(struct session *session, const json_t *params)
{
    const struct sigaction end = {.sa_handler = on_signal};
    struct sigaction interrupt, terminate;
    struct termios cooked, raw;
    bool terminal = tcgetattr(STDIN_FILENO, &cooked) == 0;
    enum musterctl_exit status;
    json_t *live;

    ended = 0;
    sigaction(SIGINT, &end, &interrupt);
    sigaction(SIGTERM, &end, &terminate);
    if (terminal) {
        raw = cooked;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    fputs(ENTER_SCREEN, stdout);
    do {
        json_t *asked = json_copy((json_t *)params);

        if (!json_object_get(asked, "history"))
            json_object_set_new(asked, "history", json_integer(300));
        status = session_call(session, "live", asked, &live);
        if (status == MUSTERCTL_OK)
            show(live);
        json_decref(live);
    } while (status == MUSTERCTL_OK && !ended && !wait_for_q(REFRESH_MS) && !ended);
    fputs(LEAVE_SCREEN, stdout);
    fflush(stdout);
    if (terminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &terminate, NULL);
    return status;
}

/* Where there is no terminal to draw on: one frame. */
void render_top(const json_t *live, FILE *out)
{
    top_draw(live, 100, out);
}
