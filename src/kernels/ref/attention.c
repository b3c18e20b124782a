/* attention.c - ragged attention with a shared prefix, forward and backward, the reference.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/attention_half.h"
#include "kernels/ref/ref.h"

/* Key r of a segment: the prefix first, then the segment's own rows. */
static const gp_real *key_row(const gp_real *prefix, size_t ldp, const gp_real *own, size_t ldkv, const gp_seg *s, size_t r)
{
    if (r < s->n_pre) return prefix + ((size_t)s->pre + r) * ldp;
    return own + ((size_t)s->kv + r - s->n_pre) * ldkv;
}

/* How many keys query i sees. */
static size_t visible(const gp_attn *a, const gp_seg *s, size_t i)
{
    return (size_t)s->n_pre + (a->causal ? (size_t)s->n - s->nq + i + 1 : (size_t)s->n);
}

/* scores[r] = <q, k_r> / sqrt(d) for r < n_keys; returns the log of the sum of their exponentials. */
static double scores(const gp_attn *a, const gp_seg *s, size_t i, size_t col, size_t d, size_t n_keys, gp_real *score)
{
    const gp_real *q = a->q + ((size_t)s->q + i) * a->ldq + col;
    const double scale = 1.0 / sqrt((double)d);
    double max = -HUGE_VAL, sum = 0.0;
    for (size_t r = 0; r < n_keys; r++) {
        const gp_real *k = key_row(a->pk, a->ldp, a->k, a->ldkv, s, r) + col;
        double dot = 0.0;
        for (size_t c = 0; c < d; c++) dot += (double)q[c] * (double)k[c];
        score[r] = (gp_real)(dot * scale);
        if ((double)score[r] > max) max = (double)score[r];
    }
    for (size_t r = 0; r < n_keys; r++) sum += exp((double)score[r] - max);
    return max + log(sum);
}

/* o = sum_r A_r v_r, A = softmax(scores); METHODS 1.2 step 2. */
static void query_fwd(const gp_attn *a, const gp_seg *s, size_t i, size_t h, gp_real *score)
{
    const size_t d = a->width / a->heads, col = h * d, n_keys = visible(a, s, i), row = (size_t)s->q + i;
    const double lse = scores(a, s, i, col, d, n_keys, score);
    gp_real *o = a->o + row * a->ldo + col;
    for (size_t c = 0; c < d; c++) {
        double sum = 0.0;
        for (size_t r = 0; r < n_keys; r++)
            sum += exp((double)score[r] - lse) * (double)key_row(a->pv, a->ldp, a->v, a->ldkv, s, r)[col + c];
        o[c] = (gp_real)sum;
    }
    if (a->lse) a->lse[row * a->heads + h] = (gp_real)lse;
}

void gpk_attention_fwd_ref(const gp_attn *a, gp_real *scratch)
{
    for (size_t t = 0; t < a->n_seg; t++)
        for (size_t h = 0; h < a->heads; h++)
            for (size_t i = 0; i < a->seg[t].nq; i++) query_fwd(a, &a->seg[t], i, h, scratch);
}

/* dA_r = <da, v_r>, dz_r = A_r (dA_r - sum_r' A_r' dA_r'), dq += dz_r k_r / sqrt d, dk_r += dz_r q / sqrt d, dv_r += A_r da;
 * METHODS 2.3 step 1.  prob and dprob hold one number for each key. */
static void query_bwd(const gp_attn *a, const gp_attn_grad *g, const gp_seg *s, size_t i, size_t h, gp_real *prob, gp_real *dprob)
{
    const size_t d = a->width / a->heads, col = h * d, n_keys = visible(a, s, i), row = (size_t)s->q + i;
    const double scale = 1.0 / sqrt((double)d), lse = scores(a, s, i, col, d, n_keys, prob);
    const gp_real *q = a->q + row * a->ldq + col, *da = g->dout + row * g->lddo + col;
    gp_real *dq = g->dq + row * g->lddq + col;
    double mean = 0.0;
    for (size_t r = 0; r < n_keys; r++) {
        const gp_real *v = key_row(a->pv, a->ldp, a->v, a->ldkv, s, r) + col;
        double dot = 0.0;
        for (size_t c = 0; c < d; c++) dot += (double)da[c] * (double)v[c];
        prob[r] = (gp_real)exp((double)prob[r] - lse);
        dprob[r] = (gp_real)dot;
        mean += (double)prob[r] * dot;
    }
    for (size_t r = 0; r < n_keys; r++) {
        const gp_real *k = key_row(a->pk, a->ldp, a->k, a->ldkv, s, r) + col;
        const gp_real p = prob[r], dz = (gp_real)((double)p * ((double)dprob[r] - mean) * scale);
        const size_t own = (size_t)s->kv + r - s->n_pre, pre = (size_t)s->pre + r;
        gp_real *dk = r >= s->n_pre ? g->dk + own * g->lddkv : g->dpk ? g->dpk + pre * g->lddp : NULL;
        gp_real *dv = r >= s->n_pre ? g->dv + own * g->lddkv : g->dpv ? g->dpv + pre * g->lddp : NULL;
        for (size_t c = 0; c < d; c++) {
            dq[c] += dz * k[c];
            if (dk) dk[col + c] += dz * q[c];
            if (dv) dv[col + c] += p * da[c];
        }
    }
}

void gpk_attention_bwd_ref(const gp_attn *a, const gp_attn_grad *g, gp_real *scratch)
{
    for (size_t t = 0; t < a->n_seg; t++) {
        const gp_seg *s = &a->seg[t];
        for (size_t h = 0; h < a->heads; h++)
            for (size_t i = 0; i < s->nq; i++) query_bwd(a, g, s, i, h, scratch, scratch + s->n_pre + s->n);
    }
}

void gpk_attention_fwd_half_ref(const gp_attn *a, gp_real *scratch)
{
    gp_attn_half_fwd(gpk_attention_fwd_ref, a, scratch);
}

void gpk_attention_bwd_half_ref(const gp_attn *a, const gp_attn_grad *g, gp_real *scratch)
{
    gp_attn_half_bwd(gpk_attention_bwd_ref, a, g, scratch);
}
