/* layout.c - cutting packed rows into row blocks, attention segments and groups of segments.
 * SPDX-License-Identifier: Apache-2.0 */
#include "encoders/block.h"

#define GROUP_ROWS 64 /* query rows after which a group of segments is closed */

uint64_t gp_attn_macs(const gp_attn *a, bool backward)
{
    uint64_t pairs = 0;
    for (size_t i = 0; i < a->n_seg; i++) {
        const uint64_t nq = a->seg[i].nq, own = a->seg[i].n, pre = a->seg[i].n_pre;
        pairs += nq * (pre + own) - (a->causal ? nq * (nq - 1) / 2 : 0);
    }
    return pairs * a->width * (backward ? 4 : 2);
}

size_t gp_rows_blocks(const gp_compute *c, size_t rows)
{
    const size_t most = GP_ROW_BLOCK / c->row_unit * c->row_unit;
    if (rows <= 8 * most) return rows == 0 ? 0 : rows <= 32 ? 1 : rows <= 256 ? 2 : rows <= 512 ? 4 : 8;
    return ((rows + most - 1) / most + 7) / 8 * 8;
}

/* The units are spread evenly: of 148 units in 16 blocks, 12 blocks have 9 and 4 have 10. */
static size_t block_start(const gp_compute *c, size_t rows, size_t block)
{
    const size_t units = (rows + c->row_unit - 1) / c->row_unit;
    return gp_min_size(rows, block * units / gp_rows_blocks(c, rows) * c->row_unit);
}

size_t gp_rows_block_of(const gp_compute *c, size_t rows, size_t first)
{
    const size_t units = (rows + c->row_unit - 1) / c->row_unit;
    return (first / c->row_unit * gp_rows_blocks(c, rows) + units - 1) / units;
}

typedef struct rows_run {
    const gp_compute *c;
    gp_rows_fn *fn;
    void *arg;
    size_t rows;
} rows_run;

static void rows_task(void *arg, size_t block, size_t worker)
{
    const rows_run *r = arg;
    const size_t first = block_start(r->c, r->rows, block), end = block_start(r->c, r->rows, block + 1);
    if (end > first) r->fn(r->arg, first, end - first, worker);
}

void gp_rows_run(gp_compute *c, size_t rows, gp_rows_fn *fn, void *arg)
{
    rows_run r = {.c = c, .fn = fn, .arg = arg, .rows = rows};
    if (rows) gp_parallel_for(c->pool, gp_rows_blocks(c, rows), rows_task, &r);
}

typedef struct partial_run {
    const gp_kernels *k;
    const gp_partial *p;
} partial_run;

static void partial_task(void *arg, size_t block, size_t worker)
{
    (void)worker;
    const partial_run *r = arg;
    const gp_partial *p = &r->p[block];
    if (!p->dst) return;
    for (size_t b = 0; b < p->blocks; b++) r->k->add(p->dst, p->src + b * p->stride, p->n);
}

void gp_partial_sums(gp_compute *c, const gp_partial *p, size_t n)
{
    partial_run r = {.k = c->k, .p = p};
    gp_parallel_for(c->pool, n, partial_task, &r);
}

gp_real *gp_take(gp_arena *a, size_t rows, size_t cols, bool *ok)
{
    size_t bytes;
    gp_real *p = NULL;
    if (gp_mul_size(&bytes, cols, sizeof(gp_real))) p = gp_arena_alloc_raw(a, rows ? rows : 1, bytes ? bytes : 1);
    if (!p) *ok = false;
    return p;
}

typedef struct builder {
    gp_seg *seg, *qseg;
    gp_attn_group *group, *qgroup;
    uint32_t n_seg, n_group, n_qgroup, n_part;
    size_t open_rows; /* query rows in the open group */
} builder;

static void close_group(builder *b)
{
    b->open_rows = 0;
}

static void add_seg(builder *b, gp_seg s, uint32_t pre, uint32_t n_pre, bool parts)
{
    if (b->open_rows == 0) {
        b->group[b->n_group++] = (gp_attn_group){.seg = b->n_seg, .pre = pre, .n_pre = n_pre, .part = b->n_part};
        if (parts) b->n_part++;
    }
    b->seg[b->n_seg++] = s;
    b->group[b->n_group - 1].n_seg++;
    b->open_rows += s.nq;
    if (b->open_rows >= GROUP_ROWS) close_group(b);
}

static uint32_t spec_len(const gp_layout_spec *s, size_t i)
{
    return s->len ? s->len[i] : (uint32_t)s->same_len;
}

/* The last block's groups: the groups of the sequences again, one query for each sequence. */
static void add_query_groups(builder *b, const gp_layout_spec *s, uint32_t first_group)
{
    if (!s->q_split) {
        uint32_t first_seg = (uint32_t)s->n_owner;
        for (uint32_t g = first_group; g < b->n_group; g++) {
            b->qgroup[b->n_qgroup] = b->group[g];
            b->qgroup[b->n_qgroup++].seg -= first_seg;
        }
        return;
    }
    for (uint32_t i = 0; i < s->n; i++) b->qgroup[b->n_qgroup++] = (gp_attn_group){.seg = i, .n_seg = 1};
}

static void add_sequences(builder *b, gp_layout *l, const gp_layout_spec *s, uint32_t *query, uint32_t *owner_part)
{
    uint32_t row = (uint32_t)(s->n_owner * s->n_pre), n_pre = (uint32_t)s->n_pre, owner = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t n = spec_len(s, i), own = s->owner ? s->owner[i] : 0;
        while (owner < own) {
            close_group(b);
            owner_part[++owner] = b->n_part;
        }
        size_t piece = s->q_split ? s->q_split : n;
        for (size_t q = 0; q < n; q += piece) {
            uint32_t nq = (uint32_t)gp_min_size(piece, n - q);
            add_seg(b, (gp_seg){.q = row + (uint32_t)q, .nq = nq, .kv = row, .n = n, .n_pre = n_pre}, own * n_pre, n_pre, n_pre > 0);
        }
        query[i] = s->query_first ? row : row + n - 1;
        b->qseg[i] = (gp_seg){.q = i, .nq = 1, .kv = row, .n = n, .n_pre = n_pre};
        l->max_keys = gp_max_size(l->max_keys, (size_t)n + n_pre);
        l->max_q = gp_max_size(l->max_q, gp_min_size(piece, n));
        row += n;
    }
    while (s->n_owner && owner < s->n_owner) owner_part[++owner] = b->n_part;
}

gopro_status gp_layout_make(gp_layout *l, gp_arena *a, const gp_layout_spec *s, gopro_error *err)
{
    size_t rows = s->n_owner * s->n_pre, segs = s->n_owner;
    for (size_t i = 0; i < s->n; i++) {
        size_t n = spec_len(s, i);
        if (!gp_add_size(&rows, rows, n)) rows = SIZE_MAX;
        segs += s->q_split ? (n + s->q_split - 1) / s->q_split : 1;
    }
    if (rows >= UINT32_MAX || segs >= UINT32_MAX)
        return gp_fail(err, GOPRO_E_INVALID, "%zu sequences have too many rows for one pass (at most %u), use fewer at a time", s->n,
                       UINT32_MAX);
    builder b = {.seg = gp_arena_alloc(a, segs + 1, sizeof *b.seg),
                 .qseg = gp_arena_alloc(a, s->n + 1, sizeof *b.qseg),
                 .group = gp_arena_alloc(a, segs + 1, sizeof *b.group),
                 .qgroup = gp_arena_alloc(a, segs + 1, sizeof *b.qgroup)};
    uint32_t *query = gp_arena_alloc(a, s->n + 1, sizeof *query);
    uint32_t *owner_part = gp_arena_alloc(a, s->n_owner + 1, sizeof *owner_part);
    if (!b.seg || !b.qseg || !b.group || !b.qgroup || !query || !owner_part)
        return gp_fail_nomem(err, segs * sizeof(gp_seg), "attention segments");
    *l = (gp_layout){.rows = rows, .n_query = s->n, .n_owner = s->n_owner, .n_pre = s->n_pre, .causal = s->causal};
    for (uint32_t u = 0; u < s->n_owner; u++) {
        uint32_t n = (uint32_t)s->n_pre;
        add_seg(&b, (gp_seg){.q = u * n, .nq = n, .kv = u * n, .n = n}, 0, 0, false);
    }
    close_group(&b);
    uint32_t first_group = b.n_group;
    add_sequences(&b, l, s, query, owner_part);
    add_query_groups(&b, s, first_group);
    l->max_keys = gp_max_size(l->max_keys, s->n_pre);
    l->max_q = gp_max_size(l->max_q, s->n_pre);
    l->query = query;
    l->owner_part = owner_part;
    l->n_part = b.n_part;
    l->all = (gp_attn_plan){.seg = b.seg, .group = b.group, .n_group = b.n_group};
    l->last = (gp_attn_plan){.seg = b.qseg, .group = b.qgroup, .n_group = b.n_qgroup};
    return GOPRO_OK;
}
