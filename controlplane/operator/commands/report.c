/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "report.h"

bool report_begin(struct report *report)
{
    *report = (struct report){0};
    report->stream = open_memstream(&report->text, &report->size);
    return report->stream != NULL;
}

void report_end(struct report *report)
{
    fclose(report->stream);
    if (report->size > 0 && report->text[report->size - 1] == '\n')
        report->text[--report->size] = '\0';
}

void report_free(struct report *report)
{
    free(report->text);
}

json_t *report_lines(const struct report *report)
{
    json_t *lines = json_array();
    const char *line = report->text;

    while (*line != '\0') {
        size_t length = strcspn(line, "\n");

        json_array_append_new(lines, json_stringn(line, length));
        line += length + (line[length] == '\n');
    }
    return lines;
}
