/* test_prompts.c - prompt slots of both towers in double: features equal the plain evaluation, gradients its central differences, for
 * depths 1, 3 and 9, one to four rows (METHODS 3.5, 6.5, 6.22).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "plain_vision.h"

enum { K = 4 };

static void close_to(const gp_real *got, const gp_real *want, size_t n, double tol, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= tol * (1 + fabs((double)want[i]))))
            fail_msg("%s %zu: %.15g, expected %.15g", what, i, (double)got[i], (double)want[i]);
}

/* Gradient g of `loss` in x [n] against central differences, relative to its largest entry. */
typedef double loss_fn(void *user);
static void check_gradient(loss_fn *loss, void *user, gp_real *x, const gp_real *g, size_t n, const char *what)
{
    double top = 0, off = 0;
    for (size_t i = 0; i < n; i++) {
        const double h = 1e-5, v = (double)x[i];
        x[i] = (gp_real)(v + h);
        const double up = loss(user);
        x[i] = (gp_real)(v - h);
        const double down = loss(user);
        x[i] = (gp_real)v;
        top = fmax(top, fabs((double)g[i]));
        off = fmax(off, fabs((up - down) / (2 * h) - (double)g[i]));
    }
    assert_true(n == 0 || top > 1e-4);
    if (!(off <= 1e-6 * top)) fail_msg("%s: relative error %g", what, off / top);
}

static double weighted(const gp_real *x, const gp_real *g, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++) s += (double)x[i] * (double)g[i];
    return s;
}

/* ---- text ---- */

typedef struct text_case {
    tiny_model t;
    uint32_t ids[K][24];
    gp_prompt prompt[K];
    gp_slot_rows deep;
    const gp_pair *pairs;
    size_t n;
    gp_real *contexts, *rows, *feat, *g;
} text_case;

static double text_loss(void *user)
{
    const text_case *x = user;
    const gp_clip_weights *w = x->t.w;
    const size_t D = w->arch.t.width, M = x->deep.n;
    gp_real *x0 = calloc(w->arch.context * D, sizeof *x0);
    for (size_t i = 0; i < x->n; i++) {
        const gp_prompt *p = &x->prompt[x->pairs[i].cls];
        gp_text_embed(x->t.m, x0, p->ids, p->n);
        memcpy(x0 + D, x->contexts + x->pairs[i].context * M * D, M * D * sizeof *x0);
        assert_int_equal(gp_text_plain_deep(x->t.m, x->feat + i * w->arch.embed, x0, p->n - 1, &x->deep, NULL), GOPRO_OK);
    }
    free(x0);
    return weighted(x->feat, x->g, x->n * w->arch.embed);
}

/* Prompts "start, M placeholders, `words` words that all share, name, end". */
static void text_prompts(text_case *x, size_t M, size_t words)
{
    static const size_t own[K] = {3, 2, 4, 2};
    for (size_t k = 0; k < K; k++) {
        x->prompt[k] = tiny_prompt(x->ids[k], 1 + M + words + own[k], 1, &x->t.w->arch, k);
        for (size_t i = 0; i < words; i++) x->ids[k][1 + M + i] = (uint32_t)(3 + i);
        x->ids[k][1 + M + words] = (uint32_t)(10 + k); /* here they part */
    }
}

static void check_text(size_t layers, size_t depth, size_t M, size_t words, size_t C, const gp_pair *pairs, size_t n)
{
    text_case x = {.pairs = pairs, .n = n};
    gopro_error err = {0};
    gp_clip_arch a = tiny_arch();
    a.t.layers = layers;
    tiny_make(&x.t, &a, 1, NULL, GP_F32, false, &err);
    if (!x.t.m) fail_msg("%s", err.msg);
    text_prompts(&x, M, words);
    gp_text_plan *plan = NULL;
    if (gp_text_plan_create(&plan, x.t.m, x.prompt, K, M, GP_POS_END, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(gp_text_plan_rows(plan), 11); /* the words are in the prefix */
    const size_t D = a.t.width, E = a.embed, levels = gp_min_size(depth, layers) - 1, n_ctx = C * M * D, n_deep = levels * M * D;
    gp_real *mem = calloc(2 * n_ctx + 2 * n_deep + 3 * n * E, sizeof *mem), *got, *dctx, *ddeep;
    x.contexts = mem, dctx = x.contexts + n_ctx, x.rows = dctx + n_ctx, ddeep = x.rows + n_deep;
    x.feat = ddeep + n_deep, x.g = x.feat + n * E, got = x.g + n * E;
    x.deep = (gp_slot_rows){.rows = x.rows, .n = M, .levels = levels};
    tiny_fill(x.contexts, n_ctx, 0.7, 3);
    tiny_fill(x.rows, n_deep, 0.7, 4);
    tiny_fill(x.g, n * E, 1.0, 5);
    gp_arena *arena = gp_arena_create(1 << 16);
    gp_text_save *save = NULL;
    text_loss(&x);
    assert_int_equal(gp_text_deep_fwd(x.t.m, plan, got, x.contexts, C, &x.deep, pairs, n, NULL, NULL, &err), GOPRO_OK);
    close_to(got, x.feat, n * E, 1e-12, "text feature without saving");
    assert_int_equal(gp_text_deep_fwd(x.t.m, plan, got, x.contexts, C, &x.deep, pairs, n, arena, &save, &err), GOPRO_OK);
    close_to(got, x.feat, n * E, 1e-12, "text feature");
    assert_int_equal(gp_text_deep_bwd(x.t.m, save, dctx, ddeep, x.g, &err), GOPRO_OK);
    const gp_real ctx0 = dctx[0], deep0 = n_deep ? ddeep[0] : 0; /* either gradient alone is the same, and added */
    assert_int_equal(gp_text_deep_bwd(x.t.m, save, dctx, NULL, x.g, &err), GOPRO_OK);
    assert_int_equal(gp_text_deep_bwd(x.t.m, save, NULL, ddeep, x.g, &err), GOPRO_OK);
    close_to(dctx, &(gp_real){2 * ctx0}, 1, 1e-12, "twice the gradient of contexts");
    if (n_deep) close_to(ddeep, &(gp_real){2 * deep0}, 1, 1e-12, "twice the gradient of deep prompts");
    for (size_t i = 0; i < n_ctx; i++) dctx[i] /= 2;
    for (size_t i = 0; i < n_deep; i++) ddeep[i] /= 2;
    check_gradient(text_loss, &x, x.contexts, dctx, n_ctx, "contexts");
    check_gradient(text_loss, &x, x.rows, ddeep, n_deep, "deep text prompts");
    gp_arena_free(&arena);
    gp_text_plan_free(&plan);
    free(mem);
    tiny_free(&x.t);
}

static const gp_pair all[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};
static const gp_pair two[] = {{1, 3}, {0, 1}, {1, 0}, {0, 1}, {1, 2}};

static void test_text(void **state)
{
    (void)state;
    static const size_t depth[] = {1, 3, 9};
    for (size_t j = 0; j < GP_COUNT(depth); j++)
        for (size_t M = 1; M <= 4; M++) check_text(3, depth[j], M, M % 3, 1, all, GP_COUNT(all));
    check_text(10, 9, 2, 2, 1, all, GP_COUNT(all));
    check_text(3, 3, 2, 2, 2, two, GP_COUNT(two)); /* two contexts, one set of deep prompts */
    check_text(1, 9, 2, 2, 1, all, GP_COUNT(all));
    check_text(2, 2, 2, 0, 1, all, GP_COUNT(all));
}

static void expect(gopro_status st, const gopro_error *err, const char *says)
{
    assert_int_equal(st, GOPRO_E_INVALID);
    if (!strstr(err->msg, says)) fail_msg("message '%s' does not say '%s'", err->msg, says);
}

static void test_refusals(void **state)
{
    (void)state;
    text_case x = {0};
    gopro_error err = {0};
    gp_clip_arch a = tiny_arch();
    gp_text_plan *end = NULL, *front = NULL;
    gp_real rows[4 * 24] = {0}, out[K * 10];
    static gp_real pixels[3 * 12 * 12];
    tiny_make(&x.t, &a, 1, NULL, GP_F32, false, &err);
    text_prompts(&x, 2, 0);
    assert_int_equal(gp_text_plan_create(&end, x.t.m, x.prompt, K, 2, GP_POS_END, &err), GOPRO_OK);
    assert_int_equal(gp_text_plan_create(&front, x.t.m, x.prompt, K, 2, GP_POS_FRONT, &err), GOPRO_OK);
    gp_slot_rows deep = {.rows = rows, .n = 2, .levels = 1};
    expect(gp_text_deep_fwd(x.t.m, front, out, rows, 1, &deep, all, K, NULL, NULL, &err), &err, "before the name");
    deep.n = 1;
    expect(gp_text_deep_fwd(x.t.m, end, out, rows, 1, &deep, all, K, NULL, NULL, &err), &err, "1 rows given");
    deep = (gp_slot_rows){.rows = rows, .n = 2, .levels = 3};
    expect(gp_text_deep_fwd(x.t.m, end, out, rows, 1, &deep, all, K, NULL, NULL, &err), &err, "the text tower has 2");
    gp_slot_rows image = {.rows = rows, .n = 1, .levels = 4};
    expect(gp_vision_prompt_fwd(x.t.m, &image, out, pixels, 1, NULL, NULL, &err), &err, "expected 1 to 3");
    image.levels = 0;
    expect(gp_vision_prompt_fwd(x.t.m, &image, out, pixels, 1, NULL, NULL, &err), &err, "for 0 blocks");
    gp_text_plan_free(&end);
    gp_text_plan_free(&front);
    tiny_free(&x.t);
}

/* ---- image ---- */

typedef struct image_case {
    tiny_model t;
    gp_slot_rows prompts;
    gp_real *rows, *pixels, *feat, *g;
    size_t B;
} image_case;

static double image_loss(void *user)
{
    const image_case *x = user;
    const gp_clip_arch *a = &x->t.w->arch;
    for (size_t i = 0; i < x->B; i++)
        plain_vision(x->t.w, &x->prompts, x->feat + i * a->embed, NULL, NULL, x->pixels + i * 3 * a->image * a->image);
    return weighted(x->feat, x->g, x->B * a->embed);
}

static void check_image(const gp_clip_arch *a, size_t depth, size_t n, size_t B)
{
    image_case x = {.B = B};
    gopro_error err = {0};
    tiny_make(&x.t, a, 1, NULL, GP_F32, false, &err);
    if (!x.t.m) fail_msg("%s", err.msg);
    const size_t levels = gp_min_size(depth, a->v.layers), D = a->v.width, E = a->embed, px = 3 * a->image * a->image;
    const size_t n_rows = levels * n * D;
    gp_real *mem = calloc(2 * n_rows + B * px + 3 * B * E, sizeof *mem), *drows, *got;
    x.rows = mem, drows = x.rows + n_rows, x.pixels = drows + n_rows, x.feat = x.pixels + B * px, x.g = x.feat + B * E;
    got = x.g + B * E;
    x.prompts = (gp_slot_rows){.rows = x.rows, .n = n, .levels = levels};
    tiny_fill(x.rows, n_rows, 0.5, 6);
    tiny_fill(x.pixels, B * px, 1.0, 7);
    tiny_fill(x.g, B * E, 1.0, 8);
    gp_arena *arena = gp_arena_create(1 << 16);
    gp_vision_prompt_save *save = NULL;
    image_loss(&x);
    assert_int_equal(gp_vision_prompt_fwd(x.t.m, &x.prompts, got, x.pixels, B, NULL, NULL, &err), GOPRO_OK);
    close_to(got, x.feat, B * E, 1e-11, "image feature without saving");
    if (gp_vision_prompt_fwd(x.t.m, &x.prompts, got, x.pixels, B, arena, &save, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    close_to(got, x.feat, B * E, 1e-11, "image feature");
    assert_int_equal(gp_vision_prompt_bwd(x.t.m, save, drows, x.g, &err), GOPRO_OK);
    check_gradient(image_loss, &x, x.rows, drows, n_rows, "image prompts");
    if (n_rows) { /* backward adds */
        const gp_real before = drows[0];
        assert_int_equal(gp_vision_prompt_bwd(x.t.m, save, drows, x.g, &err), GOPRO_OK);
        assert_true(fabs((double)drows[0] - 2 * (double)before) <= 1e-12 * fabs((double)before));
    }
    gp_arena_free(&arena);
    free(mem);
    tiny_free(&x.t);
}

static void test_image(void **state)
{
    (void)state;
    static const size_t depth[] = {1, 3, 9};
    gp_clip_arch a = tiny_arch();
    for (size_t j = 0; j < GP_COUNT(depth); j++)
        for (size_t n = 1; n <= 4; n++) check_image(&a, depth[j], n, 1 + n % 3);
    a.v.layers = 1;
    a.v.act = GP_ACT_GELU;
    check_image(&a, 9, 2, 2);
    a.no_ln_pre = true;
    check_image(&a, 9, 2, 2);
    a = tiny_arch();
    a.v = (gp_tower_arch){.width = 8, .layers = 10, .heads = 2, .hidden = 12, .act = GP_ACT_QUICKGELU, .eps = 1e-5};
    check_image(&a, 9, 2, 3);
}

/* Rows enough that an image's attention is cut into pieces, and that the rows of a batch are. */
static void test_many_tokens(void **state)
{
    (void)state;
    gp_clip_arch a = tiny_arch();
    a.image = 24;
    a.patch = 2;
    a.v = (gp_tower_arch){.width = 8, .layers = 2, .heads = 2, .hidden = 12, .act = GP_ACT_QUICKGELU, .eps = 1e-5};
    check_image(&a, 2, 2, 1);
    check_image(&a, 1, 1, 4);
}

/* METHODS 6.22: without prompt rows it is CLIP's tower, to the byte. */
static void test_no_prompts(void **state)
{
    (void)state;
    tiny_model t;
    gopro_error err = {0};
    gp_clip_arch a = tiny_arch();
    static gp_real pixels[3 * 3 * 12 * 12], clip[3 * 10], none[3 * 10], kept[3 * 10];
    tiny_make(&t, &a, 1, NULL, GP_F32, false, &err);
    tiny_fill(pixels, GP_COUNT(pixels), 1.0, 7);
    gp_arena *arena = gp_arena_create(1 << 16);
    gp_vision_prompt_save *save = NULL;
    assert_int_equal(gp_vision_fwd(t.m, clip, NULL, NULL, pixels, 3, &err), GOPRO_OK);
    assert_int_equal(gp_vision_prompt_fwd(t.m, &(gp_slot_rows){0}, none, pixels, 3, NULL, NULL, &err), GOPRO_OK);
    assert_int_equal(gp_vision_prompt_fwd(t.m, &(gp_slot_rows){0}, kept, pixels, 3, arena, &save, &err), GOPRO_OK);
    assert_memory_equal(none, clip, sizeof clip);
    assert_memory_equal(kept, clip, sizeof clip);
    assert_int_equal(gp_vision_prompt_bwd(t.m, save, NULL, kept, &err), GOPRO_OK);
    gp_arena_free(&arena);
    tiny_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_image),
        cmocka_unit_test(test_many_tokens), cmocka_unit_test(test_no_prompts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
