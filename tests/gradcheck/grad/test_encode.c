/* test_encode.c - both towers as operations of the tape, with and without deep prompts, against central differences.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gradtest.h"
#include "tiny_model.h"

enum { K = 3, M = 2, B = 2 };

typedef struct fixture {
    tiny_model t;
    gp_text_plan *plan;
    uint32_t ids[K][16];
    gp_real pixels[B * 3 * 12 * 12];
    gp_arena *a;
    gp_rng r;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    gp_prompt prompt[K];
    gp_clip_arch a = tiny_arch();
    assert_non_null(f);
    tiny_make(&f->t, &a, 1, NULL, GP_F32, false, NULL);
    assert_non_null(f->t.m);
    for (size_t k = 0; k < K; k++) prompt[k] = tiny_prompt(f->ids[k], M + 3 + k, 1, &a, k);
    assert_int_equal(gp_text_plan_create(&f->plan, f->t.m, prompt, K, M, GP_POS_END, NULL), GOPRO_OK);
    tiny_fill(f->pixels, GP_COUNT(f->pixels), 1.0, 7);
    f->a = gp_arena_create(1 << 16);
    f->r = gp_rng_make(1, GP_RNG_TEST, 0, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    gp_text_plan_free(&f->plan);
    tiny_free(&f->t);
    gp_arena_free(&f->a);
    free(f);
    return 0;
}

static gp_var text(gp_tape *t, const gp_var *in, void *user)
{
    static const gp_pair pair[] = {{1, 0}, {0, 1}, {1, 2}, {0, 0}};
    const fixture *f = user;
    return gp_text_encode(t, f->t.m, f->plan, in[0], 2, pair, GP_COUNT(pair));
}

static gp_var text_deep(gp_tape *t, const gp_var *in, void *user)
{
    static const gp_pair pair[] = {{0, 0}, {0, 1}, {0, 2}};
    const fixture *f = user;
    return gp_text_encode_deep(t, f->t.m, f->plan, in[0], in[1], 1, pair, GP_COUNT(pair));
}

static gp_var image(gp_tape *t, const gp_var *in, void *user)
{
    const fixture *f = user;
    return gp_image_encode(t, f->t.m, in[0], 2, f->pixels, B);
}

static void check(fixture *f, gt_fn *fn, const gp_var *in, size_t n)
{
    const double e = gt_error(f->t.c, fn, f, in, n);
    if (!(e < GT_TOL)) fail_msg("relative error %g", e);
    for (size_t i = 0; i < n; i++) assert_true(!in[i].g || *in[i].reached);
}

static void test_text(void **state)
{
    fixture *f = *state;
    const gp_var in[] = {gt_input(f->a, &f->r, 2 * M, 16)};
    check(f, text, in, 1);
}

static void test_text_deep(void **state)
{
    fixture *f = *state;
    const gp_var in[] = {gt_input(f->a, &f->r, M, 16), gt_input(f->a, &f->r, 2 * M, 16)};
    check(f, text_deep, in, 2);
    for (size_t i = 0; i < 2; i++) { /* one of them constant */
        gp_var some[] = {in[0], in[1]};
        some[i] = gp_detach(in[i]);
        check(f, text_deep, some, 2);
    }
}

static void test_image(void **state)
{
    fixture *f = *state;
    const gp_var in[] = {gt_input(f->a, &f->r, 2 * 3, 24)};
    check(f, image, in, 1);
}

/* Nothing to learn: no record, no gradient, CLIP's own features. */
static void test_image_without_prompts(void **state)
{
    fixture *f = *state;
    gp_tape *t = NULL;
    gp_real clip[B * 10];
    assert_int_equal(gp_tape_create(&t, f->t.c, NULL), GOPRO_OK);
    const gp_var y = gp_image_encode(t, f->t.m, (gp_var){0}, 0, f->pixels, B);
    assert_int_equal(gp_vision_fwd(f->t.m, clip, NULL, NULL, f->pixels, B, NULL), GOPRO_OK);
    assert_null(y.g);
    assert_memory_equal(y.v, clip, sizeof clip);
    gp_tape_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_deep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_image, setup, teardown),
        cmocka_unit_test_setup_teardown(test_image_without_prompts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
