/* SPDX-License-Identifier: BSD-3-Clause */
#include "ban_file.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replace_file.h"

#define FOREVER "forever"

static const uint64_t nanoseconds = 1000000000;

void ban_file_path(const char *key_file, char *path, size_t size)
{
    const char *slash = strrchr(key_file, '/');

    snprintf(path, size, "%.*sbans", slash ? (int)(slash + 1 - key_file) : 0, key_file);
}

/* Of "PREFIX END": false when it is neither that nor empty. An ended one is left out. */
static bool parse_line(char *line, time_t now, struct ban *ban, bool *has_ban)
{
    char *rest, *prefix, *end, *behind;
    long long until;

    *has_ban = false;
    line[strcspn(line, "#\n")] = '\0';
    prefix = strtok_r(line, " \t", &rest);
    if (!prefix)
        return true;
    end = strtok_r(NULL, " \t", &rest);
    if (!end || strtok_r(NULL, " \t", &rest) || bans_parse(prefix, ban) < 0)
        return false;
    *has_ban = true;
    ban->until = BAN_FOR_GOOD;
    if (strcmp(end, FOREVER) == 0)
        return true;
    until = strtoll(end, &behind, 10);
    if (behind == end || *behind != '\0' || until < 0)
        return false;
    *has_ban = until > (long long)now;
    if (*has_ban)
        ban->until = bans_clock() + (uint64_t)(until - (long long)now) * nanoseconds;
    return true;
}

static int add_lines(FILE *file, const char *path, time_t now, struct bans *bans, char *error,
                     size_t error_size)
{
    char line[256];

    for (unsigned number = 1; fgets(line, sizeof(line), file); number++) {
        struct ban ban = {0};
        bool has_ban;
        int failed = 0;

        if (!parse_line(line, now, &ban, &has_ban)) {
            snprintf(error, error_size, "%s:%u: expected a prefix and a Unix second or " FOREVER,
                     path, number);
            return -EINVAL;
        }
        if (has_ban)
            failed = bans_add(bans, &ban);
        if (failed) {
            snprintf(error, error_size, "%s:%u: %s", path, number, strerror(-failed));
            return failed;
        }
    }
    if (!ferror(file))
        return 0;
    snprintf(error, error_size, "%s: can't be read", path);
    return -EIO;
}

int ban_file_read(const char *path, time_t now, struct bans *bans, char *error, size_t error_size)
{
    FILE *file = fopen(path, "re");
    int failed;

    if (!file) {
        failed = -errno;
        if (failed == -ENOENT)
            return 0;
        snprintf(error, error_size, "%s: can't be read: %s", path, strerror(-failed));
        return failed;
    }
    failed = add_lines(file, path, now, bans, error, error_size);
    fclose(file);
    if (!failed)
        bans_saved(bans);
    return failed;
}

static void print_ban(FILE *out, const struct ban *ban, time_t now, uint64_t clock)
{
    char prefix[BANS_TEXT_SIZE];

    if (ban->until <= clock)
        return;
    bans_format(ban, prefix);
    if (ban->until == BAN_FOR_GOOD)
        fprintf(out, "%s " FOREVER "\n", prefix);
    else
        fprintf(out, "%s %lld\n", prefix,
                (long long)now + (long long)((ban->until - clock + nanoseconds - 1) / nanoseconds));
}

int ban_file_write(const char *path, time_t now, const struct bans *bans)
{
    size_t count, size = 0;
    const struct ban *list = bans_list(bans, &count);
    uint64_t clock = bans_clock();
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);
    int result;

    if (!out)
        return -ENOMEM;
    fputs("# musterctl's bans: a prefix, and the Unix second at which its ban ends.\n", out);
    for (size_t i = 0; i < count; i++)
        print_ban(out, &list[i], now, clock);
    result = fclose(out) == 0 ? replace_file(path, text, size, 0600) : -ENOMEM;
    free(text);
    return result;
}
