/* plain_vision.h - the image tower written out from METHODS 1.2, 1.3 and 3.5, one image at a time: the oracle of tests.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TEST_PLAIN_VISION_H
#define GP_TEST_PLAIN_VISION_H

#include <math.h>

#include "tiny_model.h"

/* y [rows, out] = x W^T + b */
static inline void plain_lin(gp_real *y, const gp_real *x, const gp_linear_w *w, size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < w->out; o++) {
            gp_real s = w->b ? w->b[o] : 0;
            for (size_t i = 0; i < w->in; i++) s += x[r * w->in + i] * w->w[o * w->in + i];
            y[r * w->out + o] = s;
        }
}

static inline void plain_norm(gp_real *y, const gp_real *x, const gp_real *g, const gp_real *b, size_t rows, size_t D)
{
    for (size_t r = 0; r < rows; r++) {
        gp_real mean = 0, var = 0;
        for (size_t i = 0; i < D; i++) mean += x[r * D + i] / (gp_real)D;
        for (size_t i = 0; i < D; i++) var += (x[r * D + i] - mean) * (x[r * D + i] - mean) / (gp_real)D;
        for (size_t i = 0; i < D; i++) y[r * D + i] = (x[r * D + i] - mean) / (gp_real)sqrt((double)var + 1e-5) * g[i] + b[i];
    }
}

static inline void plain_vision_block(gp_real *x, const gp_block_w *w, const gp_tower_arch *a, size_t T)
{
    size_t D = a->width, d = D / a->heads;
    gp_real *u = calloc(T * D, sizeof *u), *qkv = calloc(T * 3 * D, sizeof *u), *o = calloc(T * D, sizeof *u);
    gp_real *h = calloc(T * a->hidden, sizeof *u), *p = calloc(T, sizeof *p);
    plain_norm(u, x, w->ln1_g, w->ln1_b, T, D);
    plain_lin(qkv, u, &w->qkv, T);
    for (size_t r = 0; r < T; r++)
        for (size_t c = 0; c < D; c++) {
            gp_real sum = 0;
            size_t head = c / d * d;
            for (size_t j = 0; j < T; j++) {
                gp_real z = 0;
                for (size_t i = head; i < head + d; i++) z += qkv[r * 3 * D + i] * qkv[j * 3 * D + D + i];
                p[j] = (gp_real)exp((double)z / sqrt((double)d));
                sum += p[j];
            }
            for (size_t j = 0; j < T; j++) o[r * D + c] += p[j] / sum * qkv[j * 3 * D + 2 * D + c];
        }
    plain_lin(u, o, &w->out, T);
    for (size_t i = 0; i < T * D; i++) x[i] += u[i];
    plain_norm(u, x, w->ln2_g, w->ln2_b, T, D);
    plain_lin(h, u, &w->fc1, T);
    for (size_t i = 0; i < T * a->hidden; i++) {
        double z = (double)h[i];
        h[i] = (gp_real)(a->act == GP_ACT_GELU ? z / 2 * (1 + erf(z / sqrt(2.0))) : z / (1 + exp(-1.702 * z)));
    }
    plain_lin(u, h, &w->fc2, T);
    for (size_t i = 0; i < T * D; i++) x[i] += u[i];
    free(u), free(qkv), free(o), free(h), free(p);
}

/* One image.  prompts (or NULL): level 0 behind the patches, level i instead of it in front of block i+1.  mu, sigma [layers, width] over
 * all rows, or both NULL. */
static inline void plain_vision(const gp_clip_weights *w, const gp_slot_rows *prompts, gp_real *feat, gp_real *mu, gp_real *sigma,
                                const gp_real *px)
{
    const gp_clip_arch *a = &w->arch;
    size_t D = a->v.width, G = a->image / a->patch, N = G * G, n = prompts ? prompts->n : 0, T = N + 1 + n, P = a->patch;
    gp_real *x = calloc(T * D, sizeof *x);
    for (size_t t = 0; t <= N; t++)
        for (size_t c = 0; c < D; c++) {
            gp_real s = t ? (w->v_patch_b ? w->v_patch_b[c] : 0) : w->v_cls[c];
            for (size_t i = 0; t && i < 3 * P * P; i++) {
                size_t ch = i / (P * P), y = (t - 1) / G * P + i / P % P, col = (t - 1) % G * P + i % P;
                s += w->v_patch[c * 3 * P * P + i] * px[(ch * a->image + y) * a->image + col];
            }
            x[t * D + c] = s + w->v_pos[t * D + c];
        }
    for (size_t i = 0; i < n * D; i++) x[(N + 1) * D + i] = prompts->rows[i];
    if (!a->no_ln_pre) plain_norm(x, x, w->v_ln_pre_g, w->v_ln_pre_b, T, D);
    for (size_t l = 0; l < a->v.layers; l++) {
        for (size_t i = 0; n && l > 0 && l < prompts->levels && i < n * D; i++) x[(N + 1) * D + i] = prompts->rows[l * n * D + i];
        plain_vision_block(x, &w->v_block[l], &a->v, T);
        for (size_t c = 0; mu && c < D; c++) {
            gp_real m = 0, v = 0;
            for (size_t t = 0; t < T; t++) m += x[t * D + c] / (gp_real)T;
            for (size_t t = 0; t < T; t++) v += (x[t * D + c] - m) * (x[t * D + c] - m);
            mu[l * D + c] = m;
            sigma[l * D + c] = (gp_real)sqrt(((double)v + 2.3e-8) / (double)T);
        }
    }
    plain_norm(x, x, w->v_ln_post_g, w->v_ln_post_b, 1, D);
    plain_lin(feat, x, &(gp_linear_w){.w = w->v_proj, .out = a->embed, .in = D}, 1);
    free(x);
}

#endif
