/* attention_half.c - attention over bf16 operands by way of the kernels for reals: one head of one segment at a time is unpacked, exactly.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/attention_half.h"

#include "kernels/bf16.h"

static gp_real *unpack(gp_real *to, const uint16_t *from, size_t ld, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++, from += ld, to += cols)
        for (size_t c = 0; c < cols; c++) to[c] = (gp_real)gp_bf16_to(from[c]);
    return to;
}

/* The head as a problem of its own, of one head; *rest is the scratch after it. */
static gp_attn one_head(gp_seg *seg, const gp_attn *a, const gp_seg *s, size_t h, gp_real *scratch, gp_real **rest)
{
    const size_t d = a->width / a->heads, col = h * d;
    *seg = (gp_seg){.nq = s->nq, .n = s->n, .n_pre = s->n_pre};
    gp_attn t = {.width = d, .heads = 1, .causal = a->causal, .seg = seg, .n_seg = 1, .ldq = d, .ldkv = d, .ldp = d};
    t.q = scratch;
    gp_real *at = unpack(scratch, a->hq + s->q * a->ldq + col, a->ldq, s->nq, d);
    t.pk = at;
    if (s->n_pre) at = unpack(at, a->hpk + s->pre * a->ldp + col, a->ldp, s->n_pre, d);
    t.k = at;
    at = unpack(at, a->hk + s->kv * a->ldkv + col, a->ldkv, s->n, d);
    t.pv = at;
    if (s->n_pre) at = unpack(at, a->hpv + s->pre * a->ldp + col, a->ldp, s->n_pre, d);
    t.v = at;
    at = unpack(at, a->hv + s->kv * a->ldkv + col, a->ldkv, s->n, d);
    *rest = scratch + ((size_t)(at - scratch) + 15) / 16 * 16;
    return t;
}

void gp_attn_half_fwd(void (*fwd)(const gp_attn *a, gp_real *scratch), const gp_attn *a, gp_real *scratch)
{
    const size_t d = a->width / a->heads;
    for (size_t i = 0; i < a->n_seg; i++)
        for (size_t h = 0; h < a->heads; h++) {
            const gp_seg *s = &a->seg[i];
            gp_seg seg;
            gp_real *o;
            gp_attn t = one_head(&seg, a, s, h, scratch, &o);
            t.o = o;
            t.ldo = d;
            t.lse = o + s->nq * d;
            fwd(&t, t.lse + s->nq);
            for (size_t r = 0; r < s->nq; r++) {
                uint16_t *to = a->ho + (s->q + r) * a->ldo + h * d;
                for (size_t c = 0; c < d; c++) to[c] = gp_bf16_from((float)o[r * d + c]);
                if (a->lse) a->lse[(s->q + r) * a->heads + h] = t.lse[r];
            }
        }
}

void gp_attn_half_bwd(void (*bwd)(const gp_attn *a, const gp_attn_grad *g, gp_real *scratch), const gp_attn *a, const gp_attn_grad *g,
                      gp_real *scratch)
{
    for (size_t i = 0; i < a->n_seg; i++)
        for (size_t h = 0; h < a->heads; h++) {
            const gp_seg *s = &a->seg[i];
            const size_t col = h * (a->width / a->heads), own = s->kv * g->lddkv + col;
            gp_seg seg;
            gp_real *rest;
            const gp_attn t = one_head(&seg, a, s, h, scratch, &rest);
            gp_attn_grad e = *g;
            e.dout += s->q * g->lddo + col;
            e.dq += s->q * g->lddq + col;
            e.dk += own;
            e.dv += own;
            if (g->dpk) e.dpk += s->pre * g->lddp + col;
            if (g->dpv) e.dpv += s->pre * g->lddp + col;
            bwd(&t, &e, rest);
        }
}
