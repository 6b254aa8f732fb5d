/* SPDX-License-Identifier: BSD-3-Clause */
#include <event2/buffer.h>

#include "sample.h"

void metric_sample(const struct metric_writer *writer, double value)
{
    evbuffer_add_printf(writer->out, "%s %.15g\n", writer->metric->name, value);
}

void metric_sample_labelled(const struct metric_writer *writer, const char *label, const char *name,
                            double value)
{
    evbuffer_add_printf(writer->out, "%s{%s=\"%s\"} %.15g\n", writer->metric->name, label, name,
                        value);
}

void metric_escape(const char *text, char *escaped, size_t size)
{
    size_t length = 0;

    for (; *text != '\0' && length + 3 < size; text++) {
        if (*text == '\\' || *text == '"')
            escaped[length++] = '\\';
        escaped[length++] = (char)((unsigned char)*text < ' ' ? ' ' : *text);
    }
    escaped[length] = '\0';
}
