/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chunk.h"
#include "store.h"

enum {
    REQUESTS_MAX = 512, /* under way; bounds memory to as many chunks */
    BATCH = 256,        /* chunks that one syncfs() makes durable */
    NAME_SIZE = 24,
    BYTES_MAX = 64 << 20, /* of chunks under way */
};

struct request {
    STAILQ_ENTRY(request) link;
    unsigned appliance, chunk;
    uint8_t *bytes;
    size_t size;
    int error; /* errno */
    store_written *written;
    store_fetched *fetched; /* one of the two */
    void *user;
};

STAILQ_HEAD(requests, request);

struct file_store {
    struct store store;
    int directory, lock;
    int done_fd; /* eventfd: something is in `done` */
    struct event *done_event;
    size_t bytes; /* under way */

    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    struct requests todo, done;
    bool closing;
};

/* The thread ----------------------------------------------------------------------------------- */

static void name_of(char name[NAME_SIZE], const struct request *request, const char *suffix)
{
    snprintf(name, NAME_SIZE, "%02x/%04x%s", request->appliance & 0xff, request->chunk & 0xffff,
             suffix);
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);

        if (written < 0 && errno != EINTR)
            return errno;
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        }
    }
    return 0;
}

/* Less than `wanted` when the file is shorter. */
static int read_all(int fd, uint8_t *bytes, size_t wanted, size_t *size)
{
    ssize_t got;

    do {
        got = read(fd, bytes + *size, wanted - *size);
        if (got < 0 && errno != EINTR)
            return errno;
        if (got > 0)
            *size += (size_t)got;
    } while (got != 0 && *size < wanted);
    return 0;
}

static int open_temporary(const struct file_store *store, const struct request *request)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    char name[NAME_SIZE], folder[NAME_SIZE];
    int fd;

    name_of(name, request, ".new");
    fd = openat(store->directory, name, flags, 0600);
    if (fd < 0 && errno == ENOENT) {
        snprintf(folder, sizeof(folder), "%02x", request->appliance & 0xff);
        if (mkdirat(store->directory, folder, 0700) == 0 || errno == EEXIST)
            fd = openat(store->directory, name, flags, 0600);
    }
    return fd;
}

static void write_temporary(const struct file_store *store, struct request *request)
{
    int fd = open_temporary(store, request);

    if (fd < 0) {
        request->error = errno;
        return;
    }
    request->error = write_all(fd, request->bytes, request->size);
    if (close(fd) && !request->error)
        request->error = errno;
}

/* Gives a temporary file its name, or removes it if it isn't good. */
static void finish_temporary(const struct file_store *store, struct request *request, int error)
{
    char temporary[NAME_SIZE], name[NAME_SIZE];

    name_of(temporary, request, ".new");
    name_of(name, request, "");
    if (!request->error)
        request->error = error;
    if (!request->error && renameat(store->directory, temporary, store->directory, name))
        request->error = errno;
    if (request->error)
        unlinkat(store->directory, temporary, 0);
}

static void read_file(const struct file_store *store, struct request *request)
{
    char name[NAME_SIZE];
    struct stat status;
    int fd;

    name_of(name, request, "");
    fd = openat(store->directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &status)) {
        request->error = errno;
    } else if (!S_ISREG(status.st_mode)) {
        request->error = EISDIR;
    } else if (status.st_size > CHUNK_SIZE_MAX) {
        request->error = EFBIG;
    } else if (!(request->bytes = malloc((size_t)status.st_size + 1))) {
        request->error = ENOMEM;
    } else {
        request->error = read_all(fd, request->bytes, (size_t)status.st_size, &request->size);
    }
    if (fd >= 0)
        close(fd);
}

/* Does up to BATCH requests. */
static void work(const struct file_store *store, struct requests *batch)
{
    struct request *request;
    bool writes = false;
    int error = 0;

    STAILQ_FOREACH(request, batch, link)
    {
        if (request->fetched) {
            read_file(store, request);
        } else {
            write_temporary(store, request);
            writes = true;
        }
    }
    if (writes && syncfs(store->directory))
        error = errno;
    STAILQ_FOREACH(request, batch, link)
    {
        if (request->written)
            finish_temporary(store, request, error);
    }
}

/* Takes up to BATCH requests from `todo`; false when there are none left and none will come. */
static bool take_batch(struct file_store *store, struct requests *batch)
{
    struct request *request;
    bool go_on;

    STAILQ_INIT(batch);
    pthread_mutex_lock(&store->mutex);
    while (STAILQ_EMPTY(&store->todo) && !store->closing)
        pthread_cond_wait(&store->wake, &store->mutex);
    for (unsigned i = 0; i < BATCH && (request = STAILQ_FIRST(&store->todo)) != NULL; i++) {
        STAILQ_REMOVE_HEAD(&store->todo, link);
        STAILQ_INSERT_TAIL(batch, request, link);
    }
    go_on = !STAILQ_EMPTY(batch);
    pthread_mutex_unlock(&store->mutex);
    return go_on;
}

static void *run(void *user)
{
    struct file_store *store = user;
    const uint64_t one = 1;
    struct requests batch;

    while (take_batch(store, &batch)) {
        work(store, &batch);
        pthread_mutex_lock(&store->mutex);
        STAILQ_CONCAT(&store->done, &batch);
        pthread_mutex_unlock(&store->mutex);
        if (write(store->done_fd, &one, sizeof(one)) < 0) {
            /* The counter is full: the reader is woken already. */
        }
    }
    return NULL;
}

/* The event loop's side ------------------------------------------------------------------------ */

static enum store_result result_of(struct file_store *store, const struct request *request)
{
    switch (request->error) {
    case 0:
        return STORE_OK;
    case ENOENT:
        if (request->fetched)
            return STORE_ABSENT;
        break;
    case EISDIR:
    case EFBIG:
    case ELOOP:
        if (request->fetched)
            return STORE_FOREIGN;
        break;
    }
    store_note_error(&store->store, "%s chunk %04x of appliance %u: %s",
                     request->fetched ? "reading" : "writing", request->chunk, request->appliance,
                     strerror(request->error));
    return STORE_REFUSED;
}

static void report(struct file_store *store, struct request *request)
{
    struct store_info *info = &store->store.info;
    enum store_result result = result_of(store, request);

    info->under_way--;
    if (request->written) {
        store->bytes -= request->size;
        info->chunks_written += result == STORE_OK;
        info->bytes_written += result == STORE_OK ? request->size : 0;
        info->write_errors += result != STORE_OK;
        request->written(request->user, request->chunk, result);
    } else {
        info->chunks_read += result == STORE_OK;
        info->bytes_read += request->size;
        info->read_errors += result == STORE_REFUSED;
        request->fetched(request->user, request->appliance, request->chunk, result, request->bytes,
                         request->size);
    }
    free(request->bytes);
    free(request);
}

static void report_all(struct file_store *store)
{
    struct requests done = STAILQ_HEAD_INITIALIZER(done);
    struct request *request;

    pthread_mutex_lock(&store->mutex);
    STAILQ_CONCAT(&done, &store->done);
    pthread_mutex_unlock(&store->mutex);
    while ((request = STAILQ_FIRST(&done)) != NULL) {
        STAILQ_REMOVE_HEAD(&done, link);
        report(store, request);
    }
}

static void on_done(evutil_socket_t fd, short what, void *user)
{
    uint64_t count;

    if (read(fd, &count, sizeof(count)) < 0)
        return;
    report_all(user);
}

static void submit(struct file_store *store, struct request *request)
{
    store->store.info.under_way++;
    pthread_mutex_lock(&store->mutex);
    STAILQ_INSERT_TAIL(&store->todo, request, link);
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->mutex);
}

static unsigned file_room(const struct store *store)
{
    const struct file_store *files = (const struct file_store *)store;

    if (files->closing || store->info.under_way >= REQUESTS_MAX || files->bytes >= BYTES_MAX)
        return 0;
    return REQUESTS_MAX - store->info.under_way;
}

static struct request *request_new(struct store *store, unsigned appliance, unsigned chunk,
                                   void *user, int *error)
{
    struct request *request = file_room(store) > 0 ? calloc(1, sizeof(*request)) : NULL;

    *error = file_room(store) > 0 ? -ENOMEM : -EAGAIN;
    if (!request)
        return NULL;
    request->appliance = appliance;
    request->chunk = chunk;
    request->user = user;
    return request;
}

static int file_write(struct store *base, unsigned appliance, unsigned chunk, const uint8_t *bytes,
                      size_t size, store_written *done, void *user)
{
    struct file_store *store = (struct file_store *)base;
    int error;
    struct request *request = request_new(base, appliance, chunk, user, &error);

    if (!request)
        return error;
    request->bytes = malloc(size);
    if (!request->bytes) {
        free(request);
        return -ENOMEM;
    }
    memcpy(request->bytes, bytes, size);
    request->size = size;
    request->written = done;
    store->bytes += size;
    submit(store, request);
    return 0;
}

static int file_fetch(struct store *base, unsigned appliance, unsigned chunk, store_fetched *done,
                      void *user)
{
    int error;
    struct request *request = request_new(base, appliance, chunk, user, &error);

    if (!request)
        return error;
    request->fetched = done;
    submit((struct file_store *)base, request);
    return 0;
}

/* Opening and closing -------------------------------------------------------------------------- */

static void file_close(struct store *base)
{
    struct file_store *store = (struct file_store *)base;

    pthread_mutex_lock(&store->mutex);
    store->closing = true;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->mutex);
    pthread_join(store->thread, NULL);
    report_all(store);

    event_free(store->done_event);
    close(store->done_fd);
    close(store->lock);
    close(store->directory);
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

static const struct store_kind file_kind = {
    .name = "file",
    .write = file_write,
    .fetch = file_fetch,
    .room = file_room,
    .close = file_close,
};

/* 0, or an errno. */
static int take_directory(struct file_store *store, const char *path, char *error,
                          size_t error_size)
{
    if (mkdir(path, 0700) && errno != EEXIST) {
        snprintf(error, error_size, "directory %s can't be made: %s", path, strerror(errno));
        return errno;
    }
    store->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->directory < 0) {
        snprintf(error, error_size, "directory %s can't be opened: %s", path, strerror(errno));
        return errno;
    }
    store->lock = openat(store->directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock < 0) {
        snprintf(error, error_size, "directory %s can't be written to: %s", path, strerror(errno));
        return errno;
    }
    if (flock(store->lock, LOCK_EX | LOCK_NB)) {
        snprintf(error, error_size, "directory %s is in use by another process", path);
        return EBUSY;
    }
    return 0;
}

static int start(struct file_store *store, struct event_base *base)
{
    store->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (store->done_fd < 0)
        return errno;
    store->done_event = event_new(base, store->done_fd, EV_READ | EV_PERSIST, on_done, store);
    if (!store->done_event || event_add(store->done_event, NULL))
        return ENOMEM;
    STAILQ_INIT(&store->todo);
    STAILQ_INIT(&store->done);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->wake, NULL);
    return pthread_create(&store->thread, NULL, run, store);
}

struct store *store_open_file(struct event_base *base, const char *directory, char *error,
                              size_t error_size)
{
    struct file_store *store = calloc(1, sizeof(*store));
    int failed;

    if (!store) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    store->directory = store->lock = store->done_fd = -1;
    store->store.kind = &file_kind;
    store->store.info.kind = "file";
    snprintf(store->store.info.place, sizeof(store->store.info.place), "%s", directory);
    if (take_directory(store, directory, error, error_size))
        goto fail;
    failed = start(store, base);
    if (failed) {
        snprintf(error, error_size, "the store's thread can't be started: %s", strerror(failed));
        goto fail;
    }
    return &store->store;

fail:
    if (store->done_event)
        event_free(store->done_event);
    if (store->done_fd >= 0)
        close(store->done_fd);
    if (store->lock >= 0)
        close(store->lock);
    if (store->directory >= 0)
        close(store->directory);
    free(store);
    return NULL;
}
