/* compute.c - the pool, the kernel table and each worker's memory, in one object.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/compute.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/gemm_impl.h"

#define SCRATCH_BYTES ((size_t)64 << 10)

void *gp_buf_get(gp_buf *b, size_t count, size_t size)
{
    size_t bytes;
    if (!gp_mul_size(&bytes, count ? count : 1, size) || !gp_add_size(&bytes, bytes, GP_ALIGN - 1)) return NULL;
    bytes = bytes / GP_ALIGN * GP_ALIGN;
    if (bytes <= b->bytes) return b->p;
    gp_buf_free(b);
    b->p = aligned_alloc(GP_ALIGN, bytes);
    b->bytes = b->p ? bytes : 0;
    return b->p;
}

void gp_buf_free(gp_buf *b)
{
    free(b->p);
    *b = (gp_buf){NULL, 0};
}

/* "ref", "avx2", "avx512" or "avx512_bf16", or nothing. */
static gopro_status check_cpu(const char *cpu, gopro_error *err)
{
    if (!cpu || !*cpu) return GOPRO_OK;
    for (size_t i = 0; i < GP_N_CPU; i++)
        if (strcmp(cpu, gp_cpu_names[i]) == 0) return GOPRO_OK;
    return gp_fail(err, GOPRO_E_INVALID, "unknown kind of processor '%s' (expected ref, avx2, avx512 or avx512_bf16)", cpu);
}

static gopro_status create_workers(gp_compute_full *f, gopro_error *err)
{
    const size_t n = gp_pool_size(f->pub.pool);
    f->pub.worker = calloc(n, sizeof *f->pub.worker);
    if (!f->pub.worker) return gp_fail_nomem(err, n * sizeof *f->pub.worker, "the workers");
    for (size_t i = 0; i < n; i++) {
        gp_worker *w = f->pub.worker[i] = calloc(1, sizeof *w);
        if (!w || !(w->scratch = gp_arena_create(SCRATCH_BYTES))) return gp_fail_nomem(err, SCRATCH_BYTES, "a worker's scratch memory");
    }
    return GOPRO_OK;
}

gopro_status gp_compute_create(gp_compute **c, size_t n_threads, const char *cpu, gopro_error *err)
{
    *c = NULL;
    GP_TRY(check_cpu(cpu, err));
    gp_compute_full *f = calloc(1, sizeof *f);
    if (!f) return gp_fail_nomem(err, sizeof *f, "the compute context");
    gp_compute *t = &f->pub;
    gopro_status st = GOPRO_OK;
    atomic_init(&f->failed, NULL);
    atomic_init(&f->macs, 0);
    t->k = gp_kernels_select(cpu);
    f->bf16 = gp_bf16_select(cpu);
    t->plain_gemm = cpu && strcmp(cpu, "ref") == 0;
    t->row_unit = GP_ROW_UNIT;
    GP_CHECK(gp_pool_create(&t->pool, n_threads, err));
    GP_CHECK(create_workers(f, err));
#ifdef GP_REAL_IS_DOUBLE
    t->plain_gemm = true;
#else
    if (!t->plain_gemm) GP_CHECK(gp_onednn_create(f, err));
#endif
out:
    if (st == GOPRO_OK)
        *c = t;
    else
        gp_compute_free(&t);
    return st;
}

void gp_compute_free(gp_compute **c)
{
    if (!c || !*c) return;
    gp_compute_full *f = gp_full(*c);
    gp_compute *t = &f->pub;
#ifndef GP_REAL_IS_DOUBLE
    gp_onednn_free(f);
#endif
    for (size_t i = 0; t->worker && i < gp_pool_size(t->pool); i++) {
        gp_worker *w = t->worker[i];
        if (!w) continue;
        gp_arena_free(&w->scratch);
        gp_buf_free(&w->x);
        gp_buf_free(&w->y);
        gp_buf_free(&w->work);
        free(w);
    }
    free(t->worker);
    gp_buf_free(&f->dw_a);
    gp_buf_free(&f->dw_b);
    gp_buf_free(&f->dw_c);
    gp_pool_free(&t->pool);
    free(f);
    *c = NULL;
}

typedef struct rows_job {
    size_t rows;
    gp_rows_fn *fn;
    void *arg;
} rows_job;

static void rows_block(void *arg, size_t block, size_t worker)
{
    const rows_job *j = arg;
    const size_t first = block * GP_ROW_BLOCK;
    j->fn(j->arg, first, gp_min_size(GP_ROW_BLOCK, j->rows - first), worker);
}

void gp_parallel_rows(gp_compute *c, size_t rows, gp_rows_fn *fn, void *arg)
{
    rows_job j = {rows, fn, arg};
    gp_parallel_for(c->pool, rows / GP_ROW_BLOCK + (rows % GP_ROW_BLOCK != 0), rows_block, &j);
}

gp_real *gp_scratch(gp_compute *c, size_t worker, size_t n)
{
    gp_real *p = gp_arena_alloc_raw(c->worker[worker]->scratch, n, sizeof *p);
    if (!p) gp_compute_fail(c, "out of memory for scratch");
    return p;
}

void gp_scratch_reset(gp_compute *c, size_t worker)
{
    gp_arena_pop(c->worker[worker]->scratch, (gp_arena_mark){NULL, 0});
}

/* The first message stays; it must be a string that outlives the compute context (a literal). */
void gp_compute_fail(gp_compute *c, const char *what)
{
    const char *none = NULL;
    atomic_compare_exchange_strong(&gp_full(c)->failed, &none, what);
}

gopro_status gp_compute_check(gp_compute *c, gopro_error *err)
{
    const char *what = atomic_exchange(&gp_full(c)->failed, NULL);
    if (!what) return GOPRO_OK;
    return gp_fail(err, strncmp(what, "out of memory", 13) == 0 ? GOPRO_E_NOMEM : GOPRO_E_UNSUPPORTED, "%s", what);
}
