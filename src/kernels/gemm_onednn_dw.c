/* gemm_onednn_dw.c - weight gradients on oneDNN: dW += dy^T x, in float or with both inputs converted to bf16 first.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/onednn.h"

#ifndef GP_REAL_IS_DOUBLE

#include <string.h>

/* Blocks of DW_BLOCK output rows, each reduced over all rows by one worker, in the order of the rows. */
#define DW_BLOCK 64

typedef struct dw_f32 {
    gp_compute *c;
    float *dw;
    const float *dy, *x;
    size_t rows, out, in;
} dw_f32;

static void dw_f32_block(void *arg, size_t block, size_t worker)
{
    (void)worker;
    const dw_f32 *j = arg;
    const size_t o = block * DW_BLOCK, n = gp_min_size(DW_BLOCK, j->out - o);
    gp_onednn_sgemm(j->c, true, false, n, j->in, j->rows, 1.0f, j->dy + o, j->out, j->x, j->in, 1.0f, j->dw + o * j->in, j->in);
}

void gp_onednn_dw_f32(gp_compute *c, float *dw, const float *dy, const float *x, size_t rows, size_t out, size_t in)
{
    dw_f32 j = {c, dw, dy, x, rows, out, in};
    gp_parallel_for(c->pool, (out + DW_BLOCK - 1) / DW_BLOCK, dw_f32_block, &j);
}

/* In bf16 the product is C [m, n] = A^T B, A [rows, m] and B [rows, n], m <= n: dW if out <= in, else its transpose, because
 * transposing costs more than packing.  DW_CHUNK rows make one product; A^T and B of DW_PASS chunks are converted at a time. */
#define DW_CHUNK   1024
#define DW_PASS    4
#define DW_CONVERT 128 /* rows that one call converts */

typedef struct dw_bf16 {
    gp_compute *c;
    float *out; /* C */
    const float *a, *b;
    size_t rows, m, n;
    size_t first, n_chunks; /* of the current pass: first row, number of chunks */
    uint16_t *at, *bp;      /* A^T and packed B: [chunk][m][padded rows], [chunk][packed] */
    size_t at_size, bp_size;
    dnnl_memory_desc_t full_md, tail_md; /* of packed B */
    size_t tail_pad;                     /* rows of the last chunk, padded */
    size_t nb;                           /* columns of a block of the packed layout */
    dnnl_memory_t mem[DW_PASS];
} dw_bf16;

/* Rows of chunk i of the pass, and what they are padded to. */
static size_t chunk_rows(const dw_bf16 *j, size_t i, size_t *padded)
{
    const size_t n = gp_min_size(DW_CHUNK, j->rows - j->first - i * DW_CHUNK);
    *padded = n == DW_CHUNK ? n : j->tail_pad;
    return n;
}

static void dw_convert(void *arg, size_t block, size_t worker)
{
    (void)worker;
    const dw_bf16 *j = arg;
    const gp_bf16_ops *ops = gp_full(j->c)->bf16;
    const size_t i = block / (DW_CHUNK / DW_CONVERT), r = block % (DW_CHUNK / DW_CONVERT) * DW_CONVERT;
    size_t padded;
    const size_t all = chunk_rows(j, i, &padded);
    if (r >= padded) return;
    const size_t n = r < all ? gp_min_size(DW_CONVERT, all - r) : 0, fill = gp_min_size(DW_CONVERT, padded - r);
    const size_t row = j->first + i * DW_CHUNK + gp_min_size(r, all);
    uint16_t *at = j->at + i * j->at_size + r;
    ops->transpose(at, padded, j->a + row * j->m, j->m, n, j->m);
    for (size_t k = 0; n < fill && k < j->m; k++) memset(at + k * padded + n, 0, (fill - n) * sizeof *at);
    ops->pack(j->bp + i * j->bp_size + r * j->nb, j->nb, padded, fill, j->b + row * j->n, j->n, n, j->n);
}

static void dw_bf16_block(void *arg, size_t block, size_t worker)
{
    const dw_bf16 *j = arg;
    const size_t first = block * DW_BLOCK, m = gp_min_size(DW_BLOCK, j->m - first);
    gp_dnnl_one_thread();
    for (size_t i = 0; i < j->n_chunks; i++) {
        size_t padded;
        chunk_rows(j, i, &padded);
        const gp_shape s = {.rows = m, .n = j->n, .k = padded, .bf16 = true, .add = true};
        const gp_prim *p = gp_dnnl_prim(gp_full(j->c)->onednn, &s, padded == DW_CHUNK ? &j->full_md : &j->tail_md);
        if (!p) {
            gp_compute_fail(j->c, GP_DNNL_BAD);
            return;
        }
        if (!gp_dnnl_run(j->c, worker, p, j->mem[i], j->out + first * j->n, j->at + i * j->at_size + first * padded, NULL)) return;
    }
}

/* The number of columns in a block if the layout is what gp_bf16_ops.pack writes for `rows` rows, else 0. */
static size_t pack_width(const dnnl_memory_desc_t *md, size_t rows)
{
    const dnnl_blocking_desc_t *b = &md->format_desc.blocking;
    if (md->format_kind != dnnl_blocked || b->inner_nblks != 3) return 0;
    if (b->inner_idxs[0] != 0 || b->inner_idxs[1] != 1 || b->inner_idxs[2] != 0 || b->inner_blks[2] != 2) return 0;
    const dnnl_dim_t nb = b->inner_blks[1], kb = b->inner_blks[0] * 2;
    if (nb % 16 || md->padded_dims[0] != (dnnl_dim_t)rows || md->offset0 != 0) return 0;
    return b->strides[0] == kb * nb && b->strides[1] == (dnnl_dim_t)rows * nb ? (size_t)nb : 0;
}

static bool dw_layout(dw_bf16 *j)
{
    gp_onednn *d = gp_full(j->c)->onednn;
    const size_t tail = j->rows % DW_CHUNK, m = gp_min_size(DW_BLOCK, j->m);
    j->tail_pad = (tail + 63) / 64 * 64;
    if (j->rows >= DW_CHUNK || j->tail_pad == DW_CHUNK) {
        if (!gp_dnnl_layout(d, m, j->n, DW_CHUNK, true, &j->full_md)) return false;
        if (!(j->nb = pack_width(&j->full_md, DW_CHUNK))) return false;
    }
    if (tail && j->tail_pad != DW_CHUNK) {
        if (!gp_dnnl_layout(d, m, j->n, j->tail_pad, true, &j->tail_md)) return false;
        const size_t nb = pack_width(&j->tail_md, j->tail_pad);
        if (nb == 0 || (j->nb && nb != j->nb)) return false;
        j->nb = nb;
    }
    return true;
}

static bool dw_pass(dw_bf16 *j)
{
    gp_compute_full *f = gp_full(j->c);
    const size_t left = j->rows - j->first;
    bool ok = true;
    j->n_chunks = gp_min_size(DW_PASS, (left + DW_CHUNK - 1) / DW_CHUNK);
    for (size_t i = 0; i < j->n_chunks; i++) {
        size_t padded;
        chunk_rows(j, i, &padded);
        const dnnl_memory_desc_t *md = padded == DW_CHUNK ? &j->full_md : &j->tail_md;
        j->mem[i] = NULL;
        if (ok) ok = dnnl_memory_create(&j->mem[i], md, f->onednn->engine, j->bp + i * j->bp_size) == dnnl_success;
    }
    if (ok) {
        gp_parallel_for(j->c->pool, j->n_chunks * (DW_CHUNK / DW_CONVERT), dw_convert, j);
        gp_parallel_for(j->c->pool, (j->m + DW_BLOCK - 1) / DW_BLOCK, dw_bf16_block, j);
    }
    for (size_t i = 0; i < j->n_chunks; i++)
        if (j->mem[i]) dnnl_memory_destroy(j->mem[i]);
    return ok;
}

typedef struct add_transposed {
    float *dw;
    const float *t;
    size_t out, in;
} add_transposed;

/* dW [out, in] += t [in, out]^T */
static void add_transposed_block(void *arg, size_t block, size_t worker)
{
    (void)worker;
    const add_transposed *j = arg;
    const size_t first = block * DW_BLOCK, last = gp_min_size(first + DW_BLOCK, j->out);
    for (size_t i = 0; i < j->in; i += 16)
        for (size_t o = first; o < last; o++)
            for (size_t k = i; k < gp_min_size(i + 16, j->in); k++) j->dw[o * j->in + k] += j->t[k * j->out + o];
}

bool gp_onednn_dw_bf16(gp_compute *c, float *dw, const float *dy, const float *x, size_t rows, size_t out, size_t in)
{
    gp_compute_full *f = gp_full(c);
    const bool swap = out > in;
    dw_bf16 j = {.c = c, .out = dw, .a = swap ? x : dy, .b = swap ? dy : x, .rows = rows, .m = swap ? in : out, .n = swap ? out : in};
    gp_dnnl_one_thread();
    if (!dw_layout(&j)) return false;
    const size_t chunk = rows < DW_CHUNK ? j.tail_pad : DW_CHUNK, n = gp_min_size(DW_PASS, (rows + DW_CHUNK - 1) / DW_CHUNK);
    j.at_size = chunk * j.m;
    j.bp_size = chunk * ((j.n + j.nb - 1) / j.nb * j.nb);
    j.at = gp_buf_get(&f->dw_a, n * j.at_size, sizeof *j.at);
    j.bp = gp_buf_get(&f->dw_b, n * j.bp_size, sizeof *j.bp);
    if (swap) j.out = gp_buf_get(&f->dw_c, out * in, sizeof *dw);
    if (!j.at || !j.bp || !j.out) {
        gp_compute_fail(c, GP_DNNL_NOMEM);
        return true;
    }
    if (swap) memset(j.out, 0, out * in * sizeof *dw);
    for (j.first = 0; j.first < rows; j.first += DW_PASS * DW_CHUNK)
        if (!dw_pass(&j)) gp_compute_fail(c, GP_DNNL_BAD);
    if (swap) {
        add_transposed t = {dw, j.out, out, in};
        gp_parallel_for(c->pool, (out + DW_BLOCK - 1) / DW_BLOCK, add_transposed_block, &t);
    }
    return true;
}

#endif
