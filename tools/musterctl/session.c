/* SPDX-License-Identifier: BSD-3-Clause */
#include "session.h"

enum musterctl_exit session_call(struct session *session, const char *method, json_t *params,
                                 json_t **reply)
{
    json_t *answer = NULL;
    enum client_status status;

    *reply = NULL;
    if (!session->client)
        session->client = client_connect(session->socket);
    if (!session->client) {
        json_decref(params);
        return MUSTERCTL_UNREACHABLE;
    }
    status = client_call(session->client, method, params, &answer);
    if (status == CLIENT_LOST) {
        client_free(session->client);
        session->client = NULL;
        return MUSTERCTL_UNREACHABLE;
    }
    *reply = answer;
    return status == CLIENT_OK ? MUSTERCTL_OK : MUSTERCTL_REFUSED;
}
