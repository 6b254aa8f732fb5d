/* SPDX-License-Identifier: BSD-3-Clause */
#include "secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replace_file.h"

#define FILE_HEADER "muster-secrets 1\n"

enum { FILE_SIZE_MAX = 1024 };

struct secrets {
    char path[PATH_MAX];
    struct cookie_key current, previous;
    struct swarms_secret swarms;
};

static int __attribute__((format(printf, 3, 4)))
complain(char *error, int result, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, SECRETS_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return result;
}

void secrets_random(void *bytes, size_t size)
{
    uint8_t *at = bytes;

    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);

        if (got < 0 && errno != EINTR)
            abort(); /* there are kernels without, but none that has AF_XDP */
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        }
    }
}

static uint64_t epoch_of(time_t now)
{
    return now < 0 ? 0 : (uint64_t)now / COOKIE_EPOCH_SECONDS;
}

static struct cookie_key key_random(uint64_t since)
{
    struct cookie_key key;

    secrets_random(&key, sizeof(key));
    key.since = since;
    return key;
}

/* The file ------------------------------------------------------------------------------------- */

static size_t print(const struct secrets *secrets, char text[FILE_SIZE_MAX])
{
    int used = snprintf(text, FILE_SIZE_MAX,
                        FILE_HEADER "current %" PRIu64 " %016" PRIx64 "%016" PRIx64
                                    "\nprevious %" PRIu64 " %016" PRIx64 "%016" PRIx64 "\nswarms ",
                        secrets->current.since, secrets->current.k0, secrets->current.k1,
                        secrets->previous.since, secrets->previous.k0, secrets->previous.k1);

    for (unsigned i = 0; i < sizeof(secrets->swarms.bytes); i++)
        used +=
            snprintf(text + used, FILE_SIZE_MAX - (size_t)used, "%02x", secrets->swarms.bytes[i]);
    text[used++] = '\n';
    return (size_t)used;
}

/* A field up to a space or the line's end; advances *text. */
static bool parse_hex64(const char **text, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < 16; i++, (*text)++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = **text ? strchr(digits, **text) : NULL;

        if (!digit)
            return false;
        *value = *value << 4 | (uint64_t)(digit - digits);
    }
    return true;
}

static bool parse_word(const char **text, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

static bool parse_key(const char **text, const char *name, struct cookie_key *key)
{
    char *end;

    if (!parse_word(text, name) || **text < '0' || **text > '9')
        return false;
    errno = 0;
    key->since = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0 && parse_word(text, " ") && parse_hex64(text, &key->k0) &&
           parse_hex64(text, &key->k1) && parse_word(text, "\n");
}

/* 0, or the number of the line that is wrong. */
static unsigned parse(struct secrets *secrets, const char *text)
{
    if (!parse_word(&text, FILE_HEADER))
        return 1;
    if (!parse_key(&text, "current ", &secrets->current))
        return 2;
    if (!parse_key(&text, "previous ", &secrets->previous))
        return 3;
    if (!parse_word(&text, "swarms "))
        return 4;
    for (unsigned i = 0; i < sizeof(secrets->swarms.bytes); i += 8) {
        uint64_t value;

        if (!parse_hex64(&text, &value))
            return 4;
        for (unsigned byte = 0; byte < 8; byte++)
            secrets->swarms.bytes[i + byte] = (uint8_t)(value >> (56 - 8 * byte));
    }
    return strcmp(text, "\n") == 0 ? 0 : 5;
}

static int check_mode(const char *path, int fd, char *error)
{
    struct stat status;

    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return complain(error, -EINVAL, "%s is not a file", path);
    if (status.st_mode & (S_IRWXG | S_IRWXO))
        return complain(error, -EPERM,
                        "%s may be read by others (mode %03o): take them for known, remove the "
                        "file; or chmod 600 it",
                        path, status.st_mode & 0777);
    return 0;
}

/* `secrets` changes only if all is well. -ENOENT: there is no file. */
static int read_file(struct secrets *secrets, char *error)
{
    struct secrets read_in = *secrets;
    char text[FILE_SIZE_MAX + 1];
    int fd = open(secrets->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size;
    unsigned line;
    int result;

    if (fd < 0)
        return complain(error, -errno, "can't read %s: %m", secrets->path);
    result = check_mode(secrets->path, fd, error);
    size = read(fd, text, FILE_SIZE_MAX);
    close(fd);
    if (result != 0)
        return result;
    if (size < 0)
        return complain(error, -EIO, "can't read %s", secrets->path);
    text[size] = '\0';
    line = parse(&read_in, text);
    if (line != 0)
        return complain(error, -EINVAL,
                        "%s:%u: damaged: restore it, or remove it to start with new keys (clients "
                        "then need new connection IDs)",
                        secrets->path, line);
    *secrets = read_in;
    return 0;
}

static int write_file(const struct secrets *secrets, char *error)
{
    char text[FILE_SIZE_MAX];
    int result = replace_file(secrets->path, text, print(secrets, text), 0600);

    if (result == 0)
        return 0;
    return complain(error, result, "can't write %s: %s: is the folder there, and the daemon's?",
                    secrets->path, strerror(-result));
}

/* What others see ------------------------------------------------------------------------------ */

/* Both keys sign at once: there is nobody yet who could disagree. */
static int make(struct secrets *secrets, time_t now, char *error)
{
    secrets->current = key_random(epoch_of(now));
    secrets->previous = key_random(0);
    secrets_random(&secrets->swarms, sizeof(secrets->swarms));
    return write_file(secrets, error);
}

int secrets_open(const char *path, time_t now, struct secrets **out, char *error)
{
    struct secrets *secrets = calloc(1, sizeof(*secrets));
    int result;

    *out = NULL;
    if (!secrets)
        return complain(error, -ENOMEM, "no memory");
    if (strlen(path) >= sizeof(secrets->path)) {
        free(secrets);
        return complain(error, -ENAMETOOLONG, "%s: too long", path);
    }
    strcpy(secrets->path, path);
    result = read_file(secrets, error);
    if (result == -ENOENT)
        result = make(secrets, now, error);
    if (result != 0) {
        secrets_close(secrets);
        return result;
    }
    *out = secrets;
    return 0;
}

void secrets_close(struct secrets *secrets)
{
    if (!secrets)
        return;
    explicit_bzero(secrets, sizeof(*secrets));
    free(secrets);
}

struct cookie_state secrets_cookies(const struct secrets *secrets, time_t now)
{
    return (struct cookie_state){
        .epoch = epoch_of(now), .current = secrets->current, .previous = secrets->previous};
}

const struct swarms_secret *secrets_swarms(const struct secrets *secrets)
{
    return &secrets->swarms;
}

bool secrets_due(const struct secrets *secrets, time_t now, uint32_t period)
{
    uint64_t made = secrets->current.since;

    return epoch_of(now) >= made && (epoch_of(now) - made) * COOKIE_EPOCH_SECONDS >= period;
}

int secrets_rotate(struct secrets *secrets, time_t now, char *error)
{
    struct secrets rotated = *secrets;
    uint64_t epoch = epoch_of(now);
    int result;

    if (epoch < secrets->current.since + COOKIE_EPOCHS_HONOURED)
        return complain(error, -EAGAIN, "the last rotation was too recent: wait %u seconds",
                        (unsigned)((secrets->current.since + COOKIE_EPOCHS_HONOURED - epoch) *
                                   COOKIE_EPOCH_SECONDS));
    rotated.previous = secrets->current;
    rotated.current = key_random(epoch + SECRETS_LEAD);
    result = write_file(&rotated, error);
    if (result == 0)
        *secrets = rotated;
    explicit_bzero(&rotated, sizeof(rotated));
    return result;
}

int secrets_reload(struct secrets *secrets, char *error)
{
    return read_file(secrets, error);
}
