/* test_train.c - training forms of both towers in double: every weight gradient against central differences.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tiny_model.h"

enum { B = 3, N_CAP = 4, PER_TENSOR = 24 };

typedef struct train_case {
    tiny_model t;
    gp_clip_weights *dw;
    gp_arena *a;
    gp_real *pixels, *feat, *g;
    uint32_t ids[N_CAP][16];
    gp_prompt prompt[N_CAP];
    bool vision;
    size_t n, touched, visited; /* outputs; tensors with a gradient; tensors */
} train_case;

static gopro_status zero(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    (void)user, (void)name, (void)err;
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    memset(data, 0, n * sizeof *data);
    return GOPRO_OK;
}

static double run(train_case *x, bool backward)
{
    gopro_error err = {0};
    gopro_status st;
    double s = 0;
    gp_arena_mark mark = gp_arena_mark_get(x->a);
    gp_vision_save *vs = NULL;
    gp_text_train_save *ts = NULL;
    if (x->vision)
        st = gp_vision_train_fwd(x->t.m, x->a, &vs, x->feat, x->pixels, B, &err);
    else
        st = gp_text_train_fwd(x->t.m, x->a, &ts, x->feat, x->prompt, N_CAP, &err);
    if (st == GOPRO_OK && backward)
        st = x->vision ? gp_vision_train_bwd(x->t.m, vs, x->g, x->dw, &err) : gp_text_train_bwd(x->t.m, ts, x->g, x->dw, &err);
    if (st != GOPRO_OK) fail_msg("%s", err.msg);
    for (size_t i = 0; i < x->n; i++) s += (double)x->feat[i] * (double)x->g[i];
    gp_arena_pop(x->a, mark);
    return s;
}

typedef struct finder {
    const char *name;
    gp_real *data;
} finder;

static gopro_status find(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    (void)shape, (void)rank, (void)err;
    finder *f = user;
    if (strcmp(f->name, name) == 0) f->data = data;
    return GOPRO_OK;
}

static gopro_status check_tensor(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    train_case *x = user;
    finder f = {.name = name};
    size_t n = 1;
    bool any = false;
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    gp_clip_visit(x->dw, find, &f, err);
    assert_non_null(f.data);
    gp_rng r = gp_rng_make(9, GP_RNG_TEST, gp_hash_str(name), 3);
    for (size_t i = 0; i < n; i++) any |= f.data[i] != 0;
    for (size_t j = 0; j < PER_TENSOR && j < n; j++) {
        size_t i = n <= PER_TENSOR ? j : gp_rng_below(&r, (uint32_t)n);
        double h = 1e-5, v = (double)data[i], got = (double)f.data[i];
        data[i] = (gp_real)(v + h);
        double up = run(x, false);
        data[i] = (gp_real)(v - h);
        double down = run(x, false);
        data[i] = (gp_real)v;
        double want = (up - down) / (2 * h);
        if (!(fabs(got - want) <= 1e-6 * (0.1 + fabs(want)))) fail_msg("%s[%zu]: %.12g, expected %.12g", name, i, got, want);
    }
    x->touched += any;
    x->visited++;
    return GOPRO_OK;
}

static void check(bool vision, const gp_clip_arch *arch, size_t tensors)
{
    train_case x = {.vision = vision};
    gopro_error err = {0};
    tiny_make(&x.t, arch, 1, NULL, GP_F32, true, &err);
    if (!x.t.m) fail_msg("%s", err.msg);
    assert_int_equal(gp_clip_init(&x.dw, arch, 1, &err), GOPRO_OK);
    gp_clip_visit(x.dw, zero, NULL, &err);
    x.a = gp_arena_create(1 << 16);
    x.n = (vision ? B : N_CAP) * arch->embed;
    size_t pixels = B * 3 * arch->image * arch->image;
    x.pixels = calloc(pixels, sizeof *x.pixels);
    x.feat = calloc(x.n, sizeof *x.feat);
    x.g = calloc(x.n, sizeof *x.g);
    tiny_fill(x.pixels, pixels, 1.0, 1);
    tiny_fill(x.g, x.n, 1.0, 2);
    static const size_t len[N_CAP] = {7, 14, 3, 9};
    for (size_t i = 0; i < N_CAP; i++) x.prompt[i] = tiny_prompt(x.ids[i], len[i], 1, arch, i);
    run(&x, true);
    if (gp_clip_visit(x.t.w, check_tensor, &x, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(x.touched, tensors); /* every tensor of this tower, none of the other */
    gp_clip_free(&x.dw);
    gp_arena_free(&x.a);
    free(x.pixels), free(x.feat), free(x.g);
    tiny_free(&x.t);
}

static void test_text(void **state)
{
    (void)state;
    gp_clip_arch a = tiny_arch();
    check(false, &a, 3 * 16 + 5);
    a.t.layers = 1;
    check(false, &a, 16 + 5);
}

static void test_vision(void **state)
{
    (void)state;
    gp_clip_arch a = tiny_arch();
    a.v.layers = 2;
    check(true, &a, 2 * 16 + 8);
    a.v.layers = 1;
    a.v.act = GP_ACT_GELU;
    check(true, &a, 16 + 8);
    a.no_ln_pre = true;
    check(true, &a, 16 + 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_vision)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
