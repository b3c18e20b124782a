/* attention_half.c - forward attention over bf16 queries, keys and values with the processor's product of bf16 pairs (AVX512_BF16): twice
 * the multiply-adds of attention.c for each instruction.  Scores, softmax and sums are f32; the exponentials are rounded to bf16 for the
 * product with the values, not for their sum.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/attention_half.h"
#include "kernels/fast/kernels.h"
#include "kernels/fast/transpose.h"

#define MAX_NV 4 /* vectors across a tile */

/* One head of one segment. */
typedef struct head {
    const gp_attn *a;
    const gp_seg *s;
    size_t col, d, n_keys;
    size_t ld;       /* row stride of the scores, of their bf16 form and of the transposed keys */
    float *score;    /* [nq, ld]; afterwards the output before it is divided */
    uint16_t *prob;  /* [nq, ld] */
    uint32_t *pairs; /* keys [d / 2, ld], then values [(n_keys + 1) / 2, d], as pairs */
    float *sum;      /* [nq] */
} head;

/* C [m, n] = A [m, 2 k] B [k pairs, n]: B holds pairs of rows, side by side. */
typedef struct product {
    float *c;
    size_t ldc;
    const uint16_t *a;
    size_t lda;
    const uint32_t *b;
    size_t ldb, m, n, k;
} product;

static inline __m512i load_pairs(const void *p)
{
    return _mm512_loadu_si512(p);
}

static inline __m512i set_pair(const uint16_t *p)
{
    int32_t both;
    memcpy(&both, p, sizeof both);
    return _mm512_set1_epi32(both);
}

GPK_INLINE void tile(const product *p, size_t i, size_t j, size_t mr, size_t nv, vm last)
{
    vf acc[6][MAX_NV];
    GPK_UNROLL for (size_t r = 0; r < mr; r++)
    {
        GPK_UNROLL for (size_t v = 0; v < nv; v++) acc[r][v] = v_set(0.0f);
    }
    const uint16_t *a = p->a + i * p->lda;
    const uint32_t *bk = p->b + j;
    for (size_t k = 0; k < p->k; k++, a += 2, bk += p->ldb) {
        __m512i b[MAX_NV];
        GPK_UNROLL for (size_t v = 0; v < nv; v++) b[v] =
            v + 1 < nv ? load_pairs(bk + v * VL) : _mm512_maskz_loadu_epi32(last, bk + v * VL);
        GPK_UNROLL for (size_t r = 0; r < mr; r++)
        {
            const __m512i s = set_pair(a + r * p->lda);
            GPK_UNROLL for (size_t v = 0; v < nv; v++) acc[r][v] = _mm512_dpbf16_ps(acc[r][v], (__m512bh)s, (__m512bh)b[v]);
        }
    }
    float *c = p->c + i * p->ldc + j;
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
        case 3:
            column(p, j, 3, last);
            break;
        default:
            column(p, j, 4, last);
            break;
        }
        v += nv;
    }
}

/* y [cols / 2 pairs, ldy] = x [rows, ldx]^T: a pair is two neighbours of a row. */
static void transpose_pairs(uint32_t *y, size_t ldy, const uint16_t *x, size_t ldx, size_t rows, size_t cols)
{
    size_t r = 0;
    for (; r + 8 <= rows; r += 8) {
        size_t c = 0;
        for (; c + 16 <= cols; c += 16) {
            __m256 a[8];
            GPK_UNROLL for (size_t i = 0; i < 8; i++) a[i] =
                _mm256_castsi256_ps(_mm256_loadu_si256((const __m256i_u *)(const void *)(x + (r + i) * ldx + c)));
            gpk_transpose_registers(a);
            GPK_UNROLL for (size_t i = 0; i < 8; i++)
                _mm256_storeu_si256((__m256i_u *)(void *)(y + (c / 2 + i) * ldy + r), _mm256_castps_si256(a[i]));
        }
        for (; c < cols; c += 2)
            for (size_t i = 0; i < 8; i++) memcpy(y + c / 2 * ldy + r + i, x + (r + i) * ldx + c, sizeof *y);
    }
    for (; r < rows; r++)
        for (size_t c = 0; c < cols; c += 2) memcpy(y + c / 2 * ldy + r, x + r * ldx + c, sizeof *y);
}

static const uint16_t *value_row(const head *t, size_t key)
{
    const gp_attn *a = t->a;
    const gp_seg *s = t->s;
    return (key < s->n_pre ? a->hpv + (s->pre + key) * a->ldp : a->hv + (s->kv + key - s->n_pre) * a->ldkv) + t->col;
}

/* y [(n_keys + 1) / 2, d]: values of keys 2 i and 2 i + 1, interleaved; beyond the last key 0. */
static void interleave_values(const head *t, uint32_t *y)
{
    for (size_t key = 0; key < t->n_keys; key += 2, y += t->d) {
        const uint16_t *v0 = value_row(t, key), *v1 = key + 1 < t->n_keys ? value_row(t, key + 1) : NULL;
        for (size_t c = 0; c < t->d; c += VL) {
            const vm m = v_lanes(gp_min_size(VL, t->d - c));
            const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, v0 + c));
            const __m512i high = v1 ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, v1 + c)) : _mm512_setzero_si512();
            _mm512_mask_storeu_epi32(y + c, m, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
    }
}

static size_t visible(const head *t, size_t i)
{
    return t->a->causal ? (size_t)t->s->n_pre + t->s->n - t->s->nq + i + 1 : t->n_keys;
}

/* p[0 .. n) = exp(scale s - max) in bf16, p[n .. ld) = 0; returns the sum of the exponentials and the maximum of scale s. */
static float exponentials(uint16_t *p, const float *s, size_t n, size_t ld, float scale, float *max)
{
    const vf low = v_set(-INFINITY), vscale = v_set(scale);
    vf m = low, sum = v_set(0.0f);
    for (size_t j = 0; j < n; j += VL) {
        const vm t = v_lanes(gp_min_size(VL, n - j));
        m = v_max(m, v_keep(t, v_load_m(t, s + j), low));
    }
    *max = v_largest(m) * scale;
    const vf shift = v_set(*max);
    size_t j = 0;
    for (; j < n; j += VL) {
        const vm t = v_lanes(gp_min_size(VL, n - j));
        const vf e = v_keep(t, v_exp(v_sub(v_mul(v_load_m(t, s + j), vscale), shift)), v_set(0.0f));
        _mm256_storeu_si256((__m256i_u *)(void *)(p + j), (__m256i)_mm512_cvtneps_pbh(e));
        sum = v_add(sum, e);
    }
    for (; j < ld; j += VL) _mm256_storeu_si256((__m256i_u *)(void *)(p + j), _mm256_setzero_si256());
    return v_sum(sum);
}

static void head_fwd(const head *t, size_t h)
{
    const gp_attn *a = t->a;
    const gp_seg *s = t->s;
    const float scale = 1.0f / sqrtf((float)t->d);
    if (s->n_pre) transpose_pairs(t->pairs, t->ld, a->hpk + s->pre * a->ldp + t->col, a->ldp, s->n_pre, t->d);
    transpose_pairs(t->pairs + s->n_pre, t->ld, a->hk + s->kv * a->ldkv + t->col, a->ldkv, s->n, t->d);
    const product qk = {.c = t->score,
                        .ldc = t->ld,
                        .a = a->hq + s->q * a->ldq + t->col,
                        .lda = a->ldq,
                        .b = t->pairs,
                        .ldb = t->ld,
                        .m = s->nq,
                        .n = t->n_keys,
                        .k = t->d / 2};
    multiply(&qk);
    for (size_t i = 0; i < s->nq; i++) {
        float max;
        t->sum[i] = exponentials(t->prob + i * t->ld, t->score + i * t->ld, visible(t, i), t->ld, scale, &max);
        if (a->lse) a->lse[(s->q + i) * a->heads + h] = max + logf(t->sum[i]);
    }
    interleave_values(t, t->pairs);
    const product pv = {.c = t->score,
                        .ldc = t->d,
                        .a = t->prob,
                        .lda = t->ld,
                        .b = t->pairs,
                        .ldb = t->d,
                        .m = s->nq,
                        .n = t->d,
                        .k = (t->n_keys + 1) / 2};
    multiply(&pv);
    for (size_t i = 0; i < s->nq; i++) {
        const vf by = v_set(1.0f / t->sum[i]);
        uint16_t *o = a->ho + (s->q + i) * a->ldo + t->col;
        for (size_t c = 0; c < t->d; c += VL) {
            const vm m = v_lanes(gp_min_size(VL, t->d - c));
            v_store_half(o + c, v_mul(v_load_m(m, t->score + i * t->d + c), by), gp_min_size(VL, t->d - c));
        }
    }
}

void GPK(attention_fwd_half)(const gp_attn *a, float *scratch)
{
    const size_t d = a->width / a->heads;
    if (d % 2 != 0) { /* no pairs along a row */
        gp_attn_half_fwd(GPK(attention_fwd), a, scratch);
        return;
    }
    for (size_t i = 0; i < a->n_seg; i++) {
        const gp_seg *s = &a->seg[i];
        const size_t n_keys = (size_t)s->n_pre + s->n, ld = (n_keys + VL - 1) / VL * VL;
        head t = {.a = a, .s = s, .d = d, .n_keys = n_keys, .ld = ld};
        t.sum = scratch;
        t.score = t.sum + (s->nq + VL - 1) / VL * VL;
        float *p = t.score + s->nq * gp_max_size(ld, d);
        t.prob = (uint16_t *)p;
        t.pairs = (uint32_t *)(p + s->nq * ld / 2);
        for (size_t h = 0; h < a->heads; h++) {
            t.col = h * d;
            head_fwd(&t, h);
        }
    }
}
