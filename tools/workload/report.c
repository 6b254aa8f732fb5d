/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 64 };

void report_begin(struct report *report, bool json)
{
    *report = (struct report){.json = json};
    if (json)
        printf("{");
}

void report_section(struct report *report, const char *title)
{
    if (!report->json)
        printf("%s%s\n", report->begun ? "\n" : "", title);
    fflush(stdout);
}

static void line_begin(struct report *report)
{
    printf("%s\n%*s", report->begun ? "," : "", (int)(2 * report->depth + 2), "");
}

static void key_begin(struct report *report, const char *key)
{
    line_begin(report);
    printf("\"%s\": ", key);
}

static void bracket_open(struct report *report, char bracket)
{
    printf("%c", bracket);
    report->depth++;
    report->begun = false;
}

static void bracket_close(struct report *report, char bracket)
{
    report->depth--;
    report->begun = false;
    line_begin(report);
    printf("%c", bracket);
    report->begun = true;
}

void report_steps_begin(struct report *report, const char *key)
{
    if (!report->json)
        return;
    key_begin(report, key);
    bracket_open(report, '[');
}

void report_step_begin(struct report *report)
{
    if (!report->json)
        return;
    line_begin(report);
    bracket_open(report, '{');
}

void report_step_end(struct report *report)
{
    if (report->json)
        bracket_close(report, '}');
}

void report_steps_end(struct report *report)
{
    if (report->json)
        bracket_close(report, ']');
}

void report_text(struct report *report, const char *key, const char *label, const char *value)
{
    if (report->json) {
        key_begin(report, key);
        printf("\"%s\"", value);
    } else {
        printf("  %-34s %s\n", label, value);
    }
    report->begun = true;
}

/* Puts spaces between thousands, in front of the point. */
static void group_thousands(const char *number, char *grouped)
{
    const char *point = strchr(number, '.');
    size_t whole = point ? (size_t)(point - number) : strlen(number);

    for (size_t i = 0; number[i]; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0 && number[i - 1] != '-')
            *grouped++ = ' ';
        *grouped++ = number[i];
    }
    *grouped = '\0';
}

void report_number(struct report *report, const char *key, const char *label, double value,
                   unsigned decimals, const char *unit)
{
    char number[NUMBER_MAX], grouped[2 * NUMBER_MAX];

    snprintf(number, sizeof(number), "%.*f", (int)decimals, value);
    if (report->json) {
        key_begin(report, key);
        printf("%s", number);
    } else {
        group_thousands(number, grouped);
        printf("  %-34s %s%s%s\n", label, grouped, *unit ? " " : "", unit);
    }
    report->begun = true;
}

void report_end(struct report *report)
{
    if (report->json)
        printf("\n}\n");
    fflush(stdout);
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

double report_median(double values[], unsigned count)
{
    qsort(values, count, sizeof(values[0]), compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
