/* SPDX-License-Identifier: BSD-3-Clause */
/* swarms top, swarms show */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "../inspection.h"
#include "../views.h"
#include "commands.h"

enum { TOP_DEFAULT = 10 };

/* Top ------------------------------------------------------------------------------------- */

static void answer_top(void *user, const struct inspection *inspection, int error)
{
    struct inspect_swarm rows[INSPECT_TOP_MAX];
    struct call *call = user;
    json_t *swarms;
    unsigned count;

    if (error) {
        command_no_inspection(call, error);
        return;
    }
    count = inspection_top(inspection, rows, (unsigned)call_number(call, "limit", TOP_DEFAULT));
    swarms = json_array();
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(swarms, view_swarm(&rows[i]));
    call_result(call, json_pack("{s:o}", "swarms", swarms));
}

void command_swarms_top(struct call *call)
{
    const struct controlplane *controlplane = command_controlplane(call);
    const char *by = call_text(call, "by");
    struct inspection *inspection = inspection_new(
        DATAPLANE_JOB_TOP, dataplane_workers(controlplane->dataplane), answer_top, call);

    if (!inspection) {
        command_no_inspection(call, -ENOMEM);
        return;
    }
    for (unsigned n = 0; n < inspection_count(inspection); n++) {
        struct inspect_top *top = &inspection_answer(inspection, n)->top;

        top->by = by && strcmp(by, "rate") == 0 ? INSPECT_BY_RATE : INSPECT_BY_PEERS;
        top->want = (unsigned)call_number(call, "limit", TOP_DEFAULT);
    }
    inspection_start(inspection, controlplane->jobs);
}

/* Show ------------------------------------------------------------------------------------ */

static json_t *view_peer(const struct inspect_peer *peer, uint8_t family)
{
    size_t address_size = family == SWARMS_IPV4 ? 4 : 16;
    char address[INET6_ADDRSTRLEN];
    uint16_t port;

    inet_ntop(family == SWARMS_IPV4 ? AF_INET : AF_INET6, peer->peer, address, sizeof(address));
    memcpy(&port, peer->peer + address_size, sizeof(port));
    return json_pack("{s:s, s:i, s:b, s:I}", "address", address, "port", ntohs(port), "seeder",
                     peer->seeder, "age", (json_int_t)peer->age);
}

static json_t *view_show(const struct inspect_show *show, unsigned owner)
{
    json_t *swarm = view_swarm(&show->swarm);
    json_t *peers = json_array();

    for (unsigned i = 0; i < show->peers_count; i++)
        json_array_append_new(peers, view_peer(&show->peers[i], show->family));
    json_object_set_new(swarm, "memory", json_integer((json_int_t)show->memory));
    json_object_set_new(swarm, "owner", json_integer(owner));
    json_object_set_new(swarm, "peers", peers);
    return swarm;
}

static void answer_show(void *user, const struct inspection *inspection, int error)
{
    struct call *call = user;
    json_t *swarms;

    if (error) {
        command_no_inspection(call, error);
        return;
    }
    swarms = json_array();
    for (unsigned n = 0; n < inspection_count(inspection); n++) {
        const struct inspect_show *show = &inspection_answer(inspection, n)->show;

        if (show->found)
            json_array_append_new(swarms, view_show(show, inspection_worker(inspection, n)));
    }
    if (json_array_size(swarms) > 0) {
        call_result(call, json_pack("{s:o}", "swarms", swarms));
        return;
    }
    json_decref(swarms);
    call_error(call, JSON_RPC_NOT_FOUND, NULL, "nobody has announced %s lately",
               call_text(call, "hash"));
}

void command_swarms_show(struct call *call)
{
    const struct controlplane *controlplane = command_controlplane(call);
    struct inspection *inspection = inspection_new(DATAPLANE_JOB_SHOW, 2, answer_show, call);
    struct access_hash hash;

    if (!inspection) {
        command_no_inspection(call, -ENOMEM);
        return;
    }
    access_parse_hash(call_text(call, "hash"), &hash); /* checked by the table of commands */
    for (uint8_t family = 0; family < 2; family++) {
        struct inspect_show *show = &inspection_answer(inspection, family)->show;

        memcpy(show->info_hash, hash.bytes, sizeof(show->info_hash));
        show->family = family;
        inspection_set_worker(inspection, family,
                              dataplane_owner(controlplane->dataplane, hash.bytes));
    }
    inspection_start(inspection, controlplane->jobs);
}
