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
#define GP_INLINE             static inline __attribute__((always_inline))
#define GP_COUNT(a)           (sizeof(a) / sizeof((a)[0]))

/* Code for processors with AVX2 beside plain code that gives the same bytes (no fused multiply-add).  GP_NO_AVX2 leaves the plain code
 * alone.  GP_TWICE: a function NAME that runs NAME_body (GP_INLINE), compiled both ways and chosen at run time. */
#if defined(__x86_64__) && !defined(GP_NO_AVX2)
#define GP_AVX2       1
#define GP_FOR_AVX2   __attribute__((target("avx2")))
#define GP_HAS_AVX2() (__builtin_cpu_supports("avx2") != 0)
#define GP_TWICE(name, params, args) \
    static GP_FOR_AVX2 void name##_avx2 params \
    { \
        name##_body args; \
    } \
    static void name##_plain params \
    { \
        name##_body args; \
    } \
    static void name params \
    { \
        if (GP_HAS_AVX2()) \
            name##_avx2 args; \
        else \
            name##_plain args; \
    }
#else
#define GP_AVX2       0
#define GP_HAS_AVX2() false
#define GP_TWICE(name, params, args) \
    static void name params \
    { \
        name##_body args; \
    }
#endif

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
