/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_file.h"
#include "config_report.h"
#include "config_value.h"
#include "spelling.h"

/* Reading ------------------------------------------------------------------------------------- */

/* The whole stream, for the caller to free; NULL with errno set when it can't be had. */
static char *read_stream(FILE *file, size_t *size)
{
    char *text = malloc(CONFIG_FILE_MAX + 1);

    if (!text)
        return NULL;
    *size = fread(text, 1, CONFIG_FILE_MAX + 1, file);
    if (!ferror(file) && *size <= CONFIG_FILE_MAX)
        return text;
    if (!ferror(file))
        errno = EFBIG;
    free(text);
    return NULL;
}

/* NULL, and errno, for what isn't a file, or is private; doesn't wait for a pipe's other end. */
static FILE *open_public(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;

    if (fd < 0)
        return NULL;
    errno = 0;
    if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode))
        errno = EINVAL;
    else if (errno == 0 && (status.st_mode & (S_IRGRP | S_IROTH)) == 0)
        errno = EACCES;
    if (errno == 0)
        return fdopen(fd, "r");
    close(fd);
    return NULL;
}

static char *read_file(FILE *file, size_t *size)
{
    char *text;

    if (!file)
        return NULL;
    text = read_stream(file, size);
    fclose(file);
    return text;
}

/* Absolute: the process may change its working directory. */
static void set_folder(struct config *config, const char *path)
{
    char *absolute = realpath(path, NULL);

    if (absolute)
        snprintf(config->folder, sizeof(config->folder), "%s", dirname(absolute));
    free(absolute);
}

void config_defaults(struct config *config)
{
    struct config_report report = {.out = stderr};

    memset(config, 0, sizeof(*config));
    for (const struct config_key *key = config_keys; key->name; key++)
        if (key->initial)
            config_read_value(key, key->initial, config, &report);
    if (report.errors)
        abort(); /* the table contradicts itself; the unit tests would have said so */
}

int config_parse(const char *text, size_t size, const char *path, struct config *config,
                 FILE *errors)
{
    struct config_report report = {.file = path, .out = errors};

    config_defaults(config);
    set_folder(config, path);
    config_read_document(text, size, config, &report);
    if (!report.errors)
        config_check(config, &report);
    return report.errors ? -EINVAL : 0;
}

static int load(const char *path, FILE *file, struct config *config, FILE *errors)
{
    size_t size = 0;
    char *text = read_file(file, &size);

    if (!text) {
        int error = errno;
        fprintf(errors, "%s: can't be read: %s\n", path, strerror(error));
        return -error;
    }
    int error = config_parse(text, size, path, config, errors);
    free(text);
    return error;
}

int config_load(const char *path, struct config *config, FILE *errors)
{
    return load(path, fopen(path, "re"), config, errors);
}

int config_load_public(const char *path, struct config *config, FILE *errors)
{
    return load(path, open_public(path), config, errors);
}

static void complain_unknown(const char *name, FILE *errors)
{
    struct spelling spelling = {.word = name};

    for (const struct config_key *key = config_keys; key->name; key++)
        spelling_try(&spelling, key->name);
    fprintf(errors, "%s: unknown key", name);
    if (spelling.best)
        fprintf(errors, "; did you mean %s?", spelling.best);
    fputc('\n', errors);
}

int config_set(struct config *config, const char *name, const char *value, FILE *errors)
{
    struct config_report report = {.out = errors};
    const struct config_key *key = config_key_find(name);
    struct config changed = *config;

    if (!key) {
        complain_unknown(name, errors);
        return -ENOENT;
    }
    if (key->restart) {
        fprintf(errors, "%s: needs a restart: %s\n", name, key->restart);
        return -EPERM;
    }
    config_read_value(key, value, &changed, &report);
    if (!report.errors)
        config_check(&changed, &report);
    if (report.errors)
        return -EINVAL;
    *config = changed;
    return 0;
}

/* One key ------------------------------------------------------------------------------------- */

static unsigned count_of(const struct config *config, const struct config_key *key)
{
    return key->list_max ? *(const unsigned *)((const char *)config + key->count_offset) : 1;
}

static const char *value_of(const struct config *config, const struct config_key *key,
                            unsigned item)
{
    return (const char *)config + key->offset + item * key->size;
}

static void print_record(const struct config_key *key, const char *record, FILE *out)
{
    const struct config_key *type = key->fields;
    unsigned kind = (unsigned)config_number_get(type, record + type->offset);
    const char *separator = "{";

    for (const struct config_key *field = key->fields; field->name; field++) {
        if (!config_field_applies(field, kind))
            continue;
        fprintf(out, "%s%s: ", separator, field->name);
        config_value_print(field, record + field->offset, out);
        separator = ", ";
    }
    fputc('}', out);
}

static void print_item(const struct config_key *key, const char *value, FILE *out)
{
    if (key->type == CONFIG_RECORD)
        print_record(key, value, out);
    else
        config_value_print(key, value, out);
}

void config_print_value(const struct config *config, const struct config_key *key, FILE *out)
{
    unsigned count = count_of(config, key);

    if (!key->list_max) {
        print_item(key, value_of(config, key, 0), out);
        return;
    }
    fputc('[', out);
    for (unsigned i = 0; i < count; i++) {
        fputs(i ? ", " : "", out);
        print_item(key, value_of(config, key, i), out);
    }
    fputc(']', out);
}

/* Strings are zeroed behind their end, and records whole, so bytes can be compared. */
bool config_same(const struct config *a, const struct config *b, const struct config_key *key)
{
    unsigned count = count_of(a, key);

    return count == count_of(b, key) &&
           memcmp(value_of(a, key, 0), value_of(b, key, 0), count * key->size) == 0;
}

void config_copy(struct config *to, const struct config *from, const struct config_key *key)
{
    unsigned count = count_of(from, key);

    memcpy((char *)to + key->offset, value_of(from, key, 0), count * key->size);
    if (key->list_max)
        *(unsigned *)((char *)to + key->count_offset) = count;
}

/* All keys ------------------------------------------------------------------------------------ */

void config_print_changes(const struct config *from, const struct config *to, FILE *out)
{
    bool same = true;

    for (const struct config_key *key = config_keys; key->name; key++) {
        if (config_same(from, to, key))
            continue;
        same = false;
        if (key->restart) {
            fprintf(out, "%s: unchanged, needs a restart: %s\n", key->name, key->restart);
            continue;
        }
        fprintf(out, "%s: ", key->name);
        config_print_value(from, key, out);
        fputs(" -> ", out);
        config_print_value(to, key, out);
        fputc('\n', out);
    }
    if (same)
        fputs("no key has changed\n", out);
}
