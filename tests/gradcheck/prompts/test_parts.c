/* test_parts.c - the learnable parts of the methods against central differences in every parameter.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gradtest.h"
#include "prompts/prompts.h"

enum { B = 3, L = 2, DV = 6, DT = 40, M = 2, E = 4 };

typedef struct parts {
    gp_params *p;
    gp_frg_config frg;
    gp_stats stats[2];
    gp_projector_kind kind;
    gp_var feature;
} parts;

static gp_var run_frg(gp_tape *t, const gp_var *in, void *user)
{
    parts *x = user;
    gp_var f[L];
    (void)in;
    gp_frg(t, x->p, &x->frg, x->stats, 2, B, f);
    return gp_concat_rows(t, f, L);
}

static gp_var run_meta_net(gp_tape *t, const gp_var *in, void *user)
{
    parts *x = user;
    gp_var f[L];
    (void)in;
    gp_frg(t, x->p, &x->frg, x->stats, 2, B, f);
    return gp_add_tiled(t, gp_meta_net(t, x->p, "rho", f, L), gp_param(x->p, "ctx"));
}

static gp_var run_projector(gp_tape *t, const gp_var *in, void *user)
{
    parts *x = user;
    (void)in;
    return gp_projector(t, x->p, x->kind, (gp_real)0.7, x->feature, true);
}

/* Checks every learnable tensor, started at random so that no gradient vanishes. */
static void check(gp_compute *c, gt_fn *fn, parts *x)
{
    gp_var in[32];
    size_t n = 0;
    gp_rng r = gp_rng_make(8, GP_RNG_TEST, 0, 0);
    for (size_t i = 0; i < gp_params_count(x->p); i++) {
        const gp_param_info *info = gp_params_info(x->p, i);
        gp_real *v = gp_params_state(x->p, i).value;
        for (size_t j = 0; j < info->count; j++) v[j] = (gp_real)gp_rng_normal(&r);
        if (!info->state) in[n++] = gp_param_at(x->p, i);
    }
    const double e = gt_error(c, fn, x, in, n);
    if (!(e < GT_TOL)) fail_msg("relative error %g", e);
    gp_params_free(&x->p);
}

static gp_real *random_numbers(gp_arena *a, gp_rng *r, size_t n)
{
    return gt_input(a, r, 1, n).v;
}

static void test_parts(void **state)
{
    gp_compute *c = NULL;
    gp_arena *a = gp_arena_create(1 << 16);
    gp_rng r = gp_rng_make(4, GP_RNG_TEST, 0, 0);
    parts x = {.frg = {.L = L, .Dv = DV, .Dt = DT}};
    (void)state;
    assert_int_equal(gp_compute_create(&c, 1, "ref", NULL), GOPRO_OK);
    for (size_t v = 0; v < 2; v++) x.stats[v] = (gp_stats){random_numbers(a, &r, B * L * DV), random_numbers(a, &r, B * L * DV)};
    for (int norm = GP_FRG_RMS; norm <= GP_FRG_NONE; norm++)
        for (int center = 0; center < 2; center++) {
            x.frg.norm = (gp_frg_norm)norm;
            x.frg.center = center;
            x.p = gp_params_create();
            assert_int_equal(gp_frg_declare(x.p, &x.frg, NULL), GOPRO_OK);
            assert_int_equal(gp_params_finish(x.p, 1, NULL), GOPRO_OK);
            check(c, run_frg, &x);
        }
    for (int bias = 0; bias < 2; bias++) {
        x.frg.norm = GP_FRG_UNIT;
        x.p = gp_params_create();
        assert_int_equal(gp_context_declare(x.p, M, DT, NULL, NULL), GOPRO_OK);
        assert_int_equal(gp_frg_declare(x.p, &x.frg, NULL), GOPRO_OK);
        assert_int_equal(gp_meta_net_declare(x.p, "rho", M, L, DT, bias, NULL), GOPRO_OK);
        assert_int_equal(gp_params_finish(x.p, 1, NULL), GOPRO_OK);
        check(c, run_meta_net, &x);
    }
    x.feature = gp_detach(gt_input(a, &r, B, E));
    for (int kind = GP_PV_RESIDUAL; kind <= GP_PV_LINEAR_BN; kind++) {
        x.kind = (gp_projector_kind)kind;
        x.p = gp_params_create();
        assert_int_equal(gp_projector_declare(x.p, x.kind, E, NULL), GOPRO_OK);
        assert_int_equal(gp_params_finish(x.p, 1, NULL), GOPRO_OK);
        if (kind == GP_PV_RESIDUAL) {
            check(c, run_projector, &x);
            continue;
        }
        /* batch normalisation removes the bias in front of it: that gradient is rounding noise, so it is left out */
        const gp_var in[] = {gp_param(x.p, "projector.weight"), gp_param(x.p, "projector.bn.weight"), gp_param(x.p, "projector.bn.bias")};
        for (size_t j = 0; j < E; j++) in[1].v[j] = (gp_real)gp_rng_normal(&r);
        assert_true(gt_error(c, run_projector, &x, in, 3) < GT_TOL);
        for (size_t j = 0; j < E; j++) assert_true(fabs((double)gp_param(x.p, "projector.bias").g[j]) < 1e-12);
        gp_params_free(&x.p);
    }
    gp_arena_free(&a);
    gp_compute_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
