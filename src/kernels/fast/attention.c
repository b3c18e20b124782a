/* attention.c - ragged attention with a shared prefix: one head of one segment at a time, as small matrix products in registers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/attention_half.h"
#include "kernels/fast/kernels.h"
#include "kernels/fast/transpose.h"

#ifdef __AVX512F__
#define MAX_NV 4 /* vectors across a tile: MR * MAX_NV accumulators must fit the registers */
#else
#define MAX_NV 2
#endif

/* C [m, n] = or += A [m, k] B [k, n]: B and C row-major, A with any two strides (so that it may be transposed). */
typedef struct product {
    float *c;
    size_t ldc;
    const float *a;
    size_t a_row, a_col;
    const float *b;
    size_t ldb, m, n, k;
    bool add;
} product;

/* mr x (nv VL) of C from row i, column j; mr and nv are constants at every call, so that acc lives in registers. */
GPK_INLINE void tile(const product *p, size_t i, size_t j, size_t mr, size_t nv, vm last)
{
    vf acc[6][MAX_NV], b[MAX_NV];
    float *c = p->c + i * p->ldc + j;
    GPK_UNROLL for (size_t r = 0; r < mr; r++)
    {
        GPK_UNROLL for (size_t v = 0; v < nv; v++)
        {
            acc[r][v] = v_set(0.0f);
            if (p->add) acc[r][v] = v + 1 < nv ? v_load(c + r * p->ldc + v * VL) : v_load_m(last, c + r * p->ldc + v * VL);
        }
    }
    const float *a = p->a + i * p->a_row, *bk = p->b + j;
    for (size_t k = 0; k < p->k; k++, a += p->a_col, bk += p->ldb) {
        GPK_UNROLL for (size_t v = 0; v < nv; v++) b[v] = v + 1 < nv ? v_load(bk + v * VL) : v_load_m(last, bk + v * VL);
        GPK_UNROLL for (size_t r = 0; r < mr; r++)
        {
            const vf s = v_set(a[r * p->a_row]);
            GPK_UNROLL for (size_t v = 0; v < nv; v++) acc[r][v] = v_fma(s, b[v], acc[r][v]);
        }
    }
    GPK_UNROLL for (size_t r = 0; r < mr; r++)
    {
        GPK_UNROLL for (size_t v = 0; v < nv; v++)
        {
            if (v + 1 < nv)
                v_store(c + r * p->ldc + v * VL, acc[r][v]);
            else
                v_store_m(c + r * p->ldc + v * VL, last, acc[r][v]);
        }
    }
}

/* A column of tiles of width nv. */
GPK_INLINE void column(const product *p, size_t j, size_t nv, vm last)
{
    size_t i = 0;
    for (; i + 6 <= p->m; i += 6) tile(p, i, j, 6, nv, last);
    if (i + 4 <= p->m) {
        tile(p, i, j, 4, nv, last);
        i += 4;
    }
    if (i + 2 <= p->m) {
        tile(p, i, j, 2, nv, last);
        i += 2;
    }
    if (i < p->m) tile(p, i, j, 1, nv, last);
}

static void multiply(const product *p)
{
    const size_t vectors = (p->n + VL - 1) / VL, columns = (vectors + MAX_NV - 1) / MAX_NV;
    size_t v = 0;
    for (size_t left = columns; left > 0; left--) { /* columns of nearly the same width */
        const size_t nv = (vectors - v + left - 1) / left, j = v * VL;
        const vm last = v_lanes(gp_min_size(VL, p->n - (j + (nv - 1) * VL)));
        switch (nv) {
        case 1:
            column(p, j, 1, last);
            break;
        case 2:
            column(p, j, 2, last);
            break;
#if MAX_NV == 4
        case 3:
            column(p, j, 3, last);
            break;
        case 4:
            column(p, j, 4, last);
            break;
#endif
        default:
            break;
        }
        v += nv;
    }
}

/* One head of one segment. */
typedef struct head {
    const gp_attn *a;
    const gp_seg *s;
    size_t col, d, n_keys, ld; /* ld: row stride of the score matrices */
    const float *q, *k, *v, *pk, *pv;
} head;

static head head_make(const gp_attn *a, const gp_seg *s, size_t h)
{
    const size_t d = a->width / a->heads, n_keys = (size_t)s->n_pre + s->n;
    head t = {.a = a, .s = s, .col = h * d, .d = d, .n_keys = n_keys, .ld = (n_keys + VL - 1) / VL * VL};
    t.q = a->q + (size_t)s->q * a->ldq + t.col;
    t.k = a->k + (size_t)s->kv * a->ldkv + t.col;
    t.v = a->v + (size_t)s->kv * a->ldkv + t.col;
    if (s->n_pre) {
        t.pk = a->pk + (size_t)s->pre * a->ldp + t.col;
        t.pv = a->pv + (size_t)s->pre * a->ldp + t.col;
    }
    return t;
}

/* s [nq, n_keys] = x [nq, d] (prefix; own)^T, by way of y = (prefix; own)^T [d, n_keys]. */
static void times_keys(const head *t, float *s, float *y, const float *x, size_t ldx, const float *prefix, const float *own)
{
    const size_t n_pre = t->s->n_pre;
    if (n_pre) gpk_transpose(y, t->ld, prefix, t->a->ldp, n_pre, t->d);
    gpk_transpose(y + n_pre, t->ld, own, t->a->ldkv, t->s->n, t->d);
    const product p = {
        .c = s, .ldc = t->ld, .a = x, .a_row = ldx, .a_col = 1, .b = y, .ldb = t->ld, .m = t->s->nq, .n = t->n_keys, .k = t->d};
    multiply(&p);
}

/* y [nq, d] = or += s [nq, n_keys] (prefix; own) */
static void times_values(const head *t, float *y, size_t ldy, const float *s, const float *prefix, const float *own, bool add)
{
    product p = {.c = y, .ldc = ldy, .a = s, .a_row = t->ld, .a_col = 1, .m = t->s->nq, .n = t->d, .add = add};
    if (t->s->n_pre) {
        p.b = prefix;
        p.ldb = t->a->ldp;
        p.k = t->s->n_pre;
        multiply(&p);
        p.add = true;
    }
    p.a = s + t->s->n_pre;
    p.b = own;
    p.ldb = t->a->ldkv;
    p.k = t->s->n;
    multiply(&p);
}

/* Keys query i sees. */
static size_t visible(const head *t, size_t i)
{
    return t->a->causal ? (size_t)t->s->n_pre + t->s->n - t->s->nq + i + 1 : t->n_keys;
}

/* s[0..n) becomes exp(scale s - max), s[n..end) becomes 0; returns the sum and the maximum of scale s. */
static float exponentials(float *s, size_t n, size_t end, float scale, float *max)
{
    const vf vscale = v_set(scale), low = v_set(-INFINITY);
    const size_t body = n / VL * VL;
    const vm tail = v_lanes(n - body);
    vf m = low, sum = v_set(0.0f);
    for (size_t j = 0; j < body; j += VL) m = v_max(m, v_load(s + j));
    if (body < n) m = v_max(m, v_keep(tail, v_load_m(tail, s + body), low));
    *max = v_largest(m) * scale;
    const vf shift = v_set(*max);
    for (size_t j = 0; j < body; j += VL) {
        const vf e = v_exp(v_sub(v_mul(v_load(s + j), vscale), shift));
        v_store(s + j, e);
        sum = v_add(sum, e);
    }
    if (body < n) {
        const vf e = v_keep(tail, v_exp(v_sub(v_mul(v_load_m(tail, s + body), vscale), shift)), v_set(0.0f));
        v_store_m(s + body, tail, e);
        sum = v_add(sum, e);
    }
    for (size_t j = n; j < end; j++) s[j] = 0.0f;
    return v_sum(sum);
}

static void scale_row(float *y, float by, size_t n)
{
    const vf s = v_set(by);
    for (size_t j = 0; j < n; j += VL) {
        const vm t = v_lanes(gp_min_size(VL, n - j));
        v_store_m(y + j, t, v_mul(v_load_m(t, y + j), s));
    }
}

static void head_fwd(const head *t, size_t h, float *scratch)
{
    const gp_attn *a = t->a;
    const float scale = 1.0f / sqrtf((float)t->d);
    float *kt = scratch, *s = kt + t->d * t->ld, *sum = s + t->s->nq * t->ld;
    float *o = a->o + (size_t)t->s->q * a->ldo + t->col;
    times_keys(t, s, kt, t->q, a->ldq, t->pk, t->k);
    for (size_t i = 0; i < t->s->nq; i++) {
        float max;
        sum[i] = exponentials(s + i * t->ld, visible(t, i), t->n_keys, scale, &max);
        if (a->lse) a->lse[((size_t)t->s->q + i) * a->heads + h] = max + logf(sum[i]);
    }
    times_values(t, o, a->ldo, s, t->pv, t->v, false);
    for (size_t i = 0; i < t->s->nq; i++) scale_row(o + i * a->ldo, 1.0f / sum[i], t->d);
}

void GPK(attention_fwd)(const gp_attn *a, float *scratch)
{
    for (size_t i = 0; i < a->n_seg; i++)
        for (size_t h = 0; h < a->heads; h++) {
            const head t = head_make(a, &a->seg[i], h);
            head_fwd(&t, h, scratch);
        }
}

/* prob becomes A, dprob becomes dz / sqrt d = A (dA - sum A dA) / sqrt d; METHODS 2.3 step 1. */
static void softmax_bwd(float *prob, float *dprob, size_t n, size_t end, float scale)
{
    float max;
    const float inv = 1.0f / exponentials(prob, n, end, scale, &max);
    const vf vinv = v_set(inv);
    vf dot = v_set(0.0f);
    for (size_t j = 0; j < end; j += VL) {
        const vm t = v_lanes(gp_min_size(VL, end - j));
        const vf p = v_mul(v_load_m(t, prob + j), vinv);
        v_store_m(prob + j, t, p);
        dot = v_fma(p, v_load_m(t, dprob + j), dot);
    }
    const vf mean = v_set(v_sum(dot)), vscale = v_set(scale);
    for (size_t j = 0; j < end; j += VL) {
        const vm t = v_lanes(gp_min_size(VL, end - j));
        const vf dz = v_mul(v_mul(v_load_m(t, prob + j), vscale), v_sub(v_load_m(t, dprob + j), mean));
        v_store_m(dprob + j, t, dz);
    }
}

/* y [keys first .. first+n, d] += s^T x, s [nq, ld] */
static void add_to_keys(const head *t, float *y, size_t ldy, const float *s, size_t first, size_t n, const float *x, size_t ldx)
{
    const product p = {
        .c = y, .ldc = ldy, .a = s + first, .a_row = 1, .a_col = t->ld, .b = x, .ldb = ldx, .m = n, .n = t->d, .k = t->s->nq, .add = true};
    multiply(&p);
}

static void head_bwd(const head *t, const gp_attn_grad *g, float *scratch)
{
    const gp_attn *a = t->a;
    const gp_seg *s = t->s;
    const float scale = 1.0f / sqrtf((float)t->d);
    float *kt = scratch, *vt = kt + t->d * t->ld, *prob = vt + t->d * t->ld, *dprob = prob + s->nq * t->ld;
    const float *da = g->dout + (size_t)s->q * g->lddo + t->col;
    times_keys(t, prob, kt, t->q, a->ldq, t->pk, t->k);
    times_keys(t, dprob, vt, da, g->lddo, t->pv, t->v);
    for (size_t i = 0; i < s->nq; i++) softmax_bwd(prob + i * t->ld, dprob + i * t->ld, visible(t, i), t->n_keys, scale);
    times_values(t, g->dq + (size_t)s->q * g->lddq + t->col, g->lddq, dprob, t->pk, t->k, true);
    add_to_keys(t, g->dk + (size_t)s->kv * g->lddkv + t->col, g->lddkv, dprob, s->n_pre, s->n, t->q, a->ldq);
    add_to_keys(t, g->dv + (size_t)s->kv * g->lddkv + t->col, g->lddkv, prob, s->n_pre, s->n, da, g->lddo);
    if (s->n_pre && g->dpk) add_to_keys(t, g->dpk + (size_t)s->pre * g->lddp + t->col, g->lddp, dprob, 0, s->n_pre, t->q, a->ldq);
    if (s->n_pre && g->dpv) add_to_keys(t, g->dpv + (size_t)s->pre * g->lddp + t->col, g->lddp, prob, 0, s->n_pre, da, g->lddo);
}

void GPK(attention_bwd)(const gp_attn *a, const gp_attn_grad *g, float *scratch)
{
    for (size_t i = 0; i < a->n_seg; i++)
        for (size_t h = 0; h < a->heads; h++) {
            const head t = head_make(a, &a->seg[i], h);
            head_bwd(&t, g, scratch);
        }
}

#ifndef __AVX512BF16__ /* attention_half.c */
void GPK(attention_fwd_half)(const gp_attn *a, float *scratch)
{
    gp_attn_half_fwd(GPK(attention_fwd), a, scratch);
}
#endif

void GPK(attention_bwd_half)(const gp_attn *a, const gp_attn_grad *g, float *scratch)
{
    gp_attn_half_bwd(GPK(attention_bwd), a, g, scratch);
}
