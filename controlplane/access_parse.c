/* SPDX-License-Identifier: BSD-3-Clause */
#include "access_parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    READ_BLOCK = 1 << 20,  /* bytes; large enough that the calls don't count */
    LINE_MAX_BYTES = 4096, /* a longer line is no line of a list */
};

/* One more than what a hexadecimal digit is worth, and 0 for what is none. */
static const uint8_t digit_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

struct parser {
    const char *name;
    struct access_hashes *hashes;
    size_t capacity;
    size_t line;
    size_t errors;
    FILE *explanation;
    bool out_of_memory;
};

bool access_parse_hash(const char *digits, struct access_hash *hash)
{
    for (unsigned i = 0; i < ACCESS_HASH_SIZE; i++) {
        unsigned high = digit_values[(unsigned char)digits[2 * i]];
        unsigned low = high ? digit_values[(unsigned char)digits[2 * i + 1]] : 0;

        if (!low)
            return false;
        hash->bytes[i] = (uint8_t)((high - 1) << 4 | (low - 1));
    }
    return true;
}

/* What the line says isn't repeated: the file may be another one, with our keys in it. */
static void complain(struct parser *parser, size_t length)
{
    if (parser->errors++ < ACCESS_ERRORS_SHOWN)
        fprintf(parser->explanation, "%s:%zu: expected 40 hexadecimal digits, found %zu bytes\n",
                parser->name, parser->line, length);
}

static bool append(struct parser *parser, const struct access_hash *hash)
{
    struct access_hashes *hashes = parser->hashes;

    if (hashes->count == parser->capacity) {
        size_t capacity = parser->capacity ? 2 * parser->capacity : 1024;
        struct access_hash *items = reallocarray(hashes->items, capacity, sizeof(*items));
        if (!items) {
            parser->out_of_memory = true;
            return false;
        }
        hashes->items = items;
        parser->capacity = capacity;
    }
    hashes->items[hashes->count++] = *hash;
    return true;
}

static bool is_space(char character)
{
    return character == ' ' || character == '\t' || character == '\r';
}

/* One line, without its end. */
static bool parse_line(struct parser *parser, const char *line, size_t length)
{
    const char *end = memchr(line, '#', length);
    struct access_hash hash;

    parser->line++;
    end = end ? end : line + length;
    while (line < end && is_space(*line))
        line++;
    while (end > line && is_space(end[-1]))
        end--;
    if (line == end)
        return true;
    if (end - line == 2 * ACCESS_HASH_SIZE && access_parse_hash(line, &hash))
        return append(parser, &hash);
    complain(parser, (size_t)(end - line));
    return true;
}

/* Whole lines, and at the end of the input the last one, too. Returns the bytes taken. */
static size_t parse_lines(struct parser *parser, const char *text, size_t length, bool last)
{
    const char *at = text, *end = text + length;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));

        if (!newline && !last)
            break;
        if (!parse_line(parser, at, (size_t)((newline ? newline : end) - at)))
            break;
        at = newline ? newline + 1 : end;
    }
    return (size_t)(at - text);
}

/* All or nothing. */
static int finish(struct parser *parser)
{
    int error = parser->out_of_memory ? -ENOMEM : parser->errors ? -EINVAL : 0;

    if (parser->errors > ACCESS_ERRORS_SHOWN)
        fprintf(parser->explanation, "%s: and %zu more wrong lines\n", parser->name,
                parser->errors - ACCESS_ERRORS_SHOWN);
    if (parser->out_of_memory)
        fprintf(parser->explanation, "%s: out of memory after %zu info-hashes\n", parser->name,
                parser->hashes->count);
    if (error)
        access_hashes_free(parser->hashes);
    fclose(parser->explanation);
    return error;
}

static struct parser start(const char *name, struct access_hashes *hashes, char *explanation,
                           size_t size)
{
    *hashes = (struct access_hashes){0};
    explanation[0] = explanation[size - 1] = '\0';
    return (struct parser){
        .name = name,
        .hashes = hashes,
        .explanation = fmemopen(explanation, size - 1, "w"),
    };
}

int access_parse_text(const char *text, size_t length, const char *name,
                      struct access_hashes *hashes, char *explanation, size_t size)
{
    struct parser parser = start(name, hashes, explanation, size);

    if (!parser.explanation)
        return -ENOMEM;
    parse_lines(&parser, text, length, true);
    return finish(&parser);
}

/* A descriptor of a regular file, or a negative errno; doesn't wait for the other end of a pipe. */
static int open_file(const char *path)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;

    if (descriptor < 0)
        return -errno;
    if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode))
        return descriptor;
    close(descriptor);
    return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
}

/* Read block by block, not mapped: a file that is cut short meanwhile would kill the process. */
static int parse_descriptor(struct parser *parser, int descriptor, char *buffer)
{
    size_t kept = 0;

    for (;;) {
        ssize_t got = read(descriptor, buffer + kept, READ_BLOCK);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;

        size_t length = kept + (size_t)got;
        size_t taken = parse_lines(parser, buffer, length, got == 0);
        kept = length - taken;
        if (got == 0 || parser->out_of_memory)
            return 0;
        if (kept > LINE_MAX_BYTES) {
            parser->line++;
            complain(parser, kept);
            return 0;
        }
        memmove(buffer, buffer + taken, kept);
    }
}

int access_parse_file(const char *path, struct access_hashes *hashes, char *explanation,
                      size_t size)
{
    struct parser parser = start(path, hashes, explanation, size);
    char *buffer = malloc(LINE_MAX_BYTES + READ_BLOCK);
    int descriptor = open_file(path);
    int error = descriptor < 0 ? descriptor : buffer ? 0 : -ENOMEM;

    if (parser.explanation && !error)
        error = parse_descriptor(&parser, descriptor, buffer);
    if (descriptor >= 0)
        close(descriptor);
    free(buffer);
    if (!parser.explanation)
        return -ENOMEM;
    if (error) {
        fprintf(parser.explanation, "%s: can't be read: %s\n", path, strerror(-error));
        access_hashes_free(hashes);
        fclose(parser.explanation);
        return error;
    }
    return finish(&parser);
}

void access_hashes_free(struct access_hashes *hashes)
{
    free(hashes->items);
    *hashes = (struct access_hashes){0};
}
