/* SPDX-License-Identifier: BSD-3-Clause */
/* clients: which programs announce, by what their peer IDs claim (BEP 20). */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../inspection.h"
#include "commands.h"

enum { LIMIT_DEFAULT = 20 };

/* Azureus style: "-" CODE VERSION "-". Source: BEP 20 and the programs' own peer IDs. */
static const struct {
    char code[3];
    const char *program;
} azureus_programs[] = {
    {"AG", "Ares"},
    {"AZ", "Vuze"},
    {"BC", "BitComet"},
    {"BI", "BiglyBT"},
    {"BT", "BitTorrent"},
    {"BW", "BitTorrent Web"},
    {"DE", "Deluge"},
    {"FD", "Free Download Manager"},
    {"FL", "Folx"},
    {"FW", "FrostWire"},
    {"KT", "KTorrent"},
    {"LT", "libtorrent (Rasterbar)"},
    {"lt", "libTorrent (rTorrent)"},
    {"MR", "Miro"},
    {"PI", "PicoTorrent"},
    {"qB", "qBittorrent"},
    {"SD", "Thunder"},
    {"TL", "Tribler"},
    {"TR", "Transmission"},
    {"TX", "Tixati"},
    {"UM", "uTorrent Mac"},
    {"UT", "uTorrent"},
    {"UW", "uTorrent Web"},
    {"WD", "WebTorrent Desktop"},
    {"WW", "WebTorrent"},
    {"XF", "Xfplay"},
    {"XL", "Xunlei"},
    {"tT", "tTorrent"},
    {"GT", "go.torrent"},
    {"AN", "Anacrolix torrent"},
};

static bool is_azureus(const char *prefix)
{
    return prefix[0] == '-' && prefix[7] == '-' && isalnum((unsigned char)prefix[1]) &&
           isalnum((unsigned char)prefix[2]);
}

/* NULL when unknown. */
static const char *program_of(const char *prefix)
{
    for (size_t i = 0; i < sizeof(azureus_programs) / sizeof(azureus_programs[0]); i++) {
        if (is_azureus(prefix) && memcmp(prefix + 1, azureus_programs[i].code, 2) == 0)
            return azureus_programs[i].program;
    }
    if (memcmp(prefix, "A2-", 3) == 0)
        return "aria2";
    if (prefix[0] == 'M' && isdigit((unsigned char)prefix[1]) && prefix[2] == '-')
        return "BitTorrent (Mainline)";
    return NULL;
}

/* "4.6.5.0"; "" when the prefix tells none. */
static void version_of(const char *prefix, char version[8])
{
    version[0] = '\0';
    if (is_azureus(prefix))
        snprintf(version, 8, "%c.%c.%c.%c", prefix[3], prefix[4], prefix[5], prefix[6]);
    for (char *c = version; *c != '\0'; c++) {
        if (!isgraph((unsigned char)*c))
            *version = *c = '\0';
    }
}

/* Any bytes, printable: others as \xNN. */
static void print_prefix(const char *prefix, char *text)
{
    for (unsigned i = 0; i < INSPECT_CLIENT_PREFIX; i++) {
        unsigned char byte = (unsigned char)prefix[i];

        text += byte >= ' ' && byte < 0x7f && byte != '\\' ? sprintf(text, "%c", byte)
                                                           : sprintf(text, "\\x%02x", byte);
    }
}

static int by_prefix(const void *a, const void *b)
{
    const struct inspect_client *left = a, *right = b;

    return memcmp(left->prefix, right->prefix, INSPECT_CLIENT_PREFIX);
}

static int by_announces(const void *a, const void *b)
{
    const struct inspect_client *left = a, *right = b;

    return (left->announces < right->announces) - (left->announces > right->announces);
}

/* Adds up rows of the same prefix; returns how many are left, the busiest first. */
static unsigned merge(struct inspect_client *rows, unsigned count)
{
    unsigned merged = 0;

    if (count == 0)
        return 0;
    qsort(rows, count, sizeof(*rows), by_prefix);
    for (unsigned i = 1; i < count; i++) {
        if (by_prefix(&rows[merged], &rows[i]) == 0)
            rows[merged].announces += rows[i].announces;
        else
            rows[++merged] = rows[i];
    }
    qsort(rows, merged + 1, sizeof(*rows), by_announces);
    return merged + 1;
}

static json_t *view_client(const struct inspect_client *client, double total)
{
    char prefix[4 * INSPECT_CLIENT_PREFIX + 1], version[8];

    print_prefix(client->prefix, prefix);
    version_of(client->prefix, version);
    return json_pack("{s:s, s:s?, s:s, s:I, s:f}", "prefix", prefix, "program",
                     program_of(client->prefix), "version", version, "announces",
                     (json_int_t)client->announces, "share",
                     total > 0 ? client->announces / total : 0);
}

/* All workers' rows together, in descending order; the rest of all counts goes to *others. */
static unsigned gather(const struct inspection *inspection, struct inspect_client *rows,
                       uint64_t *others)
{
    unsigned count = 0;

    *others = 0;
    for (unsigned n = 0; n < inspection_count(inspection); n++) {
        const struct inspect_clients *answer = &inspection_answer(inspection, n)->clients;

        memcpy(&rows[count], answer->rows, answer->count * sizeof(*rows));
        count += answer->count;
        *others += answer->others;
    }
    return merge(rows, count);
}

static json_t *view_clients(const struct inspect_client *rows, unsigned count, unsigned limit,
                            uint64_t others, unsigned sampled_of)
{
    json_t *clients = json_array();
    uint64_t total = others;

    for (unsigned i = 0; i < count; i++)
        total += rows[i].announces;
    for (unsigned i = 0; i < count && i < limit; i++)
        json_array_append_new(clients, view_client(&rows[i], (double)total));
    for (unsigned i = limit; i < count; i++)
        others += rows[i].announces;
    return json_pack("{s:o, s:I, s:f, s:I, s:i}", "clients", clients, "others", (json_int_t)others,
                     "others_share", total > 0 ? (double)others / (double)total : 0.0, "announces",
                     (json_int_t)total, "sampled_of", (int)sampled_of);
}

static void answer_clients(void *user, const struct inspection *inspection, int error)
{
    struct call *call = user;
    struct inspect_client *rows = NULL;
    unsigned count;
    uint64_t others;

    if (!error)
        rows = calloc((size_t)inspection_count(inspection) * INSPECT_CLIENTS_MAX, sizeof(*rows));
    if (!rows) {
        command_no_inspection(call, error ? error : -ENOMEM);
        return;
    }
    count = gather(inspection, rows, &others);
    call_result(call, view_clients(rows, count, (unsigned)call_number(call, "limit", LIMIT_DEFAULT),
                                   others, inspection_answer(inspection, 0)->clients.sampled_of));
    free(rows);
}

void command_clients(struct call *call)
{
    const struct controlplane *controlplane = command_controlplane(call);
    struct inspection *inspection = inspection_new(
        DATAPLANE_JOB_CLIENTS, dataplane_workers(controlplane->dataplane), answer_clients, call);

    if (inspection)
        inspection_start(inspection, controlplane->jobs);
    else
        command_no_inspection(call, -ENOMEM);
}
