/* zeroshot.c - see zeroshot.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/zeroshot.h"

#include <math.h>
#include <stdlib.h>

#include "methods/method.h"

gopro_status gp_zeroshot_text(gp_real *text, const gp_backbone *b, const char *const *class_name, size_t K, const char *const *tmpl,
                              size_t n_tmpl, gopro_error *err)
{
    gp_text_plan **plan = calloc(n_tmpl, sizeof *plan);
    if (!plan) return gp_fail_nomem(err, n_tmpl * sizeof *plan, "class features");
    gopro_status st = GOPRO_OK;
    for (size_t r = 0; st == GOPRO_OK && r < n_tmpl; r++) st = gp_backbone_plan(&plan[r], b, class_name, K, tmpl[r], 0, GP_POS_END, err);
    if (st == GOPRO_OK) st = gp_class_features(b->model, (const gp_text_plan *const *)plan, n_tmpl, text, err);
    for (size_t r = 0; r < n_tmpl; r++) gp_text_plan_free(&plan[r]);
    free(plan);
    return st;
}

void gp_zeroshot_logits(gp_real *logits, const gp_real *feat, size_t n, const gp_real *text, size_t K, size_t embed, double s)
{
    for (size_t i = 0; i < n; i++) {
        const gp_real *v = feat + i * embed;
        double vv = 0.0;
        for (size_t e = 0; e < embed; e++) vv += (double)v[e] * (double)v[e];
        double r = s / fmax(sqrt(vv), 1e-12);
        for (size_t k = 0; k < K; k++) {
            const gp_real *t = text + k * embed;
            double d = 0.0;
            for (size_t e = 0; e < embed; e++) d += (double)v[e] * (double)t[e];
            logits[i * K + k] = (gp_real)(r * d);
        }
    }
}

double gp_scaled_ce(const gp_real *cosine, const uint32_t *label, size_t n, size_t K, double scale)
{
    double total = 0.0;
    for (size_t i = 0; i < n; i++) {
        const gp_real *c = cosine + i * K;
        double m = -HUGE_VAL, sum = 0.0;
        for (size_t k = 0; k < K; k++) m = fmax(m, scale * (double)c[k]);
        for (size_t k = 0; k < K; k++) sum += exp(scale * (double)c[k] - m);
        total += m + log(sum) - scale * (double)c[label[i]];
    }
    return n ? total / (double)n : 0.0;
}

double gp_best_scale(const gp_real *cosine, const uint32_t *label, size_t n, size_t K)
{
    const double g = 0.6180339887498949;
    double a = log(0.01), b = log(1000.0);
    double x1 = b - g * (b - a), x2 = a + g * (b - a);
    double f1 = gp_scaled_ce(cosine, label, n, K, exp(x1)), f2 = gp_scaled_ce(cosine, label, n, K, exp(x2));
    for (int i = 0; i < 40; i++) {
        if (f1 <= f2) {
            b = x2;
            x2 = x1;
            f2 = f1;
            x1 = b - g * (b - a);
            f1 = gp_scaled_ce(cosine, label, n, K, exp(x1));
        } else {
            a = x1;
            x1 = x2;
            f1 = f2;
            x2 = a + g * (b - a);
            f2 = gp_scaled_ce(cosine, label, n, K, exp(x2));
        }
    }
    return exp(0.5 * (a + b));
}
