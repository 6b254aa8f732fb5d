/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <string.h>

#include "text.h"

/* Numbers ---------------------------------------------------------------------------------- */

/* Three digits, "9.02", "41.2", "412". */
static void three_digits(char *text, double number)
{
    int decimals = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;

    snprintf(text, TEXT_SIZE, "%.*f", decimals, number);
}

static char *scaled(char *text, double number, double step, const char *const *units)
{
    char digits[TEXT_SIZE];

    while (number >= step * 0.9995 && units[1]) {
        number /= step;
        units++;
    }
    if (number == floor(number) && number < 1000)
        snprintf(digits, sizeof(digits), "%.0f", number);
    else
        three_digits(digits, number);
    snprintf(text, TEXT_SIZE, "%.15s%.12s", digits, *units);
    return text;
}

char *text_count(char *text, double number)
{
    static const char *const units[] = {"", " k", " M", " G", " T", NULL};

    if (number > 0 && number < 1) {
        snprintf(text, TEXT_SIZE, "%.2f", number);
        return text;
    }
    return scaled(text, number < 999.5 ? round(number) : number, 1000, units);
}

char *text_bytes(char *text, double bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", NULL};

    return scaled(text, bytes, 1024, units);
}

char *text_bits(char *text, double bytes)
{
    static const char *const units[] = {" bit", " kbit", " Mbit", " Gbit", " Tbit", NULL};

    return scaled(text, round(bytes * 8), 1000, units);
}

char *text_exact(char *text, json_int_t number)
{
    char digits[TEXT_SIZE];
    int length = snprintf(digits, sizeof(digits), "%lld", (long long)number);
    char *to = text;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

char *text_time(char *text, double seconds)
{
    static const char *const units[] = {" ns", " us", " ms", " s", NULL};

    if (seconds <= 0)
        return strcpy(text, "-");
    return scaled(text, seconds * 1e9, 1000, units);
}

char *text_span(char *text, json_int_t seconds)
{
    long long s = seconds;

    if (s < 60)
        snprintf(text, TEXT_SIZE, "%lld s", s);
    else if (s < 3600)
        snprintf(text, TEXT_SIZE, s % 60 ? "%lld min %lld s" : "%lld min", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, TEXT_SIZE, s % 3600 / 60 ? "%lld h %lld min" : "%lld h", s / 3600,
                 s % 3600 / 60);
    else
        snprintf(text, TEXT_SIZE, s % 86400 / 3600 ? "%lld d %lld h" : "%lld d", s / 86400,
                 s % 86400 / 3600);
    return text;
}

char *text_percent(char *text, double share)
{
    double percent = share * 100;

    snprintf(text, TEXT_SIZE, percent > 0 && percent < 0.95 ? "%.1f %%" : "%.0f %%",
             percent > 0 && percent < 0.05 ? 0.1 : percent);
    return text;
}

void text_bar(FILE *out, double share, unsigned width)
{
    double inside = share < 0 ? 0 : share > 1 ? 1 : share;
    unsigned filled = (unsigned)lround(inside * width);

    fputc('[', out);
    for (unsigned i = 0; i < width; i++)
        fputc(i < filled ? '#' : '.', out);
    fputc(']', out);
}

/* Styles ----------------------------------------------------------------------------------- */

static bool colors;

void text_use_colors(bool use)
{
    colors = use;
}

const char *text_style(enum text_style style)
{
    static const char *const sequences[] = {
        "\033[0m", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[1;31m",
    };

    return colors ? sequences[style] : "";
}

/* JSON ------------------------------------------------------------------------------------- */

double json_number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

json_int_t json_whole(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

const char *json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

bool json_flag(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

struct text_fill text_fill(const json_t *tables, const char *name)
{
    struct text_fill fill;
    char key[TEXT_SIZE];

    snprintf(key, sizeof(key), "%s_fill", name);
    fill.share = json_number(tables, key);
    snprintf(key, sizeof(key), "%s_limit", name);
    text_count(fill.limit, json_number(tables, key));
    text_count(fill.now, json_number(tables, name));
    text_percent(fill.percent, fill.share);
    return fill;
}
