/* act.c - the activation functions of METHODS 1.2 on vectors.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/fast/kernels.h"

/* s(1.702 x) */
static inline vf gate(vf x)
{
    return v_recip(v_add(v_set(1.0f), v_exp(v_mul(x, v_set(-1.702f)))));
}

static inline vf quickgelu(vf x)
{
    return v_mul(x, gate(x));
}

/* S + 1.702 x S (1 - S) */
static inline vf quickgelu_slope(vf x)
{
    const vf s = gate(x), one = v_set(1.0f);
    return v_fma(v_mul(v_mul(v_set(1.702f), x), s), v_sub(one, s), s);
}

/* Phi(x), and e = exp(-x^2 / 2), by Abramowitz and Stegun 7.1.26: erfc(z) = poly(1 / (1 + 0.3275911 z)) exp(-z^2), z >= 0, with an
 * absolute error of 1.5e-7. */
static inline vf normal_cdf(vf x, vf *e)
{
    const vf one = v_set(1.0f), z = v_mul(v_abs(x), v_set(0.70710678f));
    *e = v_exp(v_mul(v_set(-0.5f), v_mul(x, x)));
    const vf t = v_recip(v_fma(z, v_set(0.3275911f), one));
    vf p = v_set(1.061405429f);
    p = v_fma(p, t, v_set(-1.453152027f));
    p = v_fma(p, t, v_set(1.421413741f));
    p = v_fma(p, t, v_set(-0.284496736f));
    p = v_fma(p, t, v_set(0.254829592f));
    const vf half_erfc = v_mul(v_mul(v_mul(p, t), v_set(0.5f)), *e);
    return v_negative(x, half_erfc, v_sub(one, half_erfc));
}

static inline vf gelu(vf x)
{
    vf e;
    return v_mul(x, normal_cdf(x, &e));
}

/* Phi(x) + x phi(x) */
static inline vf gelu_slope(vf x)
{
    vf e;
    const vf cdf = normal_cdf(x, &e);
    return v_fma(v_mul(x, v_set(0.39894228f)), e, cdf);
}

#define FORWARD(name) \
    void GPK(name##_fwd)(float *y, const float *x, size_t n) \
    { \
        size_t i = 0; \
        for (; i + VL <= n; i += VL) v_store(y + i, name(v_load(x + i))); \
        if (i < n) { \
            const vm t = v_lanes(n - i); \
            v_store_m(y + i, t, name(v_load_m(t, x + i))); \
        } \
    }

#define BACKWARD(name) \
    void GPK(name##_bwd)(float *dx, const float *dy, const float *x, size_t n) \
    { \
        size_t i = 0; \
        for (; i + VL <= n; i += VL) v_store(dx + i, v_fma(v_load(dy + i), name##_slope(v_load(x + i)), v_load(dx + i))); \
        if (i < n) { \
            const vm t = v_lanes(n - i); \
            v_store_m(dx + i, t, v_fma(v_load_m(t, dy + i), name##_slope(v_load_m(t, x + i)), v_load_m(t, dx + i))); \
        } \
    }

#define FORWARD_HALF(name) \
    void GPK(name##_half)(uint16_t * y, const float *x, size_t n) \
    { \
        size_t i = 0; \
        for (; i + VL <= n; i += VL) v_store_half(y + i, name(v_load(x + i)), VL); \
        if (i < n) v_store_half(y + i, name(v_load_m(v_lanes(n - i), x + i)), n - i); \
    }

#define BACKWARD_HALF(name) \
    void GPK(name##_bwd_half)(uint16_t * dx, const float *dy, const float *x, size_t n) \
    { \
        size_t i = 0; \
        for (; i + VL <= n; i += VL) v_store_half(dx + i, v_mul(v_load(dy + i), name##_slope(v_load(x + i))), VL); \
        if (i < n) { \
            const vm t = v_lanes(n - i); \
            v_store_half(dx + i, v_mul(v_load_m(t, dy + i), name##_slope(v_load_m(t, x + i))), n - i); \
        } \
    }

FORWARD(quickgelu)
BACKWARD(quickgelu)
FORWARD(gelu)
BACKWARD(gelu)
FORWARD_HALF(quickgelu)
BACKWARD_HALF(quickgelu)
FORWARD_HALF(gelu)
BACKWARD_HALF(gelu)
