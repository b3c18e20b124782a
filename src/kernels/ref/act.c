/* act.c - the activation functions of METHODS 1.2, the reference.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/bf16.h"
#include "kernels/ref/ref.h"

#define SQRT_HALF     0.70710678118654752440
#define INV_SQRT_2_PI 0.39894228040143267794

/* s(1.702 x) */
static double gate(double x)
{
    return 1.0 / (1.0 + exp(-1.702 * x));
}

/* y = x s(1.702 x) */
void gpk_quickgelu_fwd_ref(gp_real *y, const gp_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = (gp_real)((double)x[i] * gate((double)x[i]));
}

/* dx += dy (S + 1.702 x S (1 - S)), S = s(1.702 x) */
void gpk_quickgelu_bwd_ref(gp_real *dx, const gp_real *dy, const gp_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double z = (double)x[i], s = gate(z);
        dx[i] += (gp_real)((double)dy[i] * (s + 1.702 * z * s * (1.0 - s)));
    }
}

/* y = x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2 = erfc(-x / sqrt 2) / 2, which keeps its relative accuracy on the left */
void gpk_gelu_fwd_ref(gp_real *y, const gp_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = (gp_real)((double)x[i] * 0.5 * erfc(-(double)x[i] * SQRT_HALF));
}

/* dx += dy (Phi(x) + x phi(x)), phi(x) = exp(-x^2 / 2) / sqrt(2 pi) */
void gpk_gelu_bwd_ref(gp_real *dx, const gp_real *dy, const gp_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double z = (double)x[i];
        dx[i] += (gp_real)((double)dy[i] * (0.5 * erfc(-z * SQRT_HALF) + z * exp(-0.5 * z * z) * INV_SQRT_2_PI));
    }
}

/* One number at a time by the functions above, then rounded. */
static void half(void (*fwd)(gp_real *y, const gp_real *x, size_t n), uint16_t *y, const gp_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        gp_real v;
        fwd(&v, x + i, 1);
        y[i] = gp_bf16_from((float)v);
    }
}

static void bwd_half(void (*bwd)(gp_real *dx, const gp_real *dy, const gp_real *x, size_t n), uint16_t *dx, const gp_real *dy,
                     const gp_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        gp_real v = 0;
        bwd(&v, dy + i, x + i, 1);
        dx[i] = gp_bf16_from((float)v);
    }
}

void gpk_quickgelu_half_ref(uint16_t *y, const gp_real *x, size_t n)
{
    half(gpk_quickgelu_fwd_ref, y, x, n);
}

void gpk_quickgelu_bwd_half_ref(uint16_t *dx, const gp_real *dy, const gp_real *x, size_t n)
{
    bwd_half(gpk_quickgelu_bwd_ref, dx, dy, x, n);
}

void gpk_gelu_half_ref(uint16_t *y, const gp_real *x, size_t n)
{
    half(gpk_gelu_fwd_ref, y, x, n);
}

void gpk_gelu_bwd_half_ref(uint16_t *dx, const gp_real *dy, const gp_real *x, size_t n)
{
    bwd_half(gpk_gelu_bwd_ref, dx, dy, x, n);
}
