/* test_vision.c - image tower in double against a naive evaluation of METHODS 1.2 and 1.3: features and statistics of every block.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tiny_model.h"

/* y [rows, out] = x W^T + b */
static void lin(gp_real *y, const gp_real *x, const gp_linear_w *w, size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < w->out; o++) {
            gp_real s = w->b ? w->b[o] : 0;
            for (size_t i = 0; i < w->in; i++) s += x[r * w->in + i] * w->w[o * w->in + i];
            y[r * w->out + o] = s;
        }
}

static void norm(gp_real *y, const gp_real *x, const gp_real *g, const gp_real *b, size_t rows, size_t D)
{
    for (size_t r = 0; r < rows; r++) {
        gp_real mean = 0, var = 0;
        for (size_t i = 0; i < D; i++) mean += x[r * D + i] / (gp_real)D;
        for (size_t i = 0; i < D; i++) var += (x[r * D + i] - mean) * (x[r * D + i] - mean) / (gp_real)D;
        for (size_t i = 0; i < D; i++) y[r * D + i] = (x[r * D + i] - mean) / (gp_real)sqrt((double)var + 1e-5) * g[i] + b[i];
    }
}

static void naive_block(gp_real *x, const gp_block_w *w, const gp_tower_arch *a, size_t T)
{
    size_t D = a->width, d = D / a->heads;
    gp_real *u = calloc(T * D, sizeof *u), *qkv = calloc(T * 3 * D, sizeof *u), *o = calloc(T * D, sizeof *u);
    gp_real *h = calloc(T * a->hidden, sizeof *u), *p = calloc(T, sizeof *p);
    norm(u, x, w->ln1_g, w->ln1_b, T, D);
    lin(qkv, u, &w->qkv, T);
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
    lin(u, o, &w->out, T);
    for (size_t i = 0; i < T * D; i++) x[i] += u[i];
    norm(u, x, w->ln2_g, w->ln2_b, T, D);
    lin(h, u, &w->fc1, T);
    for (size_t i = 0; i < T * a->hidden; i++) {
        double z = (double)h[i];
        h[i] = (gp_real)(a->act == GP_ACT_GELU ? z / 2 * (1 + erf(z / sqrt(2.0))) : z / (1 + exp(-1.702 * z)));
    }
    lin(u, h, &w->fc2, T);
    for (size_t i = 0; i < T * D; i++) x[i] += u[i];
    free(u), free(qkv), free(o), free(h), free(p);
}

/* One image.  mu, sigma [layers, width]. */
static void naive(const gp_clip_weights *w, gp_real *feat, gp_real *mu, gp_real *sigma, const gp_real *px)
{
    const gp_clip_arch *a = &w->arch;
    size_t D = a->v.width, G = a->image / a->patch, T = G * G + 1, P = a->patch;
    gp_real *x = calloc(T * D, sizeof *x);
    for (size_t t = 0; t < T; t++)
        for (size_t c = 0; c < D; c++) {
            gp_real s = t ? (w->v_patch_b ? w->v_patch_b[c] : 0) : w->v_cls[c];
            for (size_t i = 0; t && i < 3 * P * P; i++) {
                size_t ch = i / (P * P), y = (t - 1) / G * P + i / P % P, col = (t - 1) % G * P + i % P;
                s += w->v_patch[c * 3 * P * P + i] * px[(ch * a->image + y) * a->image + col];
            }
            x[t * D + c] = s + w->v_pos[t * D + c];
        }
    if (!a->no_ln_pre) norm(x, x, w->v_ln_pre_g, w->v_ln_pre_b, T, D);
    for (size_t l = 0; l < a->v.layers; l++) {
        naive_block(x, &w->v_block[l], &a->v, T);
        for (size_t c = 0; c < D; c++) {
            gp_real m = 0, v = 0;
            for (size_t t = 0; t < T; t++) m += x[t * D + c] / (gp_real)T;
            for (size_t t = 0; t < T; t++) v += (x[t * D + c] - m) * (x[t * D + c] - m);
            mu[l * D + c] = m;
            sigma[l * D + c] = (gp_real)sqrt(((double)v + 2.3e-8) / (double)T);
        }
    }
    norm(x, x, w->v_ln_post_g, w->v_ln_post_b, 1, D);
    lin(feat, x, &(gp_linear_w){.w = w->v_proj, .out = a->embed, .in = D}, 1);
    free(x);
}

static void same(const gp_real *got, const gp_real *want, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= 1e-11 * (1 + fabs((double)want[i]))))
            fail_msg("%s %zu: %.15g, expected %.15g", what, i, (double)got[i], (double)want[i]);
}

static void check(const gp_clip_arch *arch, size_t B)
{
    tiny_model t;
    gopro_error err = {0};
    tiny_make(&t, arch, 1, NULL, GP_F32, true, &err);
    if (!t.m) fail_msg("%s", err.msg);
    size_t px = 3 * arch->image * arch->image, E = arch->embed, S = arch->v.layers * arch->v.width;
    gp_real *pixels = calloc(B * px, sizeof *pixels), *feat = calloc(B * E, sizeof *feat), *class_only = calloc(B * E, sizeof *feat);
    gp_real *trained = calloc(B * E, sizeof *feat), *mu = calloc(B * S, sizeof *mu), *sigma = calloc(B * S, sizeof *mu);
    gp_real *want = calloc(E, sizeof *want), *want_mu = calloc(S, sizeof *want), *want_sigma = calloc(S, sizeof *want);
    tiny_fill(pixels, B * px, 1.0, 8);
    gp_arena *a = gp_arena_create(1 << 16);
    gp_vision_save *save = NULL;
    assert_int_equal(gp_vision_fwd(t.m, feat, mu, sigma, pixels, B, &err), GOPRO_OK);
    assert_int_equal(gp_vision_fwd(t.m, class_only, NULL, NULL, pixels, B, &err), GOPRO_OK);
    assert_int_equal(gp_vision_train_fwd(t.m, a, &save, trained, pixels, B, &err), GOPRO_OK);
    assert_int_equal(gp_vision_fwd(t.m, feat, mu, NULL, pixels, B, &err), GOPRO_E_INVALID);
    for (size_t i = 0; i < B; i++) {
        naive(t.w, want, want_mu, want_sigma, pixels + i * px);
        same(feat + i * E, want, E, "feature with statistics");
        same(class_only + i * E, want, E, "feature");
        same(trained + i * E, want, E, "feature of the training form");
        same(mu + i * S, want_mu, S, "mean");
        same(sigma + i * S, want_sigma, S, "deviation");
    }
    gp_arena_free(&a);
    free(pixels), free(feat), free(class_only), free(trained), free(mu), free(sigma), free(want), free(want_mu), free(want_sigma);
    tiny_free(&t);
}

static void test_few_rows(void **state)
{
    (void)state;
    gp_clip_arch a = tiny_arch();
    check(&a, 5);
    a.v.layers = 1;
    a.v.act = GP_ACT_GELU;
    check(&a, 2);
    a.no_ln_pre = true;
    check(&a, 3);
}

/* More tokens than a query piece, few and many images: attention is cut inside images or not. */
static void test_many_tokens(void **state)
{
    (void)state;
    gp_clip_arch a = tiny_arch();
    a.image = 24;
    a.patch = 2;
    a.v.layers = 2;
    check(&a, 1);
    check(&a, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_few_rows), cmocka_unit_test(test_many_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
