/* test_text.c - text tower in double: prefix sharing equals the plain evaluation, gradients equal central differences of it (METHODS 6.5).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tiny_model.h"

enum { K = 4, MAXC = 3 };

typedef struct text_case {
    tiny_model t;
    uint32_t ids[K][16];
    gp_prompt prompt[K];
    size_t M, C, n;
    gp_ctx_pos pos;
    const gp_pair *pairs;
    gp_text_plan *plan;
} text_case;

static const gp_pair pairs_few[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};
static const gp_pair pairs_many[] = {{2, 3}, {0, 1}, {2, 0}, {0, 1}, {0, 3}, {2, 2}, {0, 0}, {2, 1}}; /* context 1 unused, one pair twice */
static const gp_pair pairs_own[] = {{0, 0}, {1, 1}, {2, 2}};

static void case_make(text_case *x, size_t M, gp_ctx_pos pos, size_t C, const gp_pair *pairs, size_t n, const gp_clip_arch *arch)
{
    gopro_error err = {0};
    memset(x, 0, sizeof *x);
    tiny_make(&x->t, arch, 1, NULL, GP_F32, false, &err);
    if (!x->t.m) fail_msg("%s", err.msg);
    static const size_t rest[K] = {4, 2, 6, 3}; /* suffix tokens with the end token */
    static const size_t name[K] = {2, 1, 4, 2};
    for (size_t k = 0; k < K; k++) x->prompt[k] = tiny_prompt(x->ids[k], 1 + M + rest[k], name[k], arch, k);
    x->M = M;
    x->C = C;
    x->n = n;
    x->pos = pos;
    x->pairs = pairs;
    if (gp_text_plan_create(&x->plan, x->t.m, x->prompt, K, M, pos, &err) != GOPRO_OK) fail_msg("%s", err.msg);
}

static void case_free(text_case *x)
{
    gp_text_plan_free(&x->plan);
    tiny_free(&x->t);
}

/* Input rows of one pair, laid out from the definition (METHODS 2.6); rows after the end token are noise that must not matter. */
static void plain_rows(const text_case *x, gp_real *x0, const gp_real *contexts, gp_pair pair, uint64_t noise)
{
    const gp_clip_weights *w = x->t.w;
    size_t D = w->arch.t.width, M = x->M, row = 0, first, name;
    const gp_prompt *p = &x->prompt[pair.cls];
    const gp_real *ctx = contexts + pair.context * M * D;
    tiny_fill(x0, w->arch.context * D, 1.0, noise);
    first = x->pos == GP_POS_END ? M : x->pos == GP_POS_MIDDLE ? M / 2 : 0;
    name = x->pos == GP_POS_END ? 0 : p->name_len;
    memcpy(x0 + row++ * D, w->t_tok + p->ids[0] * D, D * sizeof *x0);
    for (size_t i = 0; i < first; i++) memcpy(x0 + row++ * D, ctx + i * D, D * sizeof *x0);
    for (size_t i = 0; i < name; i++) memcpy(x0 + row++ * D, w->t_tok + p->ids[1 + M + i] * D, D * sizeof *x0);
    for (size_t i = first; i < M; i++) memcpy(x0 + row++ * D, ctx + i * D, D * sizeof *x0);
    for (size_t i = 1 + M + name; i < p->n; i++) memcpy(x0 + row++ * D, w->t_tok + p->ids[i] * D, D * sizeof *x0);
    assert_int_equal(row, p->n);
}

static void plain_features(const text_case *x, gp_real *out, const gp_real *contexts, uint64_t noise)
{
    const gp_clip_arch *a = &x->t.w->arch;
    gopro_error err = {0};
    gp_real *x0 = calloc(a->context * a->t.width, sizeof *x0);
    for (size_t i = 0; i < x->n; i++) {
        plain_rows(x, x0, contexts, x->pairs[i], noise + i);
        assert_int_equal(gp_text_plain(x->t.m, out + i * a->embed, x0, x->prompt[x->pairs[i].cls].n - 1, &err), GOPRO_OK);
    }
    free(x0);
}

static double loss(const text_case *x, const gp_real *contexts, const gp_real *g, gp_real *feat)
{
    double s = 0;
    plain_features(x, feat, contexts, 0);
    for (size_t i = 0; i < x->n * x->t.w->arch.embed; i++) s += (double)feat[i] * (double)g[i];
    return s;
}

static void close(double got, double want, double tol, double scale, const char *what, size_t at)
{
    if (!(fabs(got - want) <= tol * (scale + fabs(want)))) fail_msg("%s %zu: %.15g, expected %.15g", what, at, got, want);
}

static void check_case(size_t M, gp_ctx_pos pos, size_t C, const gp_pair *pairs, size_t n, const gp_clip_arch *arch)
{
    text_case x;
    case_make(&x, M, pos, C, pairs, n, arch);
    size_t D = arch->t.width, E = arch->embed, n_ctx = C * M * D;
    gp_real *ctx = calloc(n_ctx + 1, sizeof *ctx), *feat = calloc(n * E, sizeof *feat), *want = calloc(n * E, sizeof *want);
    gp_real *nokeep = calloc(n * E, sizeof *nokeep), *g = calloc(n * E, sizeof *g), *dctx = calloc(n_ctx + 1, sizeof *dctx);
    gopro_error err = {0};
    tiny_fill(ctx, n_ctx, 0.7, 3);
    tiny_fill(g, n * E, 1.0, 4);
    gp_arena *a = gp_arena_create(1 << 16);
    gp_text_save *save = NULL;
    if (gp_text_fwd(x.t.m, x.plan, feat, M ? ctx : NULL, C, pairs, n, a, &save, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    if (gp_text_fwd(x.t.m, x.plan, nokeep, M ? ctx : NULL, C, pairs, n, NULL, NULL, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    plain_features(&x, want, ctx, 77);
    for (size_t i = 0; i < n * E; i++) {
        close((double)feat[i], (double)want[i], 1e-12, 1.0, "feature", i);
        close((double)nokeep[i], (double)want[i], 1e-12, 1.0, "feature without saving", i);
    }
    if (gp_text_bwd(x.t.m, save, dctx, g, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    for (size_t i = 0; i < n_ctx; i++) {
        double h = 1e-5, v = (double)ctx[i];
        ctx[i] = (gp_real)(v + h);
        double up = loss(&x, ctx, g, want);
        ctx[i] = (gp_real)(v - h);
        double down = loss(&x, ctx, g, want);
        ctx[i] = (gp_real)v;
        close((double)dctx[i], (up - down) / (2 * h), 1e-6, 0.1, "context gradient", i);
    }
    if (save && n_ctx) { /* backward adds */
        gp_real before = dctx[0];
        assert_int_equal(gp_text_bwd(x.t.m, save, dctx, g, &err), GOPRO_OK);
        close((double)dctx[0], 2 * (double)before, 1e-12, 1e-12, "twice the gradient", 0);
    }
    gp_arena_free(&a);
    free(ctx), free(feat), free(want), free(nokeep), free(g), free(dctx);
    case_free(&x);
}

static void test_positions(void **state)
{
    (void)state;
    gp_clip_arch a = tiny_arch();
    for (int pos = GP_POS_END; pos <= GP_POS_FRONT; pos++)
        for (size_t M = 1; M <= 4; M += 3) {
            check_case(M, (gp_ctx_pos)pos, 1, pairs_few, GP_COUNT(pairs_few), &a);
            check_case(M, (gp_ctx_pos)pos, 3, pairs_many, GP_COUNT(pairs_many), &a);
            check_case(M, (gp_ctx_pos)pos, 3, pairs_own, GP_COUNT(pairs_own), &a);
        }
}

static void test_no_context(void **state)
{
    (void)state;
    gp_clip_arch a = tiny_arch();
    check_case(0, GP_POS_END, 0, pairs_few, GP_COUNT(pairs_few), &a);
}

static void test_depths(void **state)
{
    (void)state;
    gp_clip_arch a = tiny_arch();
    a.t.act = GP_ACT_QUICKGELU;
    for (a.t.layers = 1; a.t.layers <= 2; a.t.layers++)
        for (int pos = GP_POS_END; pos <= GP_POS_FRONT; pos++) check_case(3, (gp_ctx_pos)pos, 3, pairs_many, GP_COUNT(pairs_many), &a);
}

/* Enough pairs of one context that its prefix gradient comes from several groups of segments. */
static void test_many_pairs(void **state)
{
    (void)state;
    gp_clip_arch a = tiny_arch();
    static gp_pair pairs[90];
    a.t.layers = 2;
    for (uint32_t i = 0; i < GP_COUNT(pairs); i++) pairs[i] = (gp_pair){i % 2, (i * 7) % K};
    check_case(2, GP_POS_END, 2, pairs, GP_COUNT(pairs), &a);
    check_case(2, GP_POS_MIDDLE, 2, pairs, GP_COUNT(pairs), &a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_no_context),
        cmocka_unit_test(test_depths),
        cmocka_unit_test(test_many_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
