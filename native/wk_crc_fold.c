/* wk_crc_fold.c - folding of reflected CRCs by carry-less multiplication.
 *
 * In a reflected CRC bit i of a little-endian 128-bit word stands for x^(127-i), and
 * bit i of a 64-bit half for x^(63-i) within that half. Multiplying two such halves
 * with PCLMULQDQ gives 127 bits whose bit k stands for x^(126-k): read as a 128-bit
 * word this is the product times x. So to move a half by n bits the key is
 * x^(n-1) mod P, and a word (low, high) moves by a distance D as
 * low * x^(D+64-1)  xor  high * x^(D-1). Keys are computed here from the polynomial
 * when the library is loaded: there is no table of magic numbers to get wrong.
 */
#include "wk_crc_fold.h"

#include <stdlib.h>

/* x^n mod P in reflected form, aligned to the top of 64 bits: bit i stands for x^(63-i). */
static uint64_t x_to_the(unsigned n, uint64_t poly, unsigned width)
{
    uint64_t value = (uint64_t)1 << (width - 1); /* x^0 */

    while (n-- > 0)
        value = (value >> 1) ^ ((value & 1) ? poly : 0);
    return value << (64 - width);
}

void wk_fold_keys_init(struct wk_fold_keys *keys, uint64_t poly, unsigned width)
{
    keys->by_512[0] = x_to_the(512 + 64 - 1, poly, width);
    keys->by_512[1] = x_to_the(512 - 1, poly, width);
    keys->by_128[0] = x_to_the(128 + 64 - 1, poly, width);
    keys->by_128[1] = x_to_the(128 - 1, poly, width);
}

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_PCLMUL __attribute__((target("pclmul,sse2")))

int wk_fold_supported(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse2");
}

WITH_PCLMUL static inline __m128i load(const unsigned char *at)
{
    return _mm_loadu_si128((const __m128i *)at);
}

WITH_PCLMUL static inline __m128i moved(__m128i word, __m128i key)
{
    return _mm_xor_si128(_mm_clmulepi64_si128(word, key, 0x00), _mm_clmulepi64_si128(word, key, 0x11));
}

WITH_PCLMUL size_t wk_fold(const struct wk_fold_keys *keys, uint64_t state, const unsigned char *data,
                           size_t len, unsigned char out[16])
{
    const __m128i by_512 = _mm_loadu_si128((const __m128i *)keys->by_512);
    const __m128i by_128 = _mm_loadu_si128((const __m128i *)keys->by_128);
    const unsigned char *at = data + WK_FOLD_MIN;
    const unsigned char *end = data + len;
    __m128i a = _mm_xor_si128(load(data), _mm_cvtsi64_si128((long long)state));
    __m128i b = load(data + 16);
    __m128i c = load(data + 32);
    __m128i d = load(data + 48);

    for (; (size_t)(end - at) >= 64; at += 64) {
        a = _mm_xor_si128(moved(a, by_512), load(at));
        b = _mm_xor_si128(moved(b, by_512), load(at + 16));
        c = _mm_xor_si128(moved(c, by_512), load(at + 32));
        d = _mm_xor_si128(moved(d, by_512), load(at + 48));
    }
    a = _mm_xor_si128(moved(a, by_128), b);
    a = _mm_xor_si128(moved(a, by_128), c);
    a = _mm_xor_si128(moved(a, by_128), d);
    for (; (size_t)(end - at) >= 16; at += 16)
        a = _mm_xor_si128(moved(a, by_128), load(at));
    _mm_storeu_si128((__m128i *)out, a);
    return (size_t)(at - data);
}

#else

int wk_fold_supported(void)
{
    return 0;
}

/* A caller asks wk_fold_supported() first. */
size_t wk_fold(const struct wk_fold_keys *keys, uint64_t state, const unsigned char *data, size_t len,
               unsigned char out[16])
{
    (void)keys;
    (void)state;
    (void)data;
    (void)len;
    (void)out;
    abort();
}

#endif
