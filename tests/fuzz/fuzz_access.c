/* SPDX-License-Identifier: BSD-3-Clause */
/* A list of info-hashes of any bytes: all of it is taken, or none with a reason. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/access_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct access_hashes hashes;
    char explanation[512];
    int error = access_parse_text((const char *)bytes, size, "list", &hashes, explanation,
                                  sizeof(explanation));

    if (error != 0 && error != -EINVAL)
        abort();
    if ((error != 0) != (explanation[0] != '\0') || strlen(explanation) >= sizeof(explanation))
        abort();
    if (error && (hashes.items || hashes.count))
        abort();
    if (hashes.count > size / (2 * ACCESS_HASH_SIZE))
        abort();
    access_hashes_free(&hashes);
    return 0;
}
