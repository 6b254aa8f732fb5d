/* SPDX-License-Identifier: BSD-3-Clause */
#include "steering_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../bpf/steering_maps.h"

enum {
    VERIFIER_LOG_SIZE = 1 << 20,
    WORDS_SIZE = 640, /* of the verifier or the driver, in one error */
};

/* What libbpf last complained of: among it, what drivers say to an attach. */
static char libbpf_words[WORDS_SIZE];

static int __attribute__((format(printf, 2, 0)))
libbpf_listen(enum libbpf_print_level level, const char *format, va_list arguments)
{
    size_t used = strlen(libbpf_words);

    if (level == LIBBPF_WARN)
        vsnprintf(libbpf_words + used, sizeof(libbpf_words) - used, format, arguments);
    return 0;
}

/* The end of a text, where verifiers say what is wrong, on one line. */
static void last_words(const char *text, char words[WORDS_SIZE])
{
    size_t length = strlen(text);

    if (length >= WORDS_SIZE) {
        text += length - WORDS_SIZE + 1;
        length = WORDS_SIZE - 1;
    }
    memcpy(words, text, length + 1);
    for (char *c = words; *c; c++)
        if (*c == '\n')
            *c = c[1] ? ';' : '\0';
}

/* 0 when the maps are of our layout; none will be pinned. */
static int unpin_maps(struct bpf_object *object, const char *path, char *error)
{
    struct bpf_map *map;

    if (!bpf_object__find_map_by_name(object, STEERING_MAP_NAME(config))) {
        snprintf(error, STEERING_ERROR_SIZE,
                 "%s has no map " STEERING_MAP_NAME(config) ": it is of another version of Muster",
                 path);
        return -EINVAL;
    }
    bpf_object__for_each_map(map, object) bpf_map__set_pin_path(map, NULL);
    return 0;
}

static int load(struct bpf_object *object, const char *path, char *error)
{
    struct bpf_program *program = bpf_object__next_program(object, NULL);
    char *log = calloc(1, VERIFIER_LOG_SIZE);
    char words[WORDS_SIZE];
    int result = log ? -EINVAL : -ENOMEM;

    if (!log || !program) {
        snprintf(error, STEERING_ERROR_SIZE, log ? "%s holds no program" : "%s: no memory", path);
        goto out;
    }
    bpf_program__set_log_buf(program, log, VERIFIER_LOG_SIZE);
    libbpf_words[0] = '\0';
    result = bpf_object__load(object);
    if (result != 0) {
        last_words(*log ? log : libbpf_words, words);
        snprintf(
            error, STEERING_ERROR_SIZE, "the kernel refuses %s: %s%s: %s", path, strerror(-result),
            result == -EPERM ? " (start as root, or with CAP_BPF and CAP_NET_ADMIN)" : "", words);
    }
    bpf_program__set_log_buf(program, NULL, 0);
out:
    free(log);
    return result;
}

int steering_program_try(const char *path, struct bpf_object **object, char *error)
{
    libbpf_print_fn_t print = libbpf_set_print(libbpf_listen);
    int result;

    *object = bpf_object__open_file(path, NULL);
    if (!*object) {
        result = -errno;
        snprintf(error, STEERING_ERROR_SIZE, "can't read xdp.program %s: %s", path,
                 strerror(-result));
    } else {
        result = unpin_maps(*object, path, error);
        if (result == 0)
            result = load(*object, path, error);
        if (result != 0) {
            bpf_object__close(*object);
            *object = NULL;
        }
    }
    libbpf_set_print(print);
    return result;
}

/* The program on an interface: its file (to be closed), 0 when there is none, or negative errno. */
static int attached(const char *interface, struct bpf_xdp_query_opts *query,
                    char name[BPF_OBJ_NAME_LEN])
{
    unsigned index = if_nametoindex(interface);
    struct bpf_prog_info info = {0};
    unsigned size = sizeof(info);
    int result, fd;

    name[0] = '\0';
    if (index == 0)
        return -ENODEV;
    result = bpf_xdp_query((int)index, 0, query);
    if (result != 0)
        return result;
    if (query->prog_id == 0)
        return 0;
    fd = bpf_prog_get_fd_by_id(query->prog_id);
    if (fd < 0)
        return fd;
    if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
        memcpy(name, info.name, BPF_OBJ_NAME_LEN);
    return fd;
}

static bool is_ours(const char *name)
{
    return strncmp(name, STEERING_PROGRAM, BPF_OBJ_NAME_LEN - 1) == 0;
}

static const struct mode {
    unsigned attached; /* as the kernel tells it */
    unsigned flag;     /* as it is to be told */
    const char *name;
} modes[] = {
    {XDP_ATTACHED_DRV, XDP_FLAGS_DRV_MODE, "native"},
    {XDP_ATTACHED_SKB, XDP_FLAGS_SKB_MODE, "generic"},
    {XDP_ATTACHED_HW, XDP_FLAGS_HW_MODE, "offloaded"},
    {XDP_ATTACHED_NONE, 0, "none"},
};

static const struct mode *mode_of(const struct bpf_xdp_query_opts *query)
{
    const struct mode *mode = modes;

    while (mode->flag != 0 && mode->attached != query->attach_mode)
        mode++;
    return mode;
}

/* The kernel detaches only in the mode that it is told. */
static int detach(const char *interface, const struct bpf_xdp_query_opts *query)
{
    return bpf_xdp_detach((int)if_nametoindex(interface), mode_of(query)->flag, NULL);
}

int steering_program_clear(const char *interface, char *error)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    char name[BPF_OBJ_NAME_LEN];
    int result = attached(interface, &query, name);

    if (result > 0) {
        close(result);
        if (!is_ours(name)) {
            snprintf(error, STEERING_ERROR_SIZE,
                     "interface %s has another XDP program (%s, id %u): detach it with "
                     "ip link set dev %s xdp off",
                     interface, name, query.prog_id, interface);
            return -EBUSY;
        }
        result = detach(interface, &query);
    }
    if (result < 0)
        snprintf(error, STEERING_ERROR_SIZE, "interface %s: %s%s", interface, strerror(-result),
                 result == -ENODEV ? " (ip link shows those that there are)" : "");
    return result;
}

static unsigned mode_flag(enum steering_mode mode)
{
    switch (mode) {
    case STEERING_NATIVE:
        return XDP_FLAGS_DRV_MODE;
    case STEERING_GENERIC:
        return XDP_FLAGS_SKB_MODE;
    default:
        return 0;
    }
}

int steering_program_attach(const char *interface, struct bpf_object *object,
                            enum steering_mode mode, char *error)
{
    libbpf_print_fn_t print = libbpf_set_print(libbpf_listen);
    int program = bpf_program__fd(bpf_object__next_program(object, NULL));
    int index = (int)if_nametoindex(interface);
    char words[WORDS_SIZE];
    int result;

    libbpf_words[0] = '\0';
    result = bpf_xdp_attach(index, program, XDP_FLAGS_UPDATE_IF_NOEXIST | mode_flag(mode), NULL);
    libbpf_set_print(print);
    if (result == 0) {
        bpf_xdp_detach(index, mode_flag(mode), NULL);
        return 0;
    }
    last_words(libbpf_words, words);
    snprintf(error, STEERING_ERROR_SIZE,
             "interface %s takes no XDP program%s: %s: %s (often: the MTU is too large for XDP, "
             "offloads like LRO are on, or too few queues)",
             interface, mode == STEERING_NATIVE ? " in native mode" : "", strerror(-result), words);
    return result;
}

static int go_generic(const char *interface, int program, struct bpf_xdp_query_opts *query)
{
    int index = (int)if_nametoindex(interface);
    int result = detach(interface, query);

    if (result == 0)
        result = bpf_xdp_attach(index, program, XDP_FLAGS_SKB_MODE, NULL);
    if (result == 0)
        result = bpf_xdp_query(index, 0, query);
    return result;
}

int steering_program_settle(const char *interface, enum steering_mode mode,
                            struct steering_attachment *attachment, char *error)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    char name[BPF_OBJ_NAME_LEN];
    int program = attached(interface, &query, name);
    int result = 0;

    *attachment = (struct steering_attachment){0, "none"};
    if (program <= 0 || !is_ours(name)) {
        snprintf(error, STEERING_ERROR_SIZE, "interface %s doesn't have our XDP program",
                 interface);
        result = program < 0 ? program : -ENOENT;
    } else if (mode == STEERING_NATIVE && query.attach_mode != XDP_ATTACHED_DRV) {
        snprintf(error, STEERING_ERROR_SIZE,
                 "interface %s has no native XDP (xdp.mode is native): its driver, or its present "
                 "settings, can't; xdp.mode auto would use generic",
                 interface);
        result = -EOPNOTSUPP;
    } else if (mode == STEERING_GENERIC && query.attach_mode != XDP_ATTACHED_SKB) {
        result = go_generic(interface, program, &query);
        if (result != 0)
            snprintf(error, STEERING_ERROR_SIZE, "interface %s: can't go over to generic XDP: %s",
                     interface, strerror(-result));
    }
    if (program > 0)
        close(program);
    if (result == 0)
        *attachment = (struct steering_attachment){query.prog_id, mode_of(&query)->name};
    return result;
}

void steering_program_detach(const char *interface, const struct steering_attachment *attachment)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    unsigned index = if_nametoindex(interface);

    if (attachment->program != 0 && index != 0 && bpf_xdp_query((int)index, 0, &query) == 0 &&
        query.prog_id == attachment->program)
        detach(interface, &query);
}
