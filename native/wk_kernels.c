/* wk_kernels.c - the checksums of wk_kernels.h.
 *
 * Both CRCs are reflected, start from all ones and end inverted, so one body serves
 * them: a 64-bit register whose upper half simply stays zero for the 32-bit one.
 */
#include "wk_kernels.h"

#include <string.h>

#include "wk_crc_fold.h"

struct crc {
    uint64_t poly;              /* reflected */
    uint64_t ones;              /* the initial register and the final inversion */
    uint64_t table[8][256];     /* table[k][b]: register after byte b and k zero bytes */
    struct wk_fold_keys keys;
};

static struct crc crc32c = {.poly = 0x82f63b78u, .ones = 0xffffffffu};
static struct crc crc64nvme = {.poly = 0x9a6c9329ac4bc9b5u, .ones = 0xffffffffffffffffu};
static enum wk_path best_path = WK_PATH_SLICED;

static uint64_t one_byte_bitwise(const struct crc *c, uint64_t state, unsigned char byte)
{
    state ^= byte;
    for (int bit = 0; bit < 8; bit++)
        state = (state >> 1) ^ ((state & 1) ? c->poly : 0);
    return state;
}

static void prepare(struct crc *c, unsigned width)
{
    for (unsigned b = 0; b < 256; b++)
        c->table[0][b] = one_byte_bitwise(c, 0, (unsigned char)b);
    for (unsigned k = 1; k < 8; k++)
        for (unsigned b = 0; b < 256; b++)
            c->table[k][b] = (c->table[k - 1][b] >> 8) ^ c->table[0][c->table[k - 1][b] & 0xff];
    wk_fold_keys_init(&c->keys, c->poly, width);
}

/* Runs when the library is loaded, before any caller can hold a pointer to it. */
__attribute__((constructor)) static void prepare_all(void)
{
    prepare(&crc32c, 32);
    prepare(&crc64nvme, 64);
    if (wk_fold_supported())
        best_path = WK_PATH_FOLDED;
}

static uint64_t bitwise(const struct crc *c, uint64_t state, const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        state = one_byte_bitwise(c, state, data[i]);
    return state;
}

/* Eight bytes as a little-endian number on any processor; compilers make it one load. */
static uint64_t load_le64(const unsigned char *at)
{
    uint64_t word = 0;

    for (int i = 7; i >= 0; i--)
        word = (word << 8) | at[i];
    return word;
}

static uint64_t sliced(const struct crc *c, uint64_t state, const unsigned char *data, size_t len)
{
    while (len >= 8) {
        uint64_t word = state ^ load_le64(data);

        state = c->table[7][word & 0xff] ^ c->table[6][(word >> 8) & 0xff] ^ c->table[5][(word >> 16) & 0xff] ^
                c->table[4][(word >> 24) & 0xff] ^ c->table[3][(word >> 32) & 0xff] ^
                c->table[2][(word >> 40) & 0xff] ^ c->table[1][(word >> 48) & 0xff] ^ c->table[0][word >> 56];
        data += 8;
        len -= 8;
    }
    while (len-- > 0)
        state = (state >> 8) ^ c->table[0][(state ^ *data++) & 0xff];
    return state;
}

static uint64_t folded(const struct crc *c, uint64_t state, const unsigned char *data, size_t len)
{
    unsigned char remainder[16];
    size_t done;

    if (len < WK_FOLD_MIN)
        return sliced(c, state, data, len);
    done = wk_fold(&c->keys, state, data, len, remainder);
    state = sliced(c, 0, remainder, sizeof remainder);
    return sliced(c, state, data + done, len - done);
}

static uint64_t run(const struct crc *c, uint32_t path, uint64_t crc, const void *data, size_t len)
{
    uint64_t state = crc ^ c->ones;

    if (path == WK_PATH_AUTO)
        path = best_path;
    if (path == WK_PATH_BITWISE)
        state = bitwise(c, state, data, len);
    else if (path == WK_PATH_FOLDED && best_path == WK_PATH_FOLDED)
        state = folded(c, state, data, len);
    else
        state = sliced(c, state, data, len);
    return state ^ c->ones;
}

uint32_t wk_abi_version(void)
{
    return WK_ABI_VERSION;
}

uint32_t wk_best_path(void)
{
    return best_path;
}

uint32_t wk_crc32c(uint32_t crc, const void *data, size_t len)
{
    return (uint32_t)run(&crc32c, WK_PATH_AUTO, crc, data, len);
}

uint64_t wk_crc64nvme(uint64_t crc, const void *data, size_t len)
{
    return run(&crc64nvme, WK_PATH_AUTO, crc, data, len);
}

uint32_t wk_crc32c_by(uint32_t path, uint32_t crc, const void *data, size_t len)
{
    return (uint32_t)run(&crc32c, path, crc, data, len);
}

uint64_t wk_crc64nvme_by(uint32_t path, uint64_t crc, const void *data, size_t len)
{
    return run(&crc64nvme, path, crc, data, len);
}
