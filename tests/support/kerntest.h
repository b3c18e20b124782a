/* kerntest.h - helpers of the kernel tests: random numbers, canaries and comparisons.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_KERNTEST_H
#define GP_KERNTEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/real.h"
#include "base/rng.h"

#define KT_CANARY 16 /* reals before and after every buffer */

/* n reals of N(0, scale) that start `shift` reals after a 64-byte boundary, with a canary on both sides. */
typedef struct kt_vec {
    gp_real *p;
    size_t n;
    gp_real *block;
} kt_vec;

static inline gp_real kt_mark(size_t i)
{
    return (gp_real)(12345.0 + (double)i);
}

static inline kt_vec kt_make(gp_rng *r, size_t n, size_t shift, double scale)
{
    kt_vec v = {.n = n};
    const size_t bytes = ((n + shift + 2 * KT_CANARY) * sizeof(gp_real) + 63) / 64 * 64;
    v.block = aligned_alloc(64, bytes);
    assert_non_null(v.block);
    v.p = v.block + KT_CANARY + shift;
    for (size_t i = 0; i < KT_CANARY; i++) v.p[(ptrdiff_t)i - KT_CANARY] = v.p[n + i] = kt_mark(i);
    for (size_t i = 0; i < n; i++) v.p[i] = (gp_real)(scale * gp_rng_normal(r));
    return v;
}

static inline kt_vec kt_copy(const kt_vec *from, size_t shift)
{
    gp_rng r = gp_rng_make(1, GP_RNG_TEST, 0, 0);
    kt_vec v = kt_make(&r, from->n, shift, 0.0);
    if (v.n) memcpy(v.p, from->p, v.n * sizeof *v.p);
    return v;
}

/* Frees it after checking that nothing was written outside. */
static inline void kt_free(kt_vec *v)
{
    for (size_t i = 0; i < KT_CANARY; i++) {
        assert_true(v->p[(ptrdiff_t)i - KT_CANARY] == kt_mark(i));
        assert_true(v->p[v->n + i] == kt_mark(i));
    }
    free(v->block);
    *v = (kt_vec){0};
}

/* max |got - want| / (floor + |want|); a NaN or infinity that only one of them has counts as infinite. */
static inline double kt_error(const gp_real *got, const gp_real *want, size_t n, double floor)
{
    double max = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double g = (double)got[i], w = (double)want[i];
        if (isnan(g) && isnan(w)) continue;
        if (isinf(g) && isinf(w) && (g > 0) == (w > 0)) continue;
        const double e = fabs(g - w) / (floor + fabs(w));
        if (!(e <= max)) max = isnan(e) ? (double)INFINITY : e;
    }
    return max;
}

#define kt_close(got, want, n, floor, tol) \
    do { \
        const double kt_e = kt_error(got, want, n, floor); \
        if (!(kt_e <= (tol))) fail_msg("%s: error %.3g above %.3g", #got, kt_e, (double)(tol)); \
    } while (0)

#endif
