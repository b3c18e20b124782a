/* test_kernels.c - the backward reference kernels against central differences of the forward ones, in double.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"
#include "kerntest.h"

#define STEP 1e-6
#define TOL  1e-6

/* A scalar function of everything the problem holds, to be differentiated by one of its inputs. */
typedef double loss_fn(void *arg);

/* The largest |grad - difference| relative to the largest gradient, over all elements of x. */
static double gradient_error(loss_fn *loss, void *arg, kt_vec *x, const gp_real *grad)
{
    double worst = 0.0, scale = 1e-3;
    for (size_t i = 0; i < x->n; i++) scale = fmax(scale, fabs((double)grad[i]));
    for (size_t i = 0; i < x->n; i++) {
        const gp_real keep = x->p[i];
        x->p[i] = keep + (gp_real)STEP;
        const double up = loss(arg);
        x->p[i] = keep - (gp_real)STEP;
        const double down = loss(arg);
        x->p[i] = keep;
        worst = fmax(worst, fabs((up - down) / (2 * STEP) - (double)grad[i]));
    }
    return worst / scale;
}

typedef struct norm {
    size_t rows, cols;
    kt_vec x, g, b, dy, y, mean, rstd, dx, dg, db;
} norm;

static double norm_loss(void *arg)
{
    norm *t = arg;
    gp_kernels_ref.layernorm_fwd(t->y.p, t->mean.p, t->rstd.p, t->x.p, t->g.p, t->b.p, (gp_real)1e-5, t->rows, t->cols);
    return gp_kernels_ref.dot(t->y.p, t->dy.p, t->y.n);
}

static void norm_make(norm *t, size_t rows, size_t cols)
{
    gp_rng r = gp_rng_make(1, GP_RNG_TEST, rows, cols);
    *t = (norm){.rows = rows, .cols = cols};
    t->x = kt_make(&r, rows * cols, 0, 1.0);
    t->g = kt_make(&r, cols, 0, 1.0);
    t->b = kt_make(&r, cols, 0, 1.0);
    t->dy = kt_make(&r, rows * cols, 0, 1.0);
    t->y = kt_make(&r, rows * cols, 0, 0.0);
    t->mean = kt_make(&r, rows, 0, 0.0);
    t->rstd = kt_make(&r, rows, 0, 0.0);
    t->dx = kt_make(&r, rows * cols, 0, 0.0);
    t->dg = kt_make(&r, cols, 0, 0.0);
    t->db = kt_make(&r, cols, 0, 0.0);
    norm_loss(t);
    gp_kernels_ref.layernorm_bwd(t->dx.p, t->dg.p, t->db.p, t->dy.p, t->x.p, t->g.p, t->mean.p, t->rstd.p, rows, cols);
}

static void norm_free(norm *t)
{
    kt_vec *all[] = {&t->x, &t->g, &t->b, &t->dy, &t->y, &t->mean, &t->rstd, &t->dx, &t->dg, &t->db};
    for (size_t i = 0; i < GP_COUNT(all); i++) kt_free(all[i]);
}

static void layernorm(void **state)
{
    (void)state;
    for (size_t cols = 2; cols <= 33; cols += 7) {
        norm t;
        norm_make(&t, 3, cols);
        assert_true(gradient_error(norm_loss, &t, &t.x, t.dx.p) < TOL);
        assert_true(gradient_error(norm_loss, &t, &t.g, t.dg.p) < TOL);
        assert_true(gradient_error(norm_loss, &t, &t.b, t.db.p) < TOL);
        norm_free(&t);
    }
}

/* The harness must catch a wrong gradient: one element off by a hundredth, and a factor of two. */
static void wrong_gradients_are_caught(void **state)
{
    (void)state;
    norm t;
    norm_make(&t, 2, 9);
    t.dx.p[5] *= (gp_real)1.01;
    assert_true(gradient_error(norm_loss, &t, &t.x, t.dx.p) > TOL);
    for (size_t i = 0; i < t.dg.n; i++) t.dg.p[i] *= 2;
    assert_true(gradient_error(norm_loss, &t, &t.g, t.dg.p) > 0.1);
    norm_free(&t);
}

typedef struct act {
    int kind;
    kt_vec x, dy, y, dx;
} act;

static double act_loss(void *arg)
{
    act *t = arg;
    gp_kernels_ref.act_fwd[t->kind](t->y.p, t->x.p, t->x.n);
    return gp_kernels_ref.dot(t->y.p, t->dy.p, t->y.n);
}

static void activations(void **state)
{
    (void)state;
    for (int kind = 0; kind < GP_N_ACT; kind++) {
        gp_rng r = gp_rng_make(2, GP_RNG_TEST, 0, 0);
        act t = {kind, kt_make(&r, 200, 0, 2.0), kt_make(&r, 200, 0, 1.0), kt_make(&r, 200, 0, 0.0), kt_make(&r, 200, 0, 0.0)};
        gp_kernels_ref.act_bwd[kind](t.dx.p, t.dy.p, t.x.p, 200);
        assert_true(gradient_error(act_loss, &t, &t.x, t.dx.p) < TOL);
        kt_free(&t.x);
        kt_free(&t.dy);
        kt_free(&t.y);
        kt_free(&t.dx);
    }
}

/* Three segments: full queries, fewer queries than keys, and one query; two of them share prefix rows. */
static const gp_seg segs[] = {{0, 4, 0, 4, 0, 3}, {4, 2, 4, 5, 1, 2}, {6, 1, 9, 3, 0, 0}};
enum { Q_ROWS = 7, KV_ROWS = 12, PRE_ROWS = 3, WIDTH = 6, HEADS = 2, LD = 7 };

typedef struct attn {
    kt_vec q, k, v, pk, pv, o, dout, dq, dk, dv, dpk, dpv, scratch;
    gp_attn a;
} attn;

static double attn_loss(void *arg)
{
    attn *t = arg;
    gp_kernels_ref.attention_fwd(&t->a, t->scratch.p);
    return gp_kernels_ref.dot(t->o.p, t->dout.p, t->o.n);
}

static void attention(void **state)
{
    (void)state;
    for (int causal = 0; causal < 2; causal++) {
        gp_rng r = gp_rng_make(3, GP_RNG_TEST, 0, 0);
        attn t;
        kt_vec *const in[] = {&t.q, &t.k, &t.v, &t.pk, &t.pv, &t.dout};
        kt_vec *const zero[] = {&t.dq, &t.dk, &t.dv, &t.dpk, &t.dpv, &t.o};
        const size_t rows[] = {Q_ROWS, KV_ROWS, KV_ROWS, PRE_ROWS, PRE_ROWS, Q_ROWS};
        for (size_t i = 0; i < GP_COUNT(in); i++) {
            *in[i] = kt_make(&r, rows[i] * LD, 0, 1.0);
            *zero[i] = kt_make(&r, rows[i] * LD, 0, 0.0);
        }
        t.scratch = kt_make(&r, gp_attn_scratch(WIDTH, HEADS, 8, 4), 0, 0.0);
        t.a = (gp_attn){.width = WIDTH,
                        .heads = HEADS,
                        .causal = causal != 0,
                        .seg = segs,
                        .n_seg = GP_COUNT(segs),
                        .q = t.q.p,
                        .ldq = LD,
                        .k = t.k.p,
                        .v = t.v.p,
                        .ldkv = LD,
                        .pk = t.pk.p,
                        .pv = t.pv.p,
                        .ldp = LD,
                        .o = t.o.p,
                        .ldo = LD};
        const gp_attn_grad g = {.dout = t.dout.p,
                                .lddo = LD,
                                .dq = t.dq.p,
                                .lddq = LD,
                                .dk = t.dk.p,
                                .dv = t.dv.p,
                                .lddkv = LD,
                                .dpk = t.dpk.p,
                                .dpv = t.dpv.p,
                                .lddp = LD};
        gp_kernels_ref.attention_bwd(&t.a, &g, t.scratch.p);
        for (size_t i = 0; i < 5; i++) {
            const double e = gradient_error(attn_loss, &t, in[i], zero[i]->p);
            if (!(e < TOL)) fail_msg("input %zu, causal %d: error %.3g", i, causal, e);
        }
        kt_free(&t.scratch);
        for (size_t i = 0; i < GP_COUNT(in); i++) {
            kt_free(in[i]);
            kt_free(zero[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_gradients_are_caught),
        cmocka_unit_test(layernorm),
        cmocka_unit_test(activations),
        cmocka_unit_test(attention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
