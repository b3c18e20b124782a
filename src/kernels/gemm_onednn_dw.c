/* gemm_onednn_dw.c - weight gradients on oneDNN: dW += dy^T x, in float or with both inputs converted to bf16 first.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/onednn.h"

#ifndef GP_REAL_IS_DOUBLE

#include <string.h>

/* Blocks of DW_BLOCK output rows, each reduced over all rows by one worker, in the order of the rows. */

#define DW_BLOCK 64
#define DW_CHUNK 1024 /* rows that one bf16 product reduces over */
#define DW_PASS  8    /* chunks that are converted at a time */

typedef struct dw_job {
    gp_compute *c;
    float *dw;
    const float *dy, *x;
    size_t rows, out, in;
    size_t first, n_chunks; /* of the current pass: first row, number of chunks */
    uint16_t *a, *b;        /* dy^T and x of the pass, converted: [chunk][out][DW_CHUNK], [chunk][packed] */
    size_t a_size, b_size;  /* elements of a chunk */
    dnnl_memory_desc_t full_md, tail_md;
    size_t tail_pad; /* rows of the last chunk, padded */
    size_t nb;       /* columns of a block of the packed layout */
    dnnl_memory_t mem[DW_PASS];
} dw_job;

static void dw_f32_block(void *arg, size_t block, size_t worker)
{
    (void)worker;
    const dw_job *j = arg;
    const size_t o = block * DW_BLOCK, n = gp_min_size(DW_BLOCK, j->out - o);
    gp_onednn_sgemm(j->c, true, false, n, j->in, j->rows, 1.0f, j->dy + o, j->out, j->x, j->in, 1.0f, j->dw + o * j->in, j->in);
}

void gp_onednn_dw_f32(gp_compute *c, float *dw, const float *dy, const float *x, size_t rows, size_t out, size_t in)
{
    dw_job j = {.c = c, .dw = dw, .dy = dy, .x = x, .rows = rows, .out = out, .in = in};
    gp_parallel_for(c->pool, (out + DW_BLOCK - 1) / DW_BLOCK, dw_f32_block, &j);
}

/* Rows of chunk i of the pass, and what they are padded to. */
static size_t chunk_rows(const dw_job *j, size_t i, size_t *padded)
{
    const size_t n = gp_min_size(DW_CHUNK, j->rows - j->first - i * DW_CHUNK);
    *padded = n == DW_CHUNK ? n : j->tail_pad;
    return n;
}

static void dw_convert(void *arg, size_t i, size_t worker)
{
    (void)worker;
    const dw_job *j = arg;
    const gp_bf16_ops *ops = gp_full(j->c)->bf16;
    const size_t first = j->first + i * DW_CHUNK;
    size_t padded;
    const size_t n = chunk_rows(j, i, &padded);
    uint16_t *a = j->a + i * j->a_size;
    ops->transpose(a, padded, j->dy + first * j->out, j->out, n, j->out);
    for (size_t o = 0; n < padded && o < j->out; o++) memset(a + o * padded + n, 0, (padded - n) * sizeof *a);
    ops->pack(j->b + i * j->b_size, j->nb, padded, j->x + first * j->in, j->in, n, j->in);
}

static void dw_bf16_block(void *arg, size_t block, size_t worker)
{
    const dw_job *j = arg;
    const size_t o = block * DW_BLOCK, n = gp_min_size(DW_BLOCK, j->out - o);
    gp_dnnl_one_thread();
    for (size_t i = 0; i < j->n_chunks; i++) {
        size_t padded;
        chunk_rows(j, i, &padded);
        const gp_shape s = {.rows = n, .n = j->in, .k = padded, .bf16 = true, .add = true};
        const gp_prim *p = gp_dnnl_prim(gp_full(j->c)->onednn, &s, padded == DW_CHUNK ? &j->full_md : &j->tail_md);
        if (!p) {
            gp_compute_fail(j->c, GP_DNNL_BAD);
            return;
        }
        if (!gp_dnnl_run(j->c, worker, p, j->mem[i], j->dw + o * j->in, j->a + i * j->a_size + o * padded, NULL)) return;
    }
}

/* The number of columns in a block if the layout is what gp_bf16_ops.pack writes for `rows` rows, else 0. */
static size_t pack_width(const dnnl_memory_desc_t *md, size_t rows)
{
    const dnnl_blocking_desc_t *b = &md->format_desc.blocking;
    if (md->format_kind != dnnl_blocked || b->inner_nblks != 3) return 0;
    if (b->inner_idxs[0] != 0 || b->inner_idxs[1] != 1 || b->inner_idxs[2] != 0 || b->inner_blks[2] != 2) return 0;
    const dnnl_dim_t nb = b->inner_blks[1], kb = b->inner_blks[0] * 2;
    if (md->padded_dims[0] != (dnnl_dim_t)rows || md->offset0 != 0) return 0;
    return b->strides[0] == kb * nb && b->strides[1] == (dnnl_dim_t)rows * nb ? (size_t)nb : 0;
}

static bool dw_layout(dw_job *j)
{
    gp_onednn *d = gp_full(j->c)->onednn;
    const size_t tail = j->rows % DW_CHUNK, m = gp_min_size(DW_BLOCK, j->out);
    j->tail_pad = (tail + 63) / 64 * 64;
    j->nb = 0;
    if (j->rows >= DW_CHUNK || j->tail_pad == DW_CHUNK) {
        if (!gp_dnnl_layout(d, m, j->in, DW_CHUNK, true, &j->full_md)) return false;
        if (!(j->nb = pack_width(&j->full_md, DW_CHUNK))) return false;
    }
    if (tail && j->tail_pad != DW_CHUNK) {
        if (!gp_dnnl_layout(d, m, j->in, j->tail_pad, true, &j->tail_md)) return false;
        const size_t nb = pack_width(&j->tail_md, j->tail_pad);
        if (nb == 0 || (j->nb && nb != j->nb)) return false;
        j->nb = nb;
    }
    return true;
}

static bool dw_pass(dw_job *j)
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
        if (ok) ok = dnnl_memory_create(&j->mem[i], md, f->onednn->engine, j->b + i * j->b_size) == dnnl_success;
    }
    if (ok) {
        gp_parallel_for(j->c->pool, j->n_chunks, dw_convert, j);
        gp_parallel_for(j->c->pool, (j->out + DW_BLOCK - 1) / DW_BLOCK, dw_bf16_block, j);
    }
    for (size_t i = 0; i < j->n_chunks; i++)
        if (j->mem[i]) dnnl_memory_destroy(j->mem[i]);
    return ok;
}

bool gp_onednn_dw_bf16(gp_compute *c, float *dw, const float *dy, const float *x, size_t rows, size_t out, size_t in)
{
    dw_job j = {.c = c, .dw = dw, .dy = dy, .x = x, .rows = rows, .out = out, .in = in};
    gp_dnnl_one_thread();
    if (!dw_layout(&j)) return false;
    const size_t chunk = rows < DW_CHUNK ? j.tail_pad : DW_CHUNK;
    const size_t n = gp_min_size(DW_PASS, (rows + DW_CHUNK - 1) / DW_CHUNK);
    j.a_size = chunk * out;
    j.b_size = chunk * ((in + j.nb - 1) / j.nb * j.nb);
    j.a = gp_buf_get(&gp_full(c)->dw_a, n * j.a_size, sizeof *j.a);
    j.b = gp_buf_get(&gp_full(c)->dw_b, n * j.b_size, sizeof *j.b);
    if (!j.a || !j.b) {
        gp_compute_fail(c, GP_DNNL_NOMEM);
        return true;
    }
    for (j.first = 0; j.first < rows; j.first += DW_PASS * DW_CHUNK)
        if (!dw_pass(&j)) gp_compute_fail(c, GP_DNNL_BAD);
    return true;
}

#endif
