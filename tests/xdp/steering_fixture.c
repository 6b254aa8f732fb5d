/* SPDX-License-Identifier: BSD-3-Clause */
#include "steering_fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>

#include "tests/unit/frame.h"

void fixture_defaults(struct steering_rig *rig)
{
    struct steering_config *config = &rig->config;

    memset(config, 0, sizeof(*config));
    config->cookies.epoch = 29000001;
    config->cookies.current =
        (struct cookie_key){UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908), 29000000};
    config->cookies.previous = (struct cookie_key){1, 2, 0};
    for (unsigned i = 0; i < 3; i++)
        config->limiter.secret[i] = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
    config->answer_connect = 1;
    config->listen_ipv4_count = config->listen_ipv6_count = 1;
    memcpy(&config->listen_ipv4[0].address, FRAME_SERVER_IPV4, 4);
    config->listen_ipv4[0].port = __builtin_bswap16(FRAME_SERVER_PORT);
    memcpy(&config->listen_ipv6[0].high, FRAME_SERVER_IPV6, 8);
    memcpy(&config->listen_ipv6[0].low, &FRAME_SERVER_IPV6[8], 8);
    config->listen_ipv6[0].port = __builtin_bswap16(FRAME_SERVER_PORT);
    steering_rig_publish(rig);
}

void fixture_run(struct steering_rig *rig, const void *frame, uint32_t length,
                 struct steered *steered)
{
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = length,
                .data_out = steered->bytes, .data_size_out = sizeof(steered->bytes), .repeat = 1);
    uint64_t before[STEERING_COUNTERS], after[STEERING_COUNTERS];
    unsigned counted = 0;

    steering_rig_counters(rig, before);
    steering_rig_need(bpf_prog_test_run_opts(rig->program, &run) == 0, "test run");
    steering_rig_counters(rig, after);

    steered->action = run.retval;
    steered->length = run.data_size_out;
    steered->would_limit = after[STEERING_would_limit] != before[STEERING_would_limit];
    steered->verdict = STEERING_COUNTERS;
    for (unsigned i = 0; i < STEERING_would_limit; i++) {
        counted += (unsigned)(after[i] - before[i]);
        if (after[i] != before[i])
            steered->verdict = (enum steering_counter)i;
    }
    if (counted != 1)
        steered->verdict = STEERING_COUNTERS;
}

const char *fixture_verdict_name(enum steering_counter verdict)
{
    static const char *const names[] = {
#define NAME(name, help) #name,
        STEERING_VERDICTS(NAME) STEERING_EVENTS(NAME)
#undef NAME
    };

    return verdict < STEERING_COUNTERS ? names[verdict] : "none or several";
}
