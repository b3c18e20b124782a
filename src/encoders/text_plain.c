/* text_plain.c - the text tower over all positions with plain loops (METHODS 1.2, 1.4): the oracle of tests.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encoders/text_impl.h"

typedef struct plain {
    size_t T, D, H, F;
    gp_real eps;
    gp_act act;
    gp_real *x, *u, *qkv, *o, *h, *p; /* p: one row of probabilities */
} plain;

static void norm(gp_real *y, const gp_real *x, const gp_real *g, const gp_real *b, gp_real eps, size_t rows, size_t D)
{
    for (size_t r = 0; r < rows; r++, x += D, y += D) {
        double mean = 0, var = 0;
        for (size_t i = 0; i < D; i++) mean += (double)x[i];
        mean /= (double)D;
        for (size_t i = 0; i < D; i++) var += ((double)x[i] - mean) * ((double)x[i] - mean);
        double rstd = 1.0 / sqrt(var / (double)D + (double)eps);
        for (size_t i = 0; i < D; i++) y[i] = (gp_real)(((double)x[i] - mean) * rstd) * g[i] + b[i];
    }
}

static void linear(gp_real *y, const gp_real *x, const gp_real *w, const gp_real *b, size_t rows, size_t out, size_t in, bool add)
{
    gp_gemm_ref(false, true, rows, out, in, (gp_real)1, x, in, w, in, add ? (gp_real)1 : (gp_real)0, y, out);
    for (size_t r = 0; b && r < rows; r++)
        for (size_t i = 0; i < out; i++) y[r * out + i] += b[i];
}

static void attend(const plain *t)
{
    size_t D = t->D, d = D / t->H;
    double scale = 1.0 / sqrt((double)d);
    for (size_t r = 0; r < t->T; r++)
        for (size_t h = 0; h < t->H; h++) {
            const gp_real *q = t->qkv + r * 3 * D + h * d;
            double top = -HUGE_VAL, sum = 0;
            for (size_t j = 0; j <= r; j++) {
                double z = 0;
                for (size_t i = 0; i < d; i++) z += (double)q[i] * (double)t->qkv[j * 3 * D + D + h * d + i];
                t->p[j] = (gp_real)(z * scale);
                top = fmax(top, (double)t->p[j]);
            }
            for (size_t j = 0; j <= r; j++) {
                t->p[j] = (gp_real)exp((double)t->p[j] - top);
                sum += (double)t->p[j];
            }
            for (size_t i = 0; i < d; i++) {
                double o = 0;
                for (size_t j = 0; j <= r; j++) o += (double)t->p[j] * (double)t->qkv[j * 3 * D + 2 * D + h * d + i];
                t->o[r * D + h * d + i] = (gp_real)(o / sum);
            }
        }
}

static void activate(gp_real *h, gp_act act, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double z = (double)h[i];
        h[i] = (gp_real)(act == GP_ACT_QUICKGELU ? z / (1.0 + exp(-1.702 * z)) : 0.5 * z * (1.0 + erf(z / sqrt(2.0))));
    }
}

static void block(const plain *t, const gp_block_w *w)
{
    norm(t->u, t->x, w->ln1_g, w->ln1_b, t->eps, t->T, t->D);
    linear(t->qkv, t->u, w->qkv.w, w->qkv.b, t->T, 3 * t->D, t->D, false);
    attend(t);
    linear(t->x, t->o, w->out.w, w->out.b, t->T, t->D, t->D, true);
    norm(t->u, t->x, w->ln2_g, w->ln2_b, t->eps, t->T, t->D);
    linear(t->h, t->u, w->fc1.w, w->fc1.b, t->T, t->F, t->D, false);
    activate(t->h, t->act, t->T * t->F);
    linear(t->x, t->h, w->fc2.w, w->fc2.b, t->T, t->D, t->F, true);
}

gopro_status gp_text_plain(gp_model *m, gp_real *out, const gp_real *x0, size_t end, gopro_error *err)
{
    return gp_text_plain_deep(m, out, x0, end, NULL, err);
}

gopro_status gp_text_plain_deep(gp_model *m, gp_real *out, const gp_real *x0, size_t end, const gp_slot_rows *deep, gopro_error *err)
{
    const gp_clip_weights *w = m->w;
    const gp_clip_arch *a = &w->arch;
    plain t = {.T = a->context, .D = a->t.width, .H = a->t.heads, .F = a->t.hidden, .eps = (gp_real)a->t.eps, .act = a->t.act};
    if (end >= t.T) return gp_fail(err, GOPRO_E_INVALID, "end row %zu, the text tower has %zu positions", end, t.T);
    gp_real *mem = calloc(t.T, (6 * t.D + t.F + 1) * sizeof *mem);
    if (!mem) return gp_fail_nomem(err, t.T * (6 * t.D + t.F + 1) * sizeof *mem, "the plain text tower");
    t.x = mem;
    t.u = t.x + t.T * t.D;
    t.o = t.u + t.T * t.D;
    t.qkv = t.o + t.T * t.D;
    t.h = t.qkv + t.T * 3 * t.D;
    t.p = t.h + t.T * t.F;
    for (size_t i = 0; i < t.T * t.D; i++) t.x[i] = x0[i] + w->t_pos[i];
    for (size_t l = 0; l < a->t.layers; l++) {
        if (deep && l > 0 && l <= deep->levels) memcpy(t.x + t.D, deep->rows + (l - 1) * deep->n * t.D, deep->n * t.D * sizeof *t.x);
        block(&t, &w->t_block[l]);
    }
    norm(t.u, t.x + end * t.D, w->t_ln_final_g, w->t_ln_final_b, t.eps, 1, t.D);
    linear(out, t.u, w->t_proj, NULL, 1, a->embed, t.D, false);
    free(mem);
    return GOPRO_OK;
}
