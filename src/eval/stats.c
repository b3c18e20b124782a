/* stats.c - see stats.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/stats.h"

#include <float.h>
#include <math.h>

/* The continued fraction of I_x(a, b) (DLMF 8.17.22) from the front: its value is kept as a ratio of two running quotients, neither of
 * which may become 0. */
static double beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1.0, d = 1.0 - (a + b) * x / (a + 1.0);
    d = 1.0 / (fabs(d) < tiny ? tiny : d);
    double f = d;
    for (int m = 1; m <= 1000; m++) {
        double k = (double)m;
        const double step[2] = {k * (b - k) * x / ((a + 2.0 * k - 1.0) * (a + 2.0 * k)),
                                -(a + k) * (a + b + k) * x / ((a + 2.0 * k) * (a + 2.0 * k + 1.0))};
        double change = 1.0;
        for (int i = 0; i < 2; i++) {
            d = 1.0 + step[i] * d;
            c = 1.0 + step[i] / c;
            if (fabs(d) < tiny) d = tiny;
            if (fabs(c) < tiny) c = tiny;
            d = 1.0 / d;
            change = c * d;
            f *= change;
        }
        if (fabs(change - 1.0) < 4.0 * DBL_EPSILON) break;
    }
    return f;
}

double gp_incomplete_beta(double x, double a, double b)
{
    if (!(x > 0.0)) return 0.0;
    if (!(x < 1.0)) return 1.0;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1.0) / (a + b + 2.0)) return front * beta_fraction(x, a, b) / a; /* where the fraction converges fast */
    return 1.0 - front * beta_fraction(1.0 - x, b, a) / b;
}

double gp_t_two_sided(double t, double df)
{
    if (isinf(t)) return 0.0;
    return gp_incomplete_beta(df / (df + t * t), 0.5 * df, 0.5);
}

gp_paired gp_paired_test(const double *a, const double *b, size_t n)
{
    gp_paired r = {.n = n, .mean = 0.0, .t = (double)NAN, .p = (double)NAN};
    for (size_t i = 0; i < n; i++) r.mean += (a[i] - b[i]) / (double)n;
    if (n < 2) return r;
    double ss = 0.0;
    for (size_t i = 0; i < n; i++) ss += (a[i] - b[i] - r.mean) * (a[i] - b[i] - r.mean);
    double se = sqrt(ss / (double)(n - 1) / (double)n);
    if (se <= 1e-12 * fabs(r.mean) || se < 1e-13) {
        bool none = fabs(r.mean) < 1e-12;
        r.t = none ? 0.0 : copysign((double)INFINITY, r.mean);
        r.p = none ? 1.0 : 0.0;
        return r;
    }
    r.t = r.mean / se;
    r.p = gp_t_two_sided(r.t, (double)(n - 1));
    return r;
}
