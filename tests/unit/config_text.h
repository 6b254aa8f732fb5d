/* SPDX-License-Identifier: BSD-3-Clause */
/* A whole configuration as text: every key's value as it is shown. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "controlplane/config.h"
#include "controlplane/config_schema.h"

static inline void config_text(const struct config *config, FILE *out)
{
    const char *section = "";
    size_t length = 0;

    for (const struct config_key *key = config_keys; key->name; key++) {
        size_t own = config_section_length(key);

        if (own && (own != length || strncmp(section, key->name, own) != 0))
            fprintf(out, "%.*s:\n", (int)own, key->name);
        section = key->name;
        length = own;
        fprintf(out, "%s%s: ", own ? "  " : "", key->name + (own ? own + 1 : 0));
        config_print_value(config, key, out);
        fputc('\n', out);
    }
}
