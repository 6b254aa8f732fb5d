/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_report.h"

#include <stdarg.h>
#include <string.h>

#include "config_value.h"

enum { SHOWN_MAX = 40 }; /* characters of a wrong value that a message repeats */

void config_report_place(struct config_report *report, const struct config_key *key, unsigned item,
                         unsigned line)
{
    size_t index = (size_t)(key - config_keys);

    if (index < CONFIG_REPORT_KEYS && item < CONFIG_REPORT_ITEMS)
        report->lines[index][item] = line;
}

unsigned config_report_line(const struct config_report *report, const char *name, unsigned item)
{
    const struct config_key *key = config_key_find(name);
    size_t index = key ? (size_t)(key - config_keys) : CONFIG_REPORT_KEYS;

    if (index >= CONFIG_REPORT_KEYS || item >= CONFIG_REPORT_ITEMS)
        return 0;
    return report->lines[index][item] ? report->lines[index][item] : report->lines[index][0];
}

void config_complain_at(struct config_report *report, unsigned line, const char *name)
{
    report->errors++;
    if (report->file)
        fprintf(report->out, "%s:", report->file);
    if (report->file && line)
        fprintf(report->out, "%u:", line);
    if (report->file)
        fputc(' ', report->out);
    if (*name)
        fprintf(report->out, "%s: ", name);
}

void config_complain(struct config_report *report, const char *name, unsigned item,
                     const char *format, ...)
{
    char full[128];
    va_list arguments;

    snprintf(full, sizeof(full), item ? "%s[%u]" : "%s", name, item - 1);
    config_complain_at(report, config_report_line(report, name, item), full);
    va_start(arguments, format);
    vfprintf(report->out, format, arguments);
    va_end(arguments);
    fputc('\n', report->out);
}

void config_report_found(struct config_report *report, const char *text)
{
    char shown[SHOWN_MAX + 1];

    if (*text == '\0') {
        fputs("nothing", report->out);
        return;
    }
    snprintf(shown, sizeof(shown), "%s", text);
    config_quote(shown, report->out);
    if (strlen(text) > SHOWN_MAX)
        fputs("...", report->out);
}
