/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* The largest first: a number is printed in the largest unit that it is a multiple of. */
static const struct unit durations[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}, {NULL, 0}};
static const struct unit sizes[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {NULL, 0}};
static const struct unit counts[] = {{"G", 1000000000}, {"M", 1000000}, {"k", 1000}, {NULL, 0}};

enum {
    COUNT_PLAIN_BELOW = 10000, /* 1500 bytes and port 9000 read better without a unit */
};

static const struct unit *units_of(const struct config_key *key)
{
    return key->type == CONFIG_DURATION ? durations : key->type == CONFIG_SIZE ? sizes : counts;
}

/* Numbers ------------------------------------------------------------------------------------- */

uint64_t config_number_get(const struct config_key *key, const void *value)
{
    uint64_t number = 0;

    memcpy(&number, value, key->size); /* little-endian: asserted in bpf/rules.h */
    return number;
}

void config_number_set(const struct config_key *key, void *value, uint64_t number)
{
    memcpy(value, &number, key->size);
}

static bool parse_number(const struct config_key *key, const char *text, uint64_t *number)
{
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return false; /* strtoull() would take spaces and signs */
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (errno)
        return false;
    if (*end == '\0')
        return true;
    for (const struct unit *unit = units_of(key); unit->suffix; unit++)
        if (strcmp(end, unit->suffix) == 0)
            return !__builtin_mul_overflow(*number, unit->factor, number);
    return false;
}

static void print_number(const struct config_key *key, uint64_t number, FILE *out)
{
    if (number && !(key->type == CONFIG_COUNT && number < COUNT_PLAIN_BELOW))
        for (const struct unit *unit = units_of(key); unit->suffix; unit++)
            if (number % unit->factor == 0) {
                fprintf(out, "%" PRIu64 "%s", number / unit->factor, unit->suffix);
                return;
            }
    fprintf(out, "%" PRIu64, number);
}

/* Words --------------------------------------------------------------------------------------- */

static bool parse_bool(const char *text, bool *value)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(text, words[i]) == 0) {
            *value = i % 2;
            return true;
        }
    return false;
}

static bool parse_choice(const struct config_key *key, const char *text, void *value)
{
    for (unsigned i = 0; key->choices[i]; i++)
        if (strcmp(text, key->choices[i]) == 0) {
            config_number_set(key, value, i);
            return true;
        }
    return false;
}

/* Of a list, the list itself may be empty, but not its items. */
static bool may_be_empty(const struct config_key *key)
{
    return key->optional && !key->list_max;
}

static bool parse_string(const struct config_key *key, const char *text, char *value)
{
    size_t length = strlen(text);

    if (length >= key->size || (length == 0 && !may_be_empty(key)))
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 127)
            return false;
    memset(value, 0, key->size);
    memcpy(value, text, length + 1);
    return true;
}

bool config_value_resolve(const struct config_key *key, const char *folder, char *value)
{
    char path[2 * CONFIG_PATH_SIZE];

    if (!*value || *value == '/' || !*folder)
        return true;
    snprintf(path, sizeof(path), "%s/%s", folder, value);
    return parse_string(key, path, value);
}

void config_quote(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        if ((unsigned char)*text < ' ' || *text == 127)
            fprintf(out, "\\x%02x", (unsigned char)*text);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

/* Plain where YAML takes it for the same string. */
static void print_string(const char *text, FILE *out)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";

    if (*text && *text != '-' && text[strspn(text, plain)] == '\0')
        fputs(text, out);
    else
        config_quote(text, out);
}

/* Addresses ----------------------------------------------------------------------------------- */

static bool parse_address(const struct config_key *key, const char *text,
                          struct dataplane_address *address)
{
    static const struct config_key port_key = {.type = CONFIG_COUNT};
    const char *colon = strrchr(text, ':');
    struct dataplane_address parsed = {0};
    char host[INET6_ADDRSTRLEN];
    uint64_t port;

    if (may_be_empty(key) && strcmp(text, "off") == 0) {
        *address = parsed;
        return true;
    }
    if (!colon || !isdigit((unsigned char)colon[1]) || !parse_number(&port_key, colon + 1, &port) ||
        port == 0 || port > UINT16_MAX)
        return false;

    size_t length = (size_t)(colon - text);
    bool bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';
    if (bracketed) {
        text++;
        length -= 2;
    }
    if (length >= sizeof(host))
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    parsed.family = bracketed ? 6 : 4;
    parsed.port = (uint16_t)port;
    if (inet_pton(bracketed ? AF_INET6 : AF_INET, host, parsed.bytes) != 1)
        return false;
    *address = parsed;
    return true;
}

static void print_address(const struct dataplane_address *address, FILE *out)
{
    char host[INET6_ADDRSTRLEN] = "";

    if (!address->family) {
        fputs("off", out);
        return;
    }
    inet_ntop(address->family == 6 ? AF_INET6 : AF_INET, address->bytes, host, sizeof(host));
    fprintf(out, address->family == 6 ? "\"[%s]:%u\"" : "\"%s:%u\"", host, address->port);
}

/* Any ----------------------------------------------------------------------------------------- */

bool config_value_read(const struct config_key *key, const char *text, void *value)
{
    uint64_t number;

    switch (key->type) {
    case CONFIG_BOOL:
        return parse_bool(text, value);
    case CONFIG_COUNT:
    case CONFIG_DURATION:
    case CONFIG_SIZE:
        if (!parse_number(key, text, &number) || number < key->min || number > key->max)
            return false;
        config_number_set(key, value, number);
        return true;
    case CONFIG_CHOICE:
        return parse_choice(key, text, value);
    case CONFIG_STRING:
    case CONFIG_PATH:
        return parse_string(key, text, value);
    case CONFIG_ADDRESS:
        return parse_address(key, text, value);
    case CONFIG_RECORD:
        break;
    }
    return false;
}

static void expect_number(const struct config_key *key, FILE *out)
{
    fputs(key->type == CONFIG_DURATION ? "a duration (s, m, h, d) from "
          : key->type == CONFIG_SIZE   ? "a size (KiB, MiB, GiB) from "
                                       : "a number from ",
          out);
    print_number(key, key->min, out);
    fputs(" to ", out);
    print_number(key, key->max, out);
}

void config_value_expected(const struct config_key *key, FILE *out)
{
    switch (key->type) {
    case CONFIG_BOOL:
        fputs("true or false", out);
        break;
    case CONFIG_COUNT:
    case CONFIG_DURATION:
    case CONFIG_SIZE:
        expect_number(key, out);
        break;
    case CONFIG_CHOICE:
        for (unsigned i = 0; key->choices[i]; i++)
            fprintf(out, "%s%s",
                    i == 0                ? ""
                    : key->choices[i + 1] ? ", "
                                          : " or ",
                    key->choices[i]);
        break;
    case CONFIG_STRING:
    case CONFIG_PATH:
        fprintf(out, "%s of %s%zu printable characters",
                key->type == CONFIG_PATH ? "a path" : "text",
                may_be_empty(key) ? "up to " : "1 to ", key->size - 1);
        break;
    case CONFIG_ADDRESS:
        fprintf(out, "an address and port (192.0.2.1:6969 or \"[2001:db8::1]:6969\")%s",
                may_be_empty(key) ? ", or off" : "");
        break;
    case CONFIG_RECORD:
        fputs("a mapping (key: value)", out);
        break;
    }
}

void config_value_print(const struct config_key *key, const void *value, FILE *out)
{
    switch (key->type) {
    case CONFIG_BOOL:
        fputs(*(const bool *)value ? "true" : "false", out);
        break;
    case CONFIG_COUNT:
    case CONFIG_DURATION:
    case CONFIG_SIZE:
        print_number(key, config_number_get(key, value), out);
        break;
    case CONFIG_CHOICE:
        fputs(key->choices[config_number_get(key, value)], out);
        break;
    case CONFIG_STRING:
    case CONFIG_PATH:
        print_string(value, out);
        break;
    case CONFIG_ADDRESS:
        print_address(value, out);
        break;
    case CONFIG_RECORD:
        break;
    }
}
