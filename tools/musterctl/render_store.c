/* SPDX-License-Identifier: BSD-3-Clause */
/* store, fleet, snapshot */
#include "render.h"
#include "text.h"

void render_store(const json_t *result, FILE *out)
{
}

void render_fleet(const json_t *result, FILE *out)
{
}

void render_snapshot(const json_t *result, FILE *out)
{
    fputs("a snapshot has begun; `store` shows how far it is\n", out);
}
