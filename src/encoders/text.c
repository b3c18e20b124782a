/* text.c - the text tower forward with exact prefix sharing (METHODS 2.2): the rows of the prefixes and the suffix rows of all pairs are
 * packed into one matrix, so that every linear map is one product; suffixes attend to their prefix and to themselves.
 * SPDX-License-Identifier: Apache-2.0 */
#include "encoders/text.h"

#include <string.h>

#include "encoders/text_impl.h"

#define CHUNK_ROWS  8192 /* suffix rows at a time when nothing is kept */
#define PAIRS_BLOCK 32

static void head_rows(void *arg, size_t first, size_t n, size_t worker)
{
    const gp_text_head *h = arg;
    gp_compute *c = h->m->c;
    const gp_clip_weights *w = h->m->w;
    size_t D = w->arch.t.width, E = w->arch.embed;
    gp_scratch_reset(c, worker);
    gp_real *u = gp_scratch(c, worker, n * D), *t = h->where ? gp_scratch(c, worker, n * E) : h->out + first * E;
    if (!u || !t) return;
    c->k->layernorm_fwd(u, h->mean ? h->mean + first : NULL, h->rstd ? h->rstd + first : NULL, h->x + first * D, w->t_ln_final_g,
                        w->t_ln_final_b, (gp_real)w->arch.t.eps, n, D);
    gp_mat_fwd(h->m->t_proj, c, worker, t, u, NULL, n, false);
    if (h->where)
        for (size_t i = 0; i < n; i++) memcpy(h->out + h->where[first + i] * E, t + i * E, E * sizeof *t);
}

void gp_text_head_run(gp_text_head *h, size_t n)
{
    gp_rows_run(h->m->c, n, head_rows, h);
}

typedef struct embed {
    const gp_text_save *s;
    const gp_real *contexts;
    gp_real *x;
} embed;

static const gp_real *input_row(const embed *e, uint32_t code, size_t context)
{
    const gp_clip_weights *w = e->s->plan->m->w;
    const size_t D = w->arch.t.width;
    return code & GP_CTX_ROW ? e->contexts + (context * e->s->plan->M + (code & ~GP_CTX_ROW)) * D : w->t_tok + code * D;
}

/* x0 = tok[id] + pos, or context + pos: the rows of one prefix. */
static void embed_prefix(void *arg, size_t u, size_t worker)
{
    (void)worker;
    const embed *e = arg;
    const gp_text_plan *p = e->s->plan;
    const gp_clip_weights *w = p->m->w;
    size_t D = w->arch.t.width;
    gp_real *x = e->x + u * p->P * D;
    for (size_t r = 0; r < p->P; r++) memcpy(x + r * D, input_row(e, p->prefix[r], p->P > 1 ? e->s->used[u] : 0), D * sizeof *x);
    p->m->c->k->add(x, w->t_pos, p->P * D);
}

static void embed_pairs(void *arg, size_t block, size_t worker)
{
    (void)worker;
    const embed *e = arg;
    const gp_text_plan *p = e->s->plan;
    const gp_clip_weights *w = p->m->w;
    size_t D = w->arch.t.width, end = gp_min_size(e->s->n, (block + 1) * PAIRS_BLOCK);
    for (size_t i = block * PAIRS_BLOCK; i < end; i++) {
        gp_pair pair = e->s->pair[i];
        const uint32_t *code = p->code + p->first[pair.cls];
        size_t n = p->first[pair.cls + 1] - p->first[pair.cls];
        gp_real *x = e->x + e->s->row[i] * D;
        for (size_t r = 0; r < n; r++) memcpy(x + r * D, input_row(e, code[r], pair.context), D * sizeof *x);
        p->m->c->k->add(x, w->t_pos + p->P * D, n * D);
    }
}

/* Lengths, owners, first rows and the layout of pairs [n], already sorted by context. */
static gopro_status describe(gp_text_save *s, gp_arena *a, gopro_error *err)
{
    const gp_text_plan *p = s->plan;
    uint32_t *len = gp_arena_alloc(a, s->n + 1, sizeof *len), *owner = gp_arena_alloc(a, s->n + 1, sizeof *owner);
    uint32_t *row = gp_arena_alloc(a, s->n + 1, sizeof *row), *used = gp_arena_alloc(a, s->n + 1, sizeof *used);
    uint32_t *used_first = gp_arena_alloc(a, s->n + 2, sizeof *used_first);
    if (!len || !owner || !row || !used || !used_first) return gp_fail_nomem(err, s->n * 5 * sizeof *len, "the rows of prompts");
    for (uint32_t i = 0; i < s->n; i++) {
        len[i] = p->first[s->pair[i].cls + 1] - p->first[s->pair[i].cls];
        if (i == 0 || s->pair[i].context != s->pair[i - 1].context) {
            used[s->n_used] = s->pair[i].context;
            used_first[s->n_used++] = i;
        }
        owner[i] = p->P > 1 ? (uint32_t)s->n_used - 1 : 0;
    }
    used_first[s->n_used] = (uint32_t)s->n;
    gp_layout_spec spec = {.len = len, .owner = owner, .n = s->n, .n_owner = p->P > 1 ? s->n_used : 1, .n_pre = p->P, .causal = true};
    GP_TRY(gp_layout_make(&s->l, a, &spec, err));
    row[0] = (uint32_t)(spec.n_owner * p->P);
    for (size_t i = 0; i < s->n; i++) row[i + 1] = row[i] + len[i];
    s->row = row;
    s->used = used;
    s->used_first = used_first;
    return GOPRO_OK;
}

gp_slots gp_text_slots(const gp_text_save *s)
{
    const gp_text_plan *p = s->plan;
    return (gp_slots){.count = s->l.n_owner, .stride = p->P, .first = 1, .n = s->deep.n, .width = p->m->w->arch.t.width};
}

static gopro_status run_blocks(gp_model *m, gp_text_save *s, gp_real *x, gp_arena *a, bool keep, gopro_error *err)
{
    size_t D = m->w->arch.t.width, L = m->w->arch.t.layers;
    const gp_slots slots = gp_text_slots(s);
    bool ok = true;
    s->s = gp_arena_alloc(a, L, sizeof *s->s);
    if (!s->s) ok = false;
    for (size_t i = 0; ok && i < L; i++) {
        bool last = i + 1 == L;
        gp_block_state *b = &s->s[i];
        if (keep || i == 0 || last)
            ok = gp_block_state_alloc(b, a, &m->tb[i], &s->l, last, keep);
        else
            *b = s->s[0];
        b->x = x;
        gp_real *out = last ? s->end : keep ? gp_take(a, s->l.rows, D, &ok) : x;
        if (!ok) break;
        GP_TRY(gp_block_fwd(m->c, &m->tb[i], &s->l, b, out, last, err));
        if (i < s->deep.levels) gp_slots_fill(m->c, &slots, out, s->deep.rows + i * slots.n * D);
        x = out;
    }
    return ok ? GOPRO_OK : gp_fail_nomem(err, s->l.rows * D * 10 * sizeof(gp_real), "text activations");
}

static gopro_status run_pairs(gp_model *m, gp_text_save *s, gp_real *out, const gp_real *contexts, gp_arena *a, bool keep, gopro_error *err)
{
    size_t D = m->w->arch.t.width;
    bool ok = true;
    GP_TRY(describe(s, a, err));
    gp_real *x = gp_take(a, s->l.rows, D, &ok);
    s->end = gp_take(a, s->n, D, &ok);
    if (keep) {
        s->mean = gp_take(a, s->n, 1, &ok);
        s->rstd = gp_take(a, s->n, 1, &ok);
    }
    if (!ok) return gp_fail_nomem(err, s->l.rows * D * sizeof *x, "text activations");
    embed e = {.s = s, .contexts = contexts, .x = x};
    gp_parallel_for(m->c->pool, s->l.n_owner, embed_prefix, &e);
    gp_parallel_for(m->c->pool, (s->n + PAIRS_BLOCK - 1) / PAIRS_BLOCK, embed_pairs, &e);
    GP_TRY(run_blocks(m, s, x, a, keep, err));
    gp_text_head_run(&(gp_text_head){.m = m, .out = out, .mean = s->mean, .rstd = s->rstd, .x = s->end, .where = s->where}, s->n);
    return gp_compute_check(m->c, err);
}

/* Stable counting sort by context; where[i] is the place of sorted pair i in `pairs`. */
static gopro_status sort_pairs(gp_arena *a, const gp_pair **sorted, const uint32_t **where, const gp_pair *pairs, size_t n, size_t C,
                               gopro_error *err)
{
    gp_pair *p = gp_arena_alloc(a, n + 1, sizeof *p);
    uint32_t *w = gp_arena_alloc(a, n + 1, sizeof *w), *at = gp_arena_alloc(a, C + 1, sizeof *at);
    if (!p || !w || !at) return gp_fail_nomem(err, n * sizeof *p, "sorted prompts");
    for (size_t i = 0; i < n; i++) at[pairs[i].context + 1]++;
    for (size_t c = 0; c < C; c++) at[c + 1] += at[c];
    for (size_t i = 0; i < n; i++) {
        uint32_t to = at[pairs[i].context]++;
        p[to] = pairs[i];
        w[to] = (uint32_t)i;
    }
    *sorted = p;
    *where = w;
    return GOPRO_OK;
}

static gopro_status run_chunks(gp_model *m, const gp_text_plan *p, gp_real *out, const gp_real *contexts, gp_slot_rows deep,
                               const gp_pair *pair, const uint32_t *where, size_t n, gopro_error *err)
{
    for (size_t i = 0; i < n;) {
        size_t end = i, rows = 0;
        while (end < n && (end == i || rows < CHUNK_ROWS)) {
            rows += p->first[pair[end].cls + 1] - p->first[pair[end].cls];
            end++;
        }
        gp_arena_mark mark = gp_arena_mark_get(m->work);
        gp_text_save s = {.plan = p, .deep = deep, .n = end - i, .pair = pair + i, .where = where + i};
        gopro_status st = run_pairs(m, &s, out, contexts, m->work, false, err);
        gp_arena_pop(m->work, mark);
        GP_TRY(st);
        i = end;
    }
    return GOPRO_OK;
}

static gopro_status check_deep(const gp_text_plan *p, const gp_slot_rows *deep, gopro_error *err)
{
    const size_t blocks = p->m->w->arch.t.layers;
    if (deep->n != p->M || p->in_prefix != p->M)
        return gp_fail(err, GOPRO_E_INVALID, "deep prompts replace the %zu context tokens, all of them before the name; %zu rows given",
                       p->M, deep->n);
    if (deep->levels >= blocks)
        return gp_fail(err, GOPRO_E_INVALID, "deep prompts for %zu blocks after the first, the text tower has %zu", deep->levels,
                       blocks - 1);
    return GOPRO_OK;
}

gopro_status gp_text_fwd(gp_model *m, const gp_text_plan *p, gp_real *out, const gp_real *contexts, size_t C, const gp_pair *pairs,
                         size_t n, gp_arena *a, gp_text_save **save, gopro_error *err)
{
    return gp_text_deep_fwd(m, p, out, contexts, C, &(gp_slot_rows){.n = p->M}, pairs, n, a, save, err);
}

gopro_status gp_text_deep_fwd(gp_model *m, const gp_text_plan *p, gp_real *out, const gp_real *contexts, size_t C, const gp_slot_rows *deep,
                              const gp_pair *pairs, size_t n, gp_arena *a, gp_text_save **save, gopro_error *err)
{
    size_t n_context = p->M ? C : 1;
    if (deep->levels) GP_TRY(check_deep(p, deep, err));
    if (p->M && (!contexts || C == 0)) return gp_fail(err, GOPRO_E_INVALID, "prompts with %zu context tokens need contexts", p->M);
    if (n >= UINT32_MAX || n_context >= UINT32_MAX) return gp_fail(err, GOPRO_E_INVALID, "%zu prompts are too many for one call", n);
    for (size_t i = 0; i < n; i++)
        if (pairs[i].cls >= p->K || pairs[i].context >= n_context)
            return gp_fail(err, GOPRO_E_INVALID, "prompt %zu: context %u of %zu, class %u of %zu", i, pairs[i].context, n_context,
                           pairs[i].cls, p->K);
    gp_text_save *s = a ? gp_arena_alloc(a, 1, sizeof *s) : NULL;
    if (a && !s) return gp_fail_nomem(err, sizeof *s, "saved text activations");
    gp_arena_mark mark = gp_arena_mark_get(m->work);
    const gp_pair *sorted = NULL;
    const uint32_t *where = NULL;
    gopro_status st = sort_pairs(a ? a : m->work, &sorted, &where, pairs, n, n_context, err);
    if (st == GOPRO_OK && !a) st = run_chunks(m, p, out, contexts, *deep, sorted, where, n, err);
    if (st == GOPRO_OK && a) {
        *s = (gp_text_save){.plan = p, .deep = *deep, .n = n, .pair = sorted, .where = where};
        st = run_pairs(m, s, out, contexts, a, true, err);
        if (st == GOPRO_OK) *save = s;
    }
    gp_arena_pop(m->work, mark);
    return st;
}

void gp_text_embed(const gp_model *m, gp_real *out, const uint32_t *ids, size_t n)
{
    size_t D = m->w->arch.t.width;
    for (size_t i = 0; i < n; i++) memcpy(out + i * D, m->w->t_tok + ids[i] * D, D * sizeof *out);
}
