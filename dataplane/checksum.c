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

/*
 * One block added to a sum in which what is carried out of the top comes in again at the bottom:
 * one instruction a word. Compilers keep the carry in memory.
 */
static inline uint64_t add_block(uint64_t sum, const uint8_t *bytes)
{
    __asm__("addq (%1), %0\n\tadcq 8(%1), %0\n\tadcq 16(%1), %0\n\tadcq 24(%1), %0\n\t"
            "adcq 32(%1), %0\n\tadcq 40(%1), %0\n\tadcq 48(%1), %0\n\tadcq 56(%1), %0\n\t"
            "adcq $0, %0"
            : "+r"(sum)
            : "r"(bytes), "m"(*(const uint8_t(*)[BLOCK])bytes)
            : "cc");
    return sum;
}

/*
 * The same sum, by whole blocks, of a payload with zeros behind it: a loop that goes as often as
 * the reply has cache lines, about, is easier to predict than one that goes as often as it has
 * peers, and a wrong guess costs as much as a whole sum.
 */
static inline uint64_t sum_blocks(const uint8_t *bytes, unsigned length)
{
    uint64_t sum = 0;

    for (const uint8_t *end = bytes + length; bytes < end; bytes += BLOCK)
        sum = add_block(sum, bytes);
    return checksum_add(sum);
}

/* Whether a block behind the payload may be written. */
static inline bool has_room(const struct request *request)
{
    return request->transport + (unsigned)sizeof(struct wire_udp) + request->payload_length +
               BLOCK <=
           request->room;
}

static void sum_payloads(struct request *const requests[], unsigned count, uint64_t sums[])
{
    /* All of them first: what is read back at once, in another width, is waited for. */
    for (unsigned i = 0; i < count; i++)
        if (has_room(requests[i]))
            memset(request_payload(requests[i]) + requests[i]->payload_length, 0, BLOCK);
    for (unsigned i = 0; i < count; i++) {
        const struct request *request = requests[i];

        if (request->offload)
            continue;
        if (has_room(request))
            sums[i] = sum_blocks(request_payload(request), request->payload_length);
        else
            sums[i] = sum_bytes(request_payload(request), request->payload_length);
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
