/* compiler.h - the only place for compiler extensions, and overflow-checked sizes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_COMPILER_H
#define GP_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GP_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define GP_UNUSED             __attribute__((unused))
#define GP_ALIGN              64
#define GP_COUNT(a)           (sizeof(a) / sizeof((a)[0]))

static inline bool gp_mul_size(size_t *out, size_t a, size_t b)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool gp_add_size(size_t *out, size_t a, size_t b)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline size_t gp_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t gp_max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
