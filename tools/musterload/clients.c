/* SPDX-License-Identifier: BSD-3-Clause */
#include "clients.h"

#include <sys/mman.h>

enum { HUGE_PAGE = 2 * 1024 * 1024 };

static size_t size_of(const struct workload *workload)
{
    size_t size = (size_t)workload->peers * sizeof(struct client);

    return (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static void *map(size_t size, int flags)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | flags, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

struct client *clients_make(const struct workload *workload)
{
    struct client *clients = map(size_of(workload), MAP_HUGETLB);

    if (!clients)
        clients = map(size_of(workload), 0);
    for (uint32_t number = 0; clients && number < workload->peers; number++) {
        workload_peer(workload, number, &clients[number].peer);
        workload_info_hash(clients[number].peer.torrent, clients[number].info_hash);
    }
    return clients;
}

void clients_free(struct client *clients, const struct workload *workload)
{
    if (clients)
        munmap(clients, size_of(workload));
}
