/* selftest.c - the kernels held to their definition, without Python.
 *
 * Buffers are allocated to the byte, so that under the address sanitizer one byte read
 * too many ends the program. With the argument "overrun" it makes such a read on
 * purpose: tools/check proves by it that the sanitizer would notice.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wk_kernels.h"

#define MAX_LENGTH 700u
#define LARGE ((size_t)1 << 20)

static unsigned failures;

static void expect(const char *what, size_t len, uint64_t got, uint64_t wanted)
{
    if (got == wanted)
        return;
    failures++;
    fprintf(stderr, "%s of %zu bytes: %016" PRIx64 ", wanted %016" PRIx64 "\n", what, len, got, wanted);
}

/* xorshift64: any bytes will do, but the same ones on every run. */
static void fill(unsigned char *data, size_t len)
{
    uint64_t x = 0x9e3779b97f4a7c15u;

    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data[i] = (unsigned char)x;
    }
}

/* Check values of "123456789" and 32 zero bytes as the standards print them. */
static void known_answers(void)
{
    static const unsigned char zeros[32];

    expect("crc32c check value", 9, wk_crc32c(0, "123456789", 9), 0xe3069283u);
    expect("crc32c of zeros", 32, wk_crc32c(0, zeros, sizeof zeros), 0x8a9136aau);
    expect("crc64nvme check value", 9, wk_crc64nvme(0, "123456789", 9), 0xae8b14860a799888u);
    expect("crc32c of nothing", 0, wk_crc32c(0, NULL, 0), 0);
    expect("crc64nvme of nothing", 0, wk_crc64nvme(0, NULL, 0), 0);
}

static void paths_agree(const unsigned char *data, size_t len, uint64_t seed)
{
    uint64_t c32 = wk_crc32c_by(WK_PATH_BITWISE, (uint32_t)seed, data, len);
    uint64_t c64 = wk_crc64nvme_by(WK_PATH_BITWISE, seed, data, len);

    for (uint32_t path = WK_PATH_AUTO; path <= WK_PATH_FOLDED; path++) {
        expect("crc32c", len, wk_crc32c_by(path, (uint32_t)seed, data, len), c32);
        expect("crc64nvme", len, wk_crc64nvme_by(path, seed, data, len), c64);
    }
}

static void every_length_and_alignment(void)
{
    for (size_t len = 0; len <= MAX_LENGTH; len++) {
        size_t offset = len % 17;
        unsigned char *data = malloc(offset + len + 1);

        if (data == NULL)
            abort();
        fill(data, offset + len);
        data = realloc(data, offset + len ? offset + len : 1);
        paths_agree(data + offset, len, 0);
        paths_agree(data + offset, len, 0x0123456789abcdefu * (len + 1));
        free(data);
    }
}

static void pieces_continue(void)
{
    unsigned char *data = malloc(LARGE);
    uint32_t whole32, c32 = 0;
    uint64_t whole64, c64 = 0;

    if (data == NULL)
        abort();
    fill(data, LARGE);
    whole32 = wk_crc32c(0, data, LARGE);
    whole64 = wk_crc64nvme(0, data, LARGE);
    for (size_t at = 0, step = 1; at < LARGE; at += step, step = step * 3 % 5003 + 1) {
        size_t len = step < LARGE - at ? step : LARGE - at;

        c32 = wk_crc32c(c32, data + at, len);
        c64 = wk_crc64nvme(c64, data + at, len);
    }
    expect("crc32c in pieces", LARGE, c32, whole32);
    expect("crc64nvme in pieces", LARGE, c64, whole64);
    free(data);
}

static int overrun(void)
{
    size_t len = 100;
    unsigned char *data = calloc(len, 1);
    uint32_t crc;

    if (data == NULL)
        abort();
    crc = wk_crc32c(0, data, len + 1);
    free(data);
    printf("read one byte too many unnoticed: %08" PRIx32 "\n", crc);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "overrun") == 0)
        return overrun();
    known_answers();
    every_length_and_alignment();
    pieces_continue();
    printf("native self-test: path %" PRIu32 ", %u failures\n", wk_best_path(), failures);
    return failures != 0;
}
