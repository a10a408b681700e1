/* wk_kernels.h - checksum kernels of libweka_mp_native.
 *
 * Plain C11 without Python.h, so that the self-test, the address sanitizer and a
 * fuzzer run it without an interpreter. weka_mp/kernels.py loads it by ctypes and
 * weka_mp/crc_reference.py is its twin in Python; tests hold the two equal.
 *
 * Every function here is pure: no allocation, no global that changes after the
 * library was loaded, safe from any thread. `data` may be NULL when `len` is 0.
 * `crc` is the finished checksum of what came before, 0 at the start, so that
 * f(f(0, a), b) == f(0, a || b), as with zlib's crc32().
 */
#ifndef WK_KERNELS_H
#define WK_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Raised whenever a signature or a meaning below changes; kernels.py refuses any other. */
#define WK_ABI_VERSION 1u

#define WK_EXPORT __attribute__((visibility("default")))

/* How a checksum is computed. AUTO is the fastest that this processor offers. */
enum wk_path {
    WK_PATH_AUTO = 0,
    WK_PATH_BITWISE = 1, /* the definition itself, one bit at a time: what the others are held to */
    WK_PATH_SLICED = 2,  /* eight tables, eight bytes a step: any processor */
    WK_PATH_FOLDED = 3   /* carry-less multiplication, 64 bytes a step: x86-64 with PCLMULQDQ */
};

WK_EXPORT uint32_t wk_abi_version(void);

/* What AUTO stands for on this processor: a wk_path other than AUTO. */
WK_EXPORT uint32_t wk_best_path(void);

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4): S3's x-amz-checksum-crc32c. */
WK_EXPORT uint32_t wk_crc32c(uint32_t crc, const void *data, size_t len);

/* CRC-64/NVME (NVM Express command set specification, "64b CRC"): S3's x-amz-checksum-crc64nvme. */
WK_EXPORT uint64_t wk_crc64nvme(uint64_t crc, const void *data, size_t len);

/* The same by a named path, for tests and measurements. A path that this processor
 * lacks falls back to SLICED, so that a test can run on any machine. */
WK_EXPORT uint32_t wk_crc32c_by(uint32_t path, uint32_t crc, const void *data, size_t len);
WK_EXPORT uint64_t wk_crc64nvme_by(uint32_t path, uint64_t crc, const void *data, size_t len);

#endif
