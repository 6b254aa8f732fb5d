/* SPDX-License-Identifier: BSD-3-Clause */
#include "checksum.h"

#include <immintrin.h>
#include <string.h>

enum { BLOCK = 64 };

static uint64_t sum_bytes(const uint8_t *bytes, unsigned length)
{
    uint64_t sum = 0, word;

    for (; length >= sizeof(word); bytes += sizeof(word), length -= (unsigned)sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sum += checksum_add(word);
    }
    if (length > 0) {
        word = 0;
        memcpy(&word, bytes, length);
        sum += checksum_add(word);
    }
    return sum;
}

typedef uint64_t vector __attribute__((vector_size(16)));

/* One block, but for the bytes that `mask` clears. */
static inline vector sum_block(const uint8_t *bytes, const uint8_t *mask)
{
    vector sum = {0};

    for (unsigned i = 0; i < BLOCK / sizeof(vector); i++) {
        vector part, keep;

        memcpy(&part, bytes + i * sizeof(part), sizeof(part));
        memcpy(&keep, mask + i * sizeof(keep), sizeof(keep));
        part &= keep;
        sum += (part & 0xffffffff) + (part >> 32);
    }
    return sum;
}

/*
 * The same sum, by whole blocks: a loop that goes as often as the reply has cache lines, about, is
 * easier to predict than one that goes as often as it has peers, and a wrong guess costs as much as
 * a whole sum. Up to BLOCK - 1 bytes behind the end are read, and masked out.
 */
static inline uint64_t sum_blocks(const uint8_t *bytes, unsigned length)
{
    static const uint8_t masks[2 * BLOCK] = {[0 ... BLOCK - 1] = 0xff};
    vector sum = {0};

    for (; length > BLOCK; bytes += BLOCK, length -= BLOCK)
        sum += sum_block(bytes, masks);
    sum += sum_block(bytes, masks + BLOCK - length);
    return sum[0] + sum[1];
}

static void sum_payloads(struct request *const requests[], unsigned count, uint64_t sums[])
{
    for (unsigned i = 0; i < count; i++) {
        const struct request *request = requests[i];
        const uint8_t *payload = request_payload(request);
        unsigned length = request->payload_length;

        if (request->offload)
            continue;
        if (payload + length + BLOCK <= request->frame + request->room)
            sums[i] = sum_blocks(payload, length);
        else
            sums[i] = sum_bytes(payload, length);
    }
}

#define CHECKSUM_AVX512 __attribute__((target("avx512f,avx512bw,bmi2")))

/* Of the next BLOCK bytes those that are left, possibly none. */
CHECKSUM_AVX512 static inline __m512i load_left(const uint8_t *bytes, int left)
{
    int count = left < 0 ? 0 : left < BLOCK ? left : BLOCK;

    return _mm512_maskz_loadu_epi8(_bzhi_u64(UINT64_MAX, (unsigned)count), bytes);
}

CHECKSUM_AVX512 static inline uint64_t sum_avx512(const uint8_t *bytes, int left)
{
    const __m512i low = _mm512_set1_epi64(0xffffffff);
    __m512i sum = _mm512_setzero_si512();

    do { /* four blocks hold most replies */
        for (unsigned block = 0; block < 4; block++, bytes += BLOCK, left -= BLOCK) {
            __m512i part = load_left(bytes, left);

            sum = _mm512_add_epi64(sum, _mm512_and_si512(part, low));
            sum = _mm512_add_epi64(sum, _mm512_srli_epi64(part, 32));
        }
    } while (left > 0);
    return (uint64_t)_mm512_reduce_add_epi64(sum);
}

CHECKSUM_AVX512 static void sum_payloads_avx512(struct request *const requests[], unsigned count,
                                                uint64_t sums[])
{
    for (unsigned i = 0; i < count; i++)
        if (!requests[i]->offload)
            sums[i] = sum_avx512(request_payload(requests[i]), requests[i]->payload_length);
}

void checksum_payloads(struct request *const requests[], unsigned count, uint64_t sums[])
{
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi2"))
        sum_payloads_avx512(requests, count, sums);
    else
        sum_payloads(requests, count, sums);
}
