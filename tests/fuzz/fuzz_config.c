/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A configuration of any bytes: refused with reasons, or taken; and what is taken, printed, is
 * taken again as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/config.h"
#include "tests/unit/config_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int parse(const char *text, size_t size, struct config *config)
{
    char *said = NULL;
    size_t said_size = 0;
    FILE *errors = open_memstream(&said, &said_size);
    int error = config_parse(text, size, "/etc/muster/muster.yaml", config, errors);

    fclose(errors);
    if ((error != 0) != (said_size != 0))
        abort(); /* refused without a reason, or taken with one */
    free(said);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct config first, second;
    char *text = NULL;
    size_t text_size = 0;
    FILE *out;

    if (parse((const char *)bytes, size, &first))
        return 0;
    out = open_memstream(&text, &text_size);
    config_text(&first, out);
    fclose(out);
    if (parse(text, text_size, &second))
        abort();
    for (const struct config_key *key = config_keys; key->name; key++)
        if (!config_same(&first, &second, key))
            abort();
    free(text);
    return 0;
}
