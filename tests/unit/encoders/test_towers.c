/* test_towers.c - both towers in float: fast kernels against the plain ones, the same bytes for any number of threads, independence of
 * pairs and images from their companions.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "half_cpu.h"
#include "tiny_model.h"

enum { K = 40, M = 4, C = 3, N = 100, B = 48, CAP = 70 };

/* Everything the towers can compute, from one model, in one array. */
typedef struct outputs {
    gp_real *v;
    size_t n, cap;
} outputs;

static gp_clip_arch arch_make(void)
{
    gp_clip_arch a = tiny_arch();
    a.v = (gp_tower_arch){.width = 64, .layers = 2, .heads = 2, .hidden = 256, .act = GP_ACT_QUICKGELU, .eps = 1e-5};
    a.t = (gp_tower_arch){.width = 96, .layers = 3, .heads = 3, .hidden = 200, .act = GP_ACT_QUICKGELU, .eps = 1e-5};
    a.image = 16;
    a.embed = 48;
    return a;
}

static gp_real *put(outputs *o, size_t n)
{
    assert_true(o->n + n <= o->cap);
    gp_real *p = o->v + o->n;
    memset(p, 0, n * sizeof *p);
    o->n += n;
    return p;
}

static void make_prompts(gp_prompt *p, uint32_t (*ids)[16], size_t n, const gp_clip_arch *a, size_t shortest)
{
    for (size_t i = 0; i < n; i++) p[i] = tiny_prompt(ids[i], shortest + (i * 5) % 7, 1 + i % 2, a, 100 + i);
}

static void make_pairs(gp_pair *pairs)
{
    for (uint32_t i = 0; i < N; i++) pairs[i] = (gp_pair){(i * 2) % C, (i * 13) % K};
}

static void run_text(tiny_model *t, outputs *o, gp_ctx_pos pos)
{
    const gp_clip_arch *a = &t->w->arch;
    gopro_error err = {0};
    static uint32_t ids[K][16];
    gp_prompt prompts[K];
    gp_pair pairs[N];
    gp_text_plan *plan = NULL;
    gp_text_save *save = NULL;
    make_prompts(prompts, ids, K, a, M + 4);
    make_pairs(pairs);
    gp_real ctx[C * M * 96], dout[N * 48];
    tiny_fill(ctx, GP_COUNT(ctx), 0.5, 1);
    tiny_fill(dout, GP_COUNT(dout), 1.0, 2);
    gp_arena *arena = gp_arena_create(1 << 20);
    if (gp_text_plan_create(&plan, t->m, prompts, K, M, pos, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(gp_text_fwd(t->m, plan, put(o, N * a->embed), ctx, C, pairs, N, NULL, NULL, &err), GOPRO_OK);
    assert_int_equal(gp_text_fwd(t->m, plan, put(o, N * a->embed), ctx, C, pairs, N, arena, &save, &err), GOPRO_OK);
    assert_int_equal(gp_text_bwd(t->m, save, put(o, C * M * a->t.width), dout, &err), GOPRO_OK);
    gp_arena_free(&arena);
    gp_text_plan_free(&plan);
}

static gopro_status append(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    (void)name, (void)err;
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    memcpy(put(user, n), data, n * sizeof *data);
    return GOPRO_OK;
}

static gopro_status zero(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    (void)user, (void)name, (void)err;
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    memset(data, 0, n * sizeof *data);
    return GOPRO_OK;
}

static void run_train(tiny_model *t, outputs *o)
{
    const gp_clip_arch *a = &t->w->arch;
    gopro_error err = {0};
    static uint32_t ids[CAP][16];
    static gp_real pixels[B * 3 * 16 * 16], dout[CAP * 48];
    gp_prompt prompts[CAP];
    gp_vision_save *vs = NULL;
    gp_text_train_save *ts = NULL;
    gp_clip_weights *dw = NULL;
    make_prompts(prompts, ids, CAP, a, 3);
    tiny_fill(pixels, GP_COUNT(pixels), 1.0, 3);
    tiny_fill(dout, GP_COUNT(dout), 0.1, 4);
    assert_int_equal(gp_clip_init(&dw, a, 1, &err), GOPRO_OK);
    gp_clip_visit(dw, zero, NULL, &err);
    gp_arena *arena = gp_arena_create(1 << 20);
    size_t S = a->v.layers * a->v.width;
    assert_int_equal(gp_vision_fwd(t->m, put(o, B * a->embed), NULL, NULL, pixels, B, &err), GOPRO_OK);
    gp_real *mu = put(o, B * S), *sigma = put(o, B * S);
    assert_int_equal(gp_vision_fwd(t->m, put(o, B * a->embed), mu, sigma, pixels, B, &err), GOPRO_OK);
    assert_int_equal(gp_vision_train_fwd(t->m, arena, &vs, put(o, B * a->embed), pixels, B, &err), GOPRO_OK);
    assert_int_equal(gp_text_train_fwd(t->m, arena, &ts, put(o, CAP * a->embed), prompts, CAP, &err), GOPRO_OK);
    assert_int_equal(gp_vision_train_bwd(t->m, vs, dout, dw, &err), GOPRO_OK);
    assert_int_equal(gp_text_train_bwd(t->m, ts, dout, dw, &err), GOPRO_OK);
    gp_clip_visit(dw, append, o, &err);
    gp_clip_free(&dw);
    gp_arena_free(&arena);
}

/* Deep prompts in both towers: features without and with saving, gradients of every prompt row. */
static void run_prompts(tiny_model *t, outputs *o)
{
    enum { R = 2, DEPTH = 2, WT = 96, WV = 64 };
    const gp_clip_arch *a = &t->w->arch;
    gopro_error err = {0};
    static uint32_t ids[K][16];
    static gp_real pixels[B * 3 * 16 * 16], text_rows[(DEPTH - 1) * R * WT], image_rows[DEPTH * R * WV], ctx[R * WT],
        dout[(B > K ? B : K) * 48];
    gp_prompt prompts[K];
    gp_pair pairs[K];
    gp_text_plan *plan = NULL;
    gp_text_save *ts = NULL;
    gp_vision_prompt_save *vs = NULL;
    make_prompts(prompts, ids, K, a, R + 5);
    for (uint32_t k = 0; k < K; k++) {
        pairs[k] = (gp_pair){0, k};
        ids[k][R + 1] = 7, ids[k][R + 2] = 8; /* words in common */
    }
    tiny_fill(pixels, GP_COUNT(pixels), 1.0, 3);
    tiny_fill(text_rows, GP_COUNT(text_rows), 0.5, 5);
    tiny_fill(image_rows, GP_COUNT(image_rows), 0.5, 6);
    tiny_fill(ctx, GP_COUNT(ctx), 0.5, 7);
    tiny_fill(dout, GP_COUNT(dout), 0.1, 8);
    const gp_slot_rows deep = {text_rows, R, DEPTH - 1}, image = {image_rows, R, DEPTH};
    gp_arena *arena = gp_arena_create(1 << 20);
    if (gp_text_plan_create(&plan, t->m, prompts, K, R, GP_POS_END, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(gp_text_deep_fwd(t->m, plan, put(o, K * a->embed), ctx, 1, &deep, pairs, K, NULL, NULL, &err), GOPRO_OK);
    assert_int_equal(gp_text_deep_fwd(t->m, plan, put(o, K * a->embed), ctx, 1, &deep, pairs, K, arena, &ts, &err), GOPRO_OK);
    gp_real *dctx = put(o, GP_COUNT(ctx));
    assert_int_equal(gp_text_deep_bwd(t->m, ts, dctx, put(o, GP_COUNT(text_rows)), dout, &err), GOPRO_OK);
    assert_int_equal(gp_vision_prompt_fwd(t->m, &image, put(o, B * a->embed), pixels, B, NULL, NULL, &err), GOPRO_OK);
    assert_int_equal(gp_vision_prompt_fwd(t->m, &image, put(o, B * a->embed), pixels, B, arena, &vs, &err), GOPRO_OK);
    assert_int_equal(gp_vision_prompt_bwd(t->m, vs, put(o, GP_COUNT(image_rows)), dout, &err), GOPRO_OK);
    gp_arena_free(&arena);
    gp_text_plan_free(&plan);
}

static outputs run_all(size_t threads, const char *cpu, gp_precision prec)
{
    tiny_model t;
    gopro_error err = {0};
    gp_clip_arch a = arch_make();
    tiny_make(&t, &a, threads, cpu, prec, true, &err);
    if (!t.m) fail_msg("%s", err.msg);
    outputs o = {.cap = (size_t)1 << 20};
    o.v = calloc(o.cap, sizeof *o.v);
    for (int pos = GP_POS_END; pos <= GP_POS_FRONT; pos++) run_text(&t, &o, (gp_ctx_pos)pos);
    run_train(&t, &o);
    run_prompts(&t, &o);
    tiny_free(&t);
    return o;
}

static double distance(const gp_real *x, const gp_real *y, size_t n)
{
    double d = 0, s = 0;
    for (size_t i = 0; i < n; i++) {
        d += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
        s += (double)y[i] * (double)y[i];
    }
    return sqrt(d / s);
}

static void test_fast_equals_plain(void **state)
{
    (void)state;
    outputs ref = run_all(1, "ref", GP_F32), fast = run_all(2, NULL, GP_F32), half = run_all(2, half_cpu(), GP_BF16);
    assert_int_equal(ref.n, fast.n);
    for (size_t i = 0; i < ref.n; i++)
        if (!(fabs((double)fast.v[i] - (double)ref.v[i]) <= 1e-4 * (1 + fabs((double)ref.v[i]))))
            fail_msg("number %zu: %.9g, plain %.9g", i, (double)fast.v[i], (double)ref.v[i]);
    double d = distance(fast.v, ref.v, ref.n), b = distance(half.v, ref.v, ref.n);
    print_message("relative distance to the plain kernels: f32 %.2g, bf16 %.2g\n", d, b);
    assert_true(d < 1e-5);
    assert_true(b < 3e-2);
    assert_true(b > 1e-5); /* bf16 did happen */
    free(ref.v), free(fast.v), free(half.v);
}

static void test_threads(void **state)
{
    (void)state;
    for (int prec = GP_F32; prec <= GP_BF16; prec++) {
        const char *cpu = prec == GP_BF16 ? half_cpu() : NULL;
        outputs one = run_all(1, cpu, (gp_precision)prec);
        for (size_t threads = 2; threads <= 4; threads += 2) {
            outputs more = run_all(threads, cpu, (gp_precision)prec);
            assert_int_equal(one.n, more.n);
            assert_memory_equal(one.v, more.v, one.n * sizeof *one.v);
            free(more.v);
        }
        free(one.v);
    }
}

/* A model that was made to run forward only packs what gradients need when they are first asked for: the same numbers. */
static void test_gradients_on_demand(void **state)
{
    (void)state;
    for (int prec = GP_F32; prec <= GP_BF16; prec++) {
        outputs o[3];
        enum { ON_DEMAND, BEFORE, TRAINABLE };
        for (int how = 0; how < 3; how++) {
            tiny_model t;
            gopro_error err = {0};
            gp_clip_arch a = arch_make();
            tiny_make(&t, &a, 2, prec == GP_BF16 ? half_cpu() : NULL, (gp_precision)prec, how == TRAINABLE, &err);
            if (!t.m) fail_msg("%s", err.msg);
            if (how == BEFORE) assert_int_equal(gp_model_vision_gradients(t.m, &err), GOPRO_OK);
            o[how] = (outputs){.v = calloc((size_t)1 << 16, sizeof(gp_real)), .cap = (size_t)1 << 16};
            run_prompts(&t, &o[how]);
            tiny_free(&t);
        }
        assert_int_equal(o[ON_DEMAND].n, o[BEFORE].n);
        assert_int_equal(o[ON_DEMAND].n, o[TRAINABLE].n);
        assert_memory_equal(o[ON_DEMAND].v, o[BEFORE].v, o[0].n * sizeof *o[0].v);
        /* In bf16 a frozen block keeps bf16 between its products, one that learns keeps reals. */
        const double d = distance(o[TRAINABLE].v, o[BEFORE].v, o[0].n);
        assert_true(prec == GP_F32 ? d == 0 : d < 3e-2);
        for (int how = 0; how < 3; how++) free(o[how].v);
    }
}

/* Permuting pairs permutes features; a few pairs alone have the features they have among many. */
static void test_pairs_are_independent(void **state)
{
    (void)state;
    tiny_model t;
    gopro_error err = {0};
    gp_clip_arch a = arch_make();
    tiny_make(&t, &a, 2, NULL, GP_F32, false, &err);
    if (!t.m) fail_msg("%s", err.msg);
    static uint32_t ids[K][16];
    static gp_real ctx[C * M * 96], all[N * 48], turned[N * 48], few[3 * 48];
    gp_prompt prompts[K];
    gp_pair pairs[N], back[N];
    gp_text_plan *plan = NULL;
    make_prompts(prompts, ids, K, &a, M + 4);
    make_pairs(pairs);
    for (size_t i = 0; i < N; i++) back[i] = pairs[N - 1 - i];
    tiny_fill(ctx, GP_COUNT(ctx), 0.5, 1);
    assert_int_equal(gp_text_plan_create(&plan, t.m, prompts, K, M, GP_POS_END, &err), GOPRO_OK);
    assert_int_equal(gp_text_plan_classes(plan), K);
    assert_int_equal(gp_text_fwd(t.m, plan, all, ctx, C, pairs, N, NULL, NULL, &err), GOPRO_OK);
    assert_int_equal(gp_text_fwd(t.m, plan, turned, ctx, C, back, N, NULL, NULL, &err), GOPRO_OK);
    assert_int_equal(gp_text_fwd(t.m, plan, few, ctx, C, pairs + 40, 3, NULL, NULL, &err), GOPRO_OK);
    for (size_t i = 0; i < N * 48; i++) assert_float_equal(turned[(N - 1 - i / 48) * 48 + i % 48], all[i], 1e-5);
    for (size_t i = 0; i < GP_COUNT(few); i++) assert_float_equal(few[i], all[40 * 48 + i], 1e-5);
    assert_true(distance(all, all + 48, 48) > 0.01); /* features are not all the same */
    gp_text_plan_free(&plan);
    tiny_free(&t);
}

static void test_images_are_independent(void **state)
{
    (void)state;
    tiny_model t;
    gopro_error err = {0};
    gp_clip_arch a = arch_make();
    tiny_make(&t, &a, 2, NULL, GP_F32, false, &err);
    if (!t.m) fail_msg("%s", err.msg);
    enum { PX = 3 * 16 * 16, E = 48, S = 2 * 64 };
    static gp_real pixels[B * PX], all[B * E], one[E], mu[B * S], sigma[B * S], mu1[S], sigma1[S];
    tiny_fill(pixels, GP_COUNT(pixels), 1.0, 3);
    assert_int_equal(gp_vision_fwd(t.m, all, mu, sigma, pixels, B, &err), GOPRO_OK);
    for (size_t i = 0; i < B; i += 9) {
        assert_int_equal(gp_vision_fwd(t.m, one, mu1, sigma1, pixels + i * PX, 1, &err), GOPRO_OK);
        for (size_t j = 0; j < E; j++) assert_float_equal(one[j], all[i * E + j], 1e-5);
        for (size_t j = 0; j < S; j++) {
            assert_float_equal(mu1[j], mu[i * S + j], 1e-5);
            assert_float_equal(sigma1[j], sigma[i * S + j], 1e-5);
        }
    }
    tiny_free(&t);
}

static void expect(gopro_status got, gopro_status want, const gopro_error *err, const char *says)
{
    assert_int_equal(got, want);
    if (!strstr(err->msg, says)) fail_msg("message '%s' does not say '%s'", err->msg, says);
}

static void test_refusals(void **state)
{
    (void)state;
    tiny_model t;
    gopro_error err = {0};
    gp_clip_arch a = arch_make();
    tiny_make(&t, &a, 1, NULL, GP_F32, false, &err);
    if (!t.m) fail_msg("%s", err.msg);
    uint32_t ids[2][32];
    gp_prompt p[2] = {tiny_prompt(ids[0], 8, 2, &a, 1), tiny_prompt(ids[1], 5, 1, &a, 2)};
    gp_text_plan *plan = NULL;
    gp_real out[96], ctx[4 * 96] = {0};
    expect(gp_text_plan_create(&plan, t.m, p, 2, 4, GP_POS_END, &err), GOPRO_E_INVALID, &err, "class 1: prompt of 5 tokens");
    p[1] = tiny_prompt(ids[1], 15, 1, &a, 2);
    expect(gp_text_plan_create(&plan, t.m, p, 2, 4, GP_POS_END, &err), GOPRO_E_DATA, &err, "class 1: prompt of 15 tokens");
    p[1] = tiny_prompt(ids[1], 8, 3, &a, 2);
    expect(gp_text_plan_create(&plan, t.m, p, 2, 4, GP_POS_FRONT, &err), GOPRO_E_INVALID, &err, "class 1: name of 3 tokens");
    ids[1][3] = (uint32_t)a.vocab;
    expect(gp_text_plan_create(&plan, t.m, p, 2, 4, GP_POS_END, &err), GOPRO_E_INVALID, &err, "token 40 at position 3");
    ids[1][3] = 1;
    ids[1][0] = 1;
    expect(gp_text_plan_create(&plan, t.m, p, 2, 4, GP_POS_END, &err), GOPRO_E_INVALID, &err, "start token 38");
    expect(gp_text_plan_create(&plan, t.m, p, 0, 4, GP_POS_END, &err), GOPRO_E_INVALID, &err, "at least one class");
    assert_null(plan);
    assert_int_equal(gp_text_plan_create(&plan, t.m, p, 1, 4, GP_POS_END, &err), GOPRO_OK);
    assert_int_equal(gp_text_plan_rows(plan), 3);
    gp_pair bad[] = {{0, 0}, {1, 0}};
    expect(gp_text_fwd(t.m, plan, out, ctx, 1, bad, 2, NULL, NULL, &err), GOPRO_E_INVALID, &err, "prompt 1: context 1 of 1");
    expect(gp_text_fwd(t.m, plan, out, NULL, 1, bad, 1, NULL, NULL, &err), GOPRO_E_INVALID, &err, "need contexts");
    expect(gp_vision_train_bwd(t.m, NULL, NULL, NULL, &err), GOPRO_E_INVALID, &err, "trainable");
    gp_text_plan_free(&plan);
    tiny_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fast_equals_plain),      cmocka_unit_test(test_threads),
        cmocka_unit_test(test_gradients_on_demand),    cmocka_unit_test(test_pairs_are_independent),
        cmocka_unit_test(test_images_are_independent), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
