/* test_ssl.c - SLIP's self-supervised term in double: every weight of the head and of the image tower against central differences.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "methods/ssl.h"
#include "tiny_model.h"

enum { B = 4, HIDDEN = 6, PER_TENSOR = 16 };

typedef struct ssl_case {
    tiny_model t;
    gp_clip_weights *dw;
    gp_params *head;
    gp_tape *tape;
    gp_real *pixels;
    size_t touched;
} ssl_case;

static gopro_status zero(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    (void)user, (void)name, (void)err;
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    memset(data, 0, n * sizeof *data);
    return GOPRO_OK;
}

static double run(ssl_case *x, gp_clip_weights *dw)
{
    gopro_error err = {0};
    gp_ssl l = {.tau = (gp_real)0.3, .scale = (gp_real)0.7};
    if (gp_ssl_run(&l, x->tape, x->t.m, x->head, x->pixels, B, dw, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    return 0.7 * l.loss;
}

static void check_numbers(ssl_case *x, const char *name, gp_real *data, const gp_real *grad, size_t n, gp_clip_weights *spare)
{
    double top = 0, off = 0;
    gp_rng r = gp_rng_make(4, GP_RNG_TEST, gp_hash_str(name), 0);
    for (size_t i = 0; i < n; i++) top = fmax(top, fabs((double)grad[i]));
    for (size_t j = 0; j < PER_TENSOR && j < n; j++) {
        const size_t i = n <= PER_TENSOR ? j : gp_rng_below(&r, (uint32_t)n);
        const double v = (double)data[i], h = 1e-5;
        data[i] = (gp_real)(v + h);
        const double up = run(x, spare);
        data[i] = (gp_real)(v - h);
        const double down = run(x, spare);
        data[i] = (gp_real)v;
        off = fmax(off, fabs((up - down) / (2 * h) - (double)grad[i]));
    }
    x->touched += top > 0;
    if (!(off <= 1e-6 * fmax(top, 1e-3))) fail_msg("%s: off by %g of %g", name, off, top);
}

typedef struct pairing {
    ssl_case *x;
    const char *name;
    gp_real *grad;
    gp_clip_weights *spare;
} pairing;

static gopro_status find(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    (void)shape, (void)rank, (void)err;
    pairing *p = user;
    if (strcmp(p->name, name) == 0) p->grad = data;
    return GOPRO_OK;
}

static gopro_status check_tensor(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    pairing *p = user;
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    p->name = name;
    gp_clip_visit(p->x->dw, find, p, err);
    check_numbers(p->x, name, data, p->grad, n, p->spare);
    return GOPRO_OK;
}

static void test_gradients(void **state)
{
    ssl_case x = {0};
    gopro_error err = {0};
    gp_clip_weights *spare = NULL;
    gp_clip_arch arch = tiny_arch();
    (void)state;
    arch.v.layers = 2;
    tiny_make(&x.t, &arch, 2, NULL, GP_F32, true, &err);
    if (!x.t.m) fail_msg("%s", err.msg);
    assert_int_equal(gp_clip_init(&x.dw, &arch, 1, &err), GOPRO_OK);
    assert_int_equal(gp_clip_init(&spare, &arch, 1, &err), GOPRO_OK);
    gp_clip_visit(x.dw, zero, NULL, &err);
    assert_non_null(x.head = gp_params_create());
    assert_int_equal(gp_ssl_declare(x.head, arch.v.width, HIDDEN, &err), GOPRO_OK);
    assert_int_equal(gp_params_finish(x.head, 3, &err), GOPRO_OK);
    assert_int_equal(gp_tape_create(&x.tape, x.t.c, &err), GOPRO_OK);
    const size_t pixels = (size_t)2 * B * 3 * arch.image * arch.image;
    x.pixels = calloc(pixels, sizeof *x.pixels);
    tiny_fill(x.pixels, pixels, 1.0, 1);
    gp_params_zero_grad(x.head);
    run(&x, x.dw);
    /* the head's gradients are kept: later runs go on adding to the parameters' own */
    size_t trained = 0;
    for (size_t i = 0; i < gp_params_count(x.head); i++) trained += !gp_params_info(x.head, i)->state;
    gp_real *grad[32] = {0};
    assert_true(gp_params_count(x.head) <= 32);
    for (size_t i = 0; i < gp_params_count(x.head); i++) {
        const gp_var p = gp_param_at(x.head, i);
        if (!p.g) continue;
        grad[i] = malloc(p.rows * p.cols * sizeof *p.g);
        memcpy(grad[i], p.g, p.rows * p.cols * sizeof *p.g);
    }
    for (size_t i = 0; i < gp_params_count(x.head); i++) {
        const gp_var p = gp_param_at(x.head, i);
        if (p.g) check_numbers(&x, gp_params_info(x.head, i)->name, p.v, grad[i], p.rows * p.cols, spare);
        free(grad[i]);
    }
    /* a bias before batch normalisation has no effect but rounding */
    assert_true(x.touched >= trained - 2 && trained == 10);
    x.touched = 0;
    pairing p = {.x = &x, .spare = spare};
    if (gp_clip_visit(x.t.w, check_tensor, &p, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(x.touched, 2 * 16 + 7); /* the image tower without its projection; nothing of the text tower */
    gp_clip_free(&x.dw);
    gp_clip_free(&spare);
    gp_params_free(&x.head);
    gp_tape_free(&x.tape);
    free(x.pixels);
    tiny_free(&x.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
