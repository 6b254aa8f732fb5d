/* SPDX-License-Identifier: BSD-3-Clause */
#include <editline/readline.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command_line.h"
#include "interactive.h"
#include "run.h"

enum { WORDS_MAX = 32, HISTORY_LINES = 1000 };

/* Completion: libedit asks for one candidate after the other. */

static struct {
    char **candidates;
    unsigned count, next;
} completion;

static void keep_candidate(void *user, const char *candidate)
{
    char **grown = realloc(completion.candidates, (completion.count + 1) * sizeof(char *));

    if (!grown)
        return;
    completion.candidates = grown;
    completion.candidates[completion.count++] = strdup(candidate);
}

static void find_candidates(const char *prefix)
{
    char line[4096], *words[WORDS_MAX];
    int count;

    while (completion.count > completion.next) /* left over when completion was broken off */
        free(completion.candidates[--completion.count]);
    completion.count = completion.next = 0;
    snprintf(line, sizeof(line), "%.*s", rl_point - (int)strlen(prefix), rl_line_buffer);
    count = command_line_split(line, words, WORDS_MAX);
    if (count > 0 && strcmp(words[0], "help") == 0)
        command_line_complete(words + 1, (unsigned)count - 1, prefix, keep_candidate, NULL);
    else if (count >= 0)
        command_line_complete(words, (unsigned)count, prefix, keep_candidate, NULL);
}

/* Returns a string that libedit frees, NULL after the last. */
static char *next_candidate(const char *prefix, int state)
{
    if (state == 0)
        find_candidates(prefix);
    return completion.next < completion.count ? completion.candidates[completion.next++] : NULL;
}

static char **complete(const char *prefix, int start, int end)
{
    rl_attempted_completion_over = 1; /* no file names */
    return rl_completion_matches(prefix, next_candidate);
}

/* History ----------------------------------------------------------------------------------- */

/* $XDG_STATE_HOME/musterctl_history, as the XDG base directory specification says. */
static bool history_path(char *path, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char folder[PATH_MAX];

    if (state && state[0] == '/')
        snprintf(folder, sizeof(folder), "%s", state);
    else if (home)
        snprintf(folder, sizeof(folder), "%s/.local/state", home);
    else
        return false;
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(folder, 0700);
        *slash = '/';
    }
    mkdir(folder, 0700);
    return snprintf(path, size, "%s/musterctl_history", folder) < (int)size;
}

/* Lines ------------------------------------------------------------------------------------- */

/* False when the session is to end. */
static bool run_line(struct session *session, char *line, enum musterctl_exit *status)
{
    char *words[WORDS_MAX];
    int count = command_line_split(line, words, WORDS_MAX);

    if (count < 0) {
        fputs("too many words, or an open quote\n", stderr);
        *status = MUSTERCTL_USAGE;
    }
    if (count <= 0 || words[0][0] == '#')
        return true;
    if (strcmp(words[0], "quit") == 0 || strcmp(words[0], "exit") == 0)
        return false;
    *status = run_words(session, words, (unsigned)count);
    fflush(stdout);
    return true;
}

static enum musterctl_exit run_person(struct session *session)
{
    enum musterctl_exit status = MUSTERCTL_OK;
    char path[PATH_MAX];
    bool keep = history_path(path, sizeof(path)), more = true;
    char *line;

    rl_readline_name = "musterctl";
    rl_initialize();
    rl_attempted_completion_function = complete;
    using_history();
    stifle_history(HISTORY_LINES);
    if (keep)
        read_history(path);
    puts("musterctl " MUSTER_VERSION ": help lists the commands, Tab completes, quit ends");
    while (more && (line = readline("muster> ")) != NULL) {
        if (line[strspn(line, " \t")] != '\0')
            add_history(line);
        more = run_line(session, line, &status);
        free(line);
    }
    if (more)
        putchar('\n');
    if (keep)
        write_history(path);
    return status;
}

static enum musterctl_exit run_script(struct session *session)
{
    enum musterctl_exit status = MUSTERCTL_OK, worst = MUSTERCTL_OK;
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0 && run_line(session, line, &status))
        worst = status > worst ? status : worst;
    free(line);
    return worst;
}

enum musterctl_exit interactive_run(struct session *session)
{
    return isatty(STDIN_FILENO) ? run_person(session) : run_script(session);
}
