/* rows.c - operations that move or combine whole rows: slices, gathers, repetition, the mixing of layers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "grad/ops.h"

typedef struct tiled_rec {
    gp_var x, tile, y;
} tiled_rec;

/* dx += dy, dtile += the sum of dy over its repetitions */
static void add_tiled_bwd(gp_tape *t, const void *record)
{
    const tiled_rec *r = record;
    const gp_kernels *k = gp_tape_compute(t)->k;
    const size_t n = r->tile.rows * r->tile.cols;
    if (r->x.g) k->add(r->x.g, r->y.g, r->y.rows * r->y.cols);
    if (r->tile.g)
        for (size_t i = 0; i < r->y.rows / r->tile.rows; i++) k->add(r->tile.g, r->y.g + i * n, n);
    gp_reach(r->x);
    gp_reach(r->tile);
}

gp_var gp_add_tiled(gp_tape *t, gp_var x, gp_var tile)
{
    gp_var y = gp_tape_var(t, x.rows, x.cols, x.g || tile.g);
    if (!y.v) return y;
    assert(x.cols == tile.cols && x.rows % tile.rows == 0);
    const size_t n = tile.rows * tile.cols;
    for (size_t i = 0; i < x.rows / tile.rows; i++)
        for (size_t j = 0; j < n; j++) y.v[i * n + j] = x.v[i * n + j] + tile.v[j];
    if (y.g) gp_tape_push(t, add_tiled_bwd, y, &(tiled_rec){x, tile, y}, sizeof(tiled_rec));
    return y;
}

typedef struct gather_rec {
    gp_var x, y;
    const uint32_t *idx; /* NULL: row i of y is row i / times of x */
    size_t times;
} gather_rec;

static void gather_bwd(gp_tape *t, const void *record)
{
    const gather_rec *r = record;
    const gp_kernels *k = gp_tape_compute(t)->k;
    const size_t cols = r->x.cols;
    for (size_t i = 0; i < r->y.rows; i++) {
        const size_t from = r->idx ? r->idx[i] : i / r->times;
        k->add(r->x.g + from * cols, r->y.g + i * cols, cols);
    }
    gp_reach(r->x);
}

gp_var gp_repeat_rows(gp_tape *t, gp_var x, size_t times)
{
    gp_var y = gp_tape_var(t, x.rows * times, x.cols, x.g != NULL);
    if (!y.v) return y;
    for (size_t i = 0; i < y.rows; i++) memcpy(y.v + i * x.cols, x.v + i / times * x.cols, x.cols * sizeof *y.v);
    if (y.g) gp_tape_push(t, gather_bwd, y, &(gather_rec){x, y, NULL, times}, sizeof(gather_rec));
    return y;
}

gp_var gp_gather(gp_tape *t, gp_var x, const uint32_t *idx, size_t n)
{
    gp_var y = gp_tape_var(t, n, x.cols, x.g != NULL);
    if (!y.v) return y;
    for (size_t i = 0; i < n; i++) {
        assert(idx[i] < x.rows);
        memcpy(y.v + i * x.cols, x.v + idx[i] * x.cols, x.cols * sizeof *y.v);
    }
    if (!y.g) return y;
    uint32_t *copy = gp_arena_alloc_raw(gp_tape_arena(t), n, sizeof *copy);
    if (!copy) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for row indices");
        return (gp_var){0};
    }
    memcpy(copy, idx, n * sizeof *copy);
    gp_tape_push(t, gather_bwd, y, &(gather_rec){x, y, copy, 1}, sizeof(gather_rec));
    return y;
}

gp_var gp_rows(gp_tape *t, gp_var x, size_t first, size_t n)
{
    if (gp_tape_failed(t)) return (gp_var){0};
    assert(first <= x.rows && n <= x.rows - first);
    return (gp_var){.v = x.v + first * x.cols, .g = x.g ? x.g + first * x.cols : NULL, .reached = x.reached, .rows = n, .cols = x.cols};
}

typedef struct list_rec {
    const gp_var *x;
    size_t n;
    gp_var a, y; /* a: the mixing weights of mix_layers */
} list_rec;

static const gp_var *copy_list(gp_tape *t, const gp_var *x, size_t n)
{
    gp_var *copy = gp_arena_alloc_raw(gp_tape_arena(t), n, sizeof *copy);
    if (copy)
        memcpy(copy, x, n * sizeof *copy);
    else
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the records of a step");
    return copy;
}

static void concat_bwd(gp_tape *t, const void *record)
{
    const list_rec *r = record;
    const gp_kernels *k = gp_tape_compute(t)->k;
    const gp_real *dy = r->y.g;
    for (size_t i = 0; i < r->n; i++) {
        const size_t n = r->x[i].rows * r->x[i].cols;
        if (r->x[i].g) k->add(r->x[i].g, dy, n);
        gp_reach(r->x[i]);
        dy += n;
    }
}

gp_var gp_concat_rows(gp_tape *t, const gp_var *x, size_t n)
{
    size_t rows = 0;
    bool wants = false;
    if (gp_tape_failed(t)) return (gp_var){0};
    for (size_t i = 0; i < n; i++) {
        assert(x[i].cols == x[0].cols);
        rows += x[i].rows;
        wants = wants || x[i].g;
    }
    gp_var y = gp_tape_var(t, rows, x[0].cols, wants);
    if (!y.v) return y;
    gp_real *to = y.v;
    for (size_t i = 0; i < n; i++) {
        memcpy(to, x[i].v, x[i].rows * x[i].cols * sizeof *to);
        to += x[i].rows * x[i].cols;
    }
    if (y.g) gp_tape_push(t, concat_bwd, y, &(list_rec){.x = copy_list(t, x, n), .n = n, .y = y}, sizeof(list_rec));
    return y;
}

/* da_ml += <dy_im, f_li>, df_li += sum_m a_ml dy_im (METHODS 3.11) */
static void mix_layers_bwd(gp_tape *t, const void *record)
{
    const list_rec *r = record;
    const gp_kernels *k = gp_tape_compute(t)->k;
    const size_t M = r->a.rows, L = r->n, cols = r->y.cols;
    for (size_t row = 0; row < r->y.rows; row++) {
        const size_t i = row / M, m = row % M;
        const gp_real *dy = r->y.g + row * cols;
        for (size_t l = 0; l < L; l++) {
            const gp_var f = r->x[l];
            if (r->a.g) r->a.g[m * L + l] += (gp_real)k->dot(dy, f.v + i * cols, cols);
            if (f.g) k->axpy(f.g + i * cols, r->a.v[m * L + l], dy, cols);
        }
    }
    gp_reach(r->a);
    for (size_t l = 0; l < L; l++) gp_reach(r->x[l]);
}

gp_var gp_mix_layers(gp_tape *t, gp_var a, const gp_var *f, size_t L)
{
    if (gp_tape_failed(t)) return (gp_var){0};
    bool wants = a.g != NULL;
    assert(a.cols == L);
    for (size_t l = 0; l < L; l++) {
        assert(f[l].rows == f[0].rows && f[l].cols == f[0].cols);
        wants = wants || f[l].g;
    }
    const size_t M = a.rows, cols = f[0].cols;
    gp_var y = gp_tape_var(t, f[0].rows * M, cols, wants);
    if (!y.v) return y;
    const gp_kernels *k = gp_tape_compute(t)->k;
    memset(y.v, 0, y.rows * cols * sizeof *y.v);
    for (size_t row = 0; row < y.rows; row++)
        for (size_t l = 0; l < L; l++) k->axpy(y.v + row * cols, a.v[row % M * L + l], f[l].v + row / M * cols, cols);
    if (y.g) gp_tape_push(t, mix_layers_bwd, y, &(list_rec){.x = copy_list(t, f, L), .n = L, .a = a, .y = y}, sizeof(list_rec));
    return y;
}
