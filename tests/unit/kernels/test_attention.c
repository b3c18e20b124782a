/* test_attention.c - ragged attention of every table against the reference, forward and backward.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/bf16.h"
#include "kernels/kernels.h"
#include "kerntest.h"

static const char *const wishes[] = {"ref", "avx2", "avx512", "avx512_bf16"};

enum { MAX_SEG = 64 };

/* Segments over one set of matrices; queries and own rows are numbered one after the other, prefixes may be shared. */
typedef struct layout {
    gp_seg seg[MAX_SEG];
    size_t n_seg, q_rows, kv_rows, pre_rows, max_keys, max_q;
} layout;

static void layout_add(layout *l, size_t nq, size_t n, size_t pre, size_t n_pre)
{
    l->seg[l->n_seg++] = (gp_seg){.q = (uint32_t)l->q_rows,
                                  .nq = (uint32_t)nq,
                                  .kv = (uint32_t)l->kv_rows,
                                  .n = (uint32_t)n,
                                  .pre = (uint32_t)pre,
                                  .n_pre = (uint32_t)n_pre};
    l->q_rows += nq;
    l->kv_rows += n;
    l->max_keys = n + n_pre > l->max_keys ? n + n_pre : l->max_keys;
    l->max_q = nq > l->max_q ? nq : l->max_q;
}

typedef struct problem {
    kt_vec q, k, v, pk, pv, o, lse, dout, dq, dk, dv, dpk, dpv, scratch;
    gp_attn a;
    gp_attn_grad g;
} problem;

#define LD_EXTRA 3 /* rows are further apart than they are wide */

static void problem_make(problem *p, const layout *l, size_t width, size_t heads, bool causal, size_t shift, uint64_t seed)
{
    gp_rng r = gp_rng_make(seed, GP_RNG_TEST, width, heads);
    const size_t ld = width + LD_EXTRA;
    kt_vec *in[] = {&p->q, &p->k, &p->v, &p->pk, &p->pv, &p->dout, &p->dq, &p->dk, &p->dv, &p->dpk, &p->dpv};
    const size_t rows[] = {l->q_rows, l->kv_rows, l->kv_rows, l->pre_rows, l->pre_rows, l->q_rows,
                           l->q_rows, l->kv_rows, l->kv_rows, l->pre_rows, l->pre_rows};
    for (size_t i = 0; i < GP_COUNT(in); i++) *in[i] = kt_make(&r, rows[i] * ld, shift, 1.0);
    p->o = kt_make(&r, l->q_rows * ld, shift, 1.0);
    p->lse = kt_make(&r, l->q_rows * heads, shift, 1.0);
    p->scratch = kt_make(&r, gp_attn_scratch(width, heads, l->max_keys, l->max_q), 0, 1.0);
    p->a = (gp_attn){.width = width,
                     .heads = heads,
                     .causal = causal,
                     .seg = l->seg,
                     .n_seg = l->n_seg,
                     .q = p->q.p,
                     .ldq = ld,
                     .k = p->k.p,
                     .v = p->v.p,
                     .ldkv = ld,
                     .o = p->o.p,
                     .ldo = ld,
                     .lse = p->lse.p};
    p->g = (gp_attn_grad){.dout = p->dout.p, .lddo = ld, .dq = p->dq.p, .lddq = ld, .dk = p->dk.p, .dv = p->dv.p, .lddkv = ld};
    if (l->pre_rows) {
        p->a.pk = p->pk.p;
        p->a.pv = p->pv.p;
        p->a.ldp = ld;
        p->g.dpk = p->dpk.p;
        p->g.dpv = p->dpv.p;
        p->g.lddp = ld;
    }
}

static void problem_free(problem *p)
{
    kt_vec *all[] = {&p->q, &p->k, &p->v, &p->pk, &p->pv, &p->o, &p->lse, &p->dout, &p->dq, &p->dk, &p->dv, &p->dpk, &p->dpv, &p->scratch};
    for (size_t i = 0; i < GP_COUNT(all); i++) kt_free(all[i]);
}

/* All of each output, so that the gaps between the heads' columns and between the rows are seen to be untouched. */
static void compare(const layout *l, size_t width, size_t heads, bool causal, size_t shift)
{
    problem want, p;
    problem_make(&want, l, width, heads, causal, 0, 77);
    gp_kernels_ref.attention_fwd(&want.a, want.scratch.p);
    gp_kernels_ref.attention_bwd(&want.a, &want.g, want.scratch.p);
    for (size_t w = 1; w < GP_COUNT(wishes); w++) {
        const gp_kernels *k = gp_kernels_select(wishes[w]);
        problem_make(&p, l, width, heads, causal, shift, 77);
        k->attention_fwd(&p.a, p.scratch.p);
        k->attention_bwd(&p.a, &p.g, p.scratch.p);
        kt_vec *got[] = {&p.o, &p.lse, &p.dq, &p.dk, &p.dv, &p.dpk, &p.dpv};
        kt_vec *ref[] = {&want.o, &want.lse, &want.dq, &want.dk, &want.dv, &want.dpk, &want.dpv};
        for (size_t i = 0; i < GP_COUNT(got); i++) {
            const double e = kt_error(got[i]->p, ref[i]->p, got[i]->n, i < 3 ? 1.0 : sqrt((double)l->q_rows));
            if (!(e <= 2e-5)) fail_msg("%s: output %zu, error %.3g (width %zu, heads %zu)", k->name, i, e, width, heads);
        }
        problem_free(&p);
    }
    problem_free(&want);
}

/* v rounded to bf16, in both forms. */
static uint16_t *half_of(kt_vec *v)
{
    uint16_t *h = malloc((v->n + 1) * sizeof *h);
    assert_non_null(h);
    for (size_t i = 0; i < v->n; i++) {
        h[i] = gp_bf16_from((float)v->p[i]);
        v->p[i] = (gp_real)gp_bf16_to(h[i]);
    }
    return h;
}

/* Every table on bf16 operands against the reference on the same numbers as reals: the output within what rounding it and the
 * probabilities may change, log-sums and gradients as close as those of reals. */
static void compare_half(const layout *l, size_t width, size_t heads, bool causal)
{
    for (size_t w = 0; w < GP_COUNT(wishes); w++) {
        const gp_kernels *k = gp_kernels_select(wishes[w]);
        problem want, p;
        problem_make(&want, l, width, heads, causal, 0, 78);
        problem_make(&p, l, width, heads, causal, 0, 78);
        kt_vec *in[] = {&p.q, &p.k, &p.v, &p.pk, &p.pv, &p.o}, *same[] = {&want.q, &want.k, &want.v, &want.pk, &want.pv};
        uint16_t *h[GP_COUNT(in)];
        for (size_t i = 0; i < GP_COUNT(in); i++) h[i] = half_of(in[i]);
        for (size_t i = 0; i < GP_COUNT(same); i++) free(half_of(same[i]));
        kt_vec before = kt_copy(&p.o, 0);
        p.a.hq = h[0];
        p.a.hk = h[1];
        p.a.hv = h[2];
        p.a.hpk = h[3];
        p.a.hpv = h[4];
        p.a.ho = h[5];
        p.a.q = p.a.k = p.a.v = p.a.pk = p.a.pv = p.a.o = NULL;
        memcpy(want.o.p, p.o.p, p.o.n * sizeof *p.o.p); /* the gaps */
        gp_kernels_ref.attention_fwd(&want.a, want.scratch.p);
        gp_kernels_ref.attention_bwd(&want.a, &want.g, want.scratch.p);
        k->attention_fwd_half(&p.a, p.scratch.p);
        k->attention_bwd_half(&p.a, &p.g, p.scratch.p);
        for (size_t i = 0; i < p.o.n; i++) p.o.p[i] = (gp_real)gp_bf16_to(h[5][i]);
        const double e = kt_error(p.o.p, want.o.p, p.o.n, 1.0);
        if (!(e <= 8e-3)) fail_msg("%s: output of bf16, error %.3g (width %zu, heads %zu)", k->name, e, width, heads);
        for (size_t i = 0; i < p.o.n; i++)
            if (i % p.a.ldo >= width) assert_true(p.o.p[i] == before.p[i]);
        kt_vec *got[] = {&p.lse, &p.dq, &p.dk, &p.dv, &p.dpk, &p.dpv},
               *ref[] = {&want.lse, &want.dq, &want.dk, &want.dv, &want.dpk, &want.dpv};
        for (size_t i = 0; i < GP_COUNT(got); i++) {
            const double d = kt_error(got[i]->p, ref[i]->p, got[i]->n, i == 0 ? 1.0 : sqrt((double)l->q_rows));
            if (!(d <= 2e-5)) fail_msg("%s: output %zu of bf16, error %.3g (width %zu, heads %zu)", k->name, i, d, width, heads);
        }
        for (size_t i = 0; i < GP_COUNT(in); i++) free(h[i]);
        kt_free(&before);
        problem_free(&p);
        problem_free(&want);
    }
}

static void in_bf16(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 40; n++) {
        layout l = {.pre_rows = n % 3 == 0 ? 9 : 0};
        layout_add(&l, n, n, 0, l.pre_rows);
        layout_add(&l, 1, n, l.pre_rows ? 2 : 0, l.pre_rows ? 5 : 0);
        compare_half(&l, 2 * (1 + n % 35), 2, n % 2 == 0); /* heads of odd width too */
        compare_half(&l, 3 * 8 * (1 + n % 3), 3, n % 2 == 1);
    }
    layout image = {0}, text = {.pre_rows = 5};
    for (int i = 0; i < 2; i++) layout_add(&image, 197, 197, 0, 0);
    compare_half(&image, 128, 2, false);
    for (size_t i = 0; i < 30; i++) layout_add(&text, 1 + i % 9, 1 + i % 9, 0, 5);
    compare_half(&text, 512, 8, true);
}

static void square(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 67; n++) {
        layout l = {0};
        layout_add(&l, n, n, 0, 0);
        layout_add(&l, n, n, 0, 0);
        compare(&l, 2 * (1 + n % 35), 2, n % 3 == 0, n % 2);
    }
}

static void real_shapes(void **state)
{
    (void)state;
    layout l = {0};
    layout_add(&l, 197, 197, 0, 0);
    compare(&l, 128, 2, false, 0);
    layout tiny = {0};
    for (int i = 0; i < 4; i++) layout_add(&tiny, 65, 65, 0, 0);
    compare(&tiny, 128, 4, false, 1);
    layout text = {0};
    layout_add(&text, 77, 77, 0, 0);
    compare(&text, 128, 2, true, 0);
}

static void ragged(void **state)
{
    (void)state;
    gp_rng r = gp_rng_make(5, GP_RNG_TEST, 0, 0);
    for (int trial = 0; trial < 60; trial++) {
        layout l = {.pre_rows = trial % 4 == 0 ? 0 : 12};
        const size_t n_seg = 1 + gp_rng_below(&r, 20), heads = 1 + gp_rng_below(&r, 3);
        for (size_t i = 0; i < n_seg; i++) {
            const size_t n = 1 + gp_rng_below(&r, 12), nq = gp_rng_chance(&r, 0.3) ? 1 : 1 + gp_rng_below(&r, (uint32_t)n);
            const size_t n_pre = l.pre_rows ? gp_rng_below(&r, 9) : 0, pre = gp_rng_below(&r, 4);
            layout_add(&l, nq, n, pre, n_pre);
        }
        compare(&l, heads * (1 + gp_rng_below(&r, 70)), heads, trial % 2 == 0, (size_t)trial % 2);
    }
}

/* NULL for the prefix' gradients and for lse: the rest must come out the same. */
static void optional_outputs(void **state)
{
    (void)state;
    for (size_t w = 0; w < GP_COUNT(wishes); w++) {
        const gp_kernels *k = gp_kernels_select(wishes[w]);
        layout l = {.pre_rows = 5};
        layout_add(&l, 4, 6, 0, 5);
        layout_add(&l, 3, 3, 0, 5);
        problem full, less;
        problem_make(&full, &l, 32, 2, true, 0, 3);
        problem_make(&less, &l, 32, 2, true, 0, 3);
        kt_vec untouched = kt_copy(&less.dpk, 0);
        less.a.lse = NULL;
        less.g.dpk = less.g.dpv = NULL;
        k->attention_fwd(&full.a, full.scratch.p);
        k->attention_fwd(&less.a, less.scratch.p);
        k->attention_bwd(&full.a, &full.g, full.scratch.p);
        k->attention_bwd(&less.a, &less.g, less.scratch.p);
        assert_memory_equal(full.o.p, less.o.p, full.o.n * sizeof(gp_real));
        assert_memory_equal(full.dq.p, less.dq.p, full.dq.n * sizeof(gp_real));
        assert_memory_equal(full.dk.p, less.dk.p, full.dk.n * sizeof(gp_real));
        assert_memory_equal(less.dpk.p, untouched.p, untouched.n * sizeof(gp_real));
        assert_true(kt_error(full.dpk.p, untouched.p, untouched.n, 1.0) > 1e-3);
        kt_free(&untouched);
        problem_free(&full);
        problem_free(&less);
    }
}

/* Against the formula itself: rows of probabilities sum to one, so constant values come out as they are, whatever the scores; large
 * scores must not overflow; a causal query must not see what comes later. */
static void properties(void **state)
{
    (void)state;
    for (size_t w = 0; w < GP_COUNT(wishes); w++) {
        const gp_kernels *k = gp_kernels_select(wishes[w]);
        layout l = {0};
        layout_add(&l, 9, 9, 0, 0);
        problem p;
        problem_make(&p, &l, 16, 1, true, 0, 4);
        for (size_t i = 0; i < p.q.n; i++) p.q.p[i] *= 300;
        for (size_t i = 0; i < p.v.n; i++) p.v.p[i] = (gp_real)2.5;
        k->attention_fwd(&p.a, p.scratch.p);
        for (size_t i = 0; i < 9; i++)
            for (size_t c = 0; c < 16; c++) assert_true(fabs((double)p.o.p[i * (16 + LD_EXTRA) + c] - 2.5) < 1e-5);
        for (size_t c = 0; c < 16; c++) p.v.p[8 * (16 + LD_EXTRA) + c] = 1000; /* the last row: only the last query sees it */
        for (size_t c = 0; c < 16; c++) p.k.p[8 * (16 + LD_EXTRA) + c] = 0;
        k->attention_fwd(&p.a, p.scratch.p);
        for (size_t i = 0; i < 8; i++) assert_true(fabs((double)p.o.p[i * (16 + LD_EXTRA)] - 2.5) < 1e-5);
        p.q.p[0] = (gp_real)NAN;
        k->attention_fwd(&p.a, p.scratch.p);
        assert_true(isnan((double)p.o.p[0]));
        assert_true(isfinite((double)p.o.p[16 + LD_EXTRA]));
        problem_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(square),           cmocka_unit_test(real_shapes), cmocka_unit_test(ragged),
        cmocka_unit_test(optional_outputs), cmocka_unit_test(properties),  cmocka_unit_test(in_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
