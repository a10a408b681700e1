/* wk_crc_fold.h - folding of reflected CRCs by carry-less multiplication (internal). */
#ifndef WK_CRC_FOLD_H
#define WK_CRC_FOLD_H

#include <stddef.h>
#include <stdint.h>

/* Multipliers that move 128 bits of message by a distance; [0] for the low, [1] for the high half. */
struct wk_fold_keys {
    uint64_t by_512[2];
    uint64_t by_128[2];
};

/* The fold needs this many bytes at least. */
#define WK_FOLD_MIN ((size_t)64)

/* 1 when this processor can fold. */
int wk_fold_supported(void);

/* Keys for the reflected polynomial `poly` of `width` bits (32 or 64). */
void wk_fold_keys_init(struct wk_fold_keys *keys, uint64_t poly, unsigned width);

/* Folds the first len - len % 16 bytes (len >= WK_FOLD_MIN) with the raw register `state`
 * (before the final inversion) into `out`: 16 bytes with the same remainder, to be fed to
 * any CRC routine that starts from register 0. Returns the number of bytes consumed. */
size_t wk_fold(const struct wk_fold_keys *keys, uint64_t state, const unsigned char *data, size_t len,
               unsigned char out[16]);

#endif
