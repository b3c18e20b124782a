/* gemm_onednn.c - the only file that knows oneDNN: weights packed once, primitives cached by shape, run on the calling worker.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/onednn.h"

#ifndef GP_REAL_IS_DOUBLE

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the OpenMP runtime that oneDNN is built with; its header belongs to one compiler. */
extern void omp_set_num_threads(int n);

/* oneDNN's gemm:jit, which multiplies on processors without AVX-512, works on blocks of 8 units of 6 rows, the last two blocks in two
 * halves where they are not full; and a unit of one to three rows sums in another order.  A product of whole units, an even number of them
 * or at most 8, has no such unit: with those alone a row's product does not depend on the rows beside it.  (It copies its inputs, and sums
 * otherwise, when a call has more than JIT_MOST rows.) */
#define JIT_UNIT  6
#define JIT_BLOCK 8
#define JIT_MOST  263
_Static_assert(GP_ROW_BLOCK <= JIT_MOST, "a block of rows is one call of gemm:jit");

#define B_SHARED 64 /* rows of B of a multiple of this many numbers begin in at most 16 of a first-level cache's 64 sets ... */
#define B_SPREAD 16 /* ... and get so many more, one line: an odd number of lines apart, they begin in all */

/* oneDNN's OpenMP must not start threads of its own: each worker says so once. */
void gp_dnnl_one_thread(void)
{
    static _Thread_local bool held;
    if (held) return;
    omp_set_num_threads(1);
    held = true;
}

static bool same(const gp_shape *a, const gp_shape *b)
{
    return a->rows == b->rows && a->n == b->n && a->k == b->k && a->bf16 == b->bf16 && a->add == b->add && a->bias == b->bias &&
           a->half == b->half;
}

static size_t bucket_of(const gp_shape *s)
{
    uint64_t h = s->rows;
    h = h * 0x9e3779b97f4a7c15u + s->n;
    h = h * 0x9e3779b97f4a7c15u + s->k;
    h = h * 0x9e3779b97f4a7c15u + (uint64_t)s->half * 8 + (uint64_t)s->bf16 * 4 + (uint64_t)s->add * 2 + s->bias;
    return (size_t)(h >> 32) % GP_DNNL_BUCKETS;
}

static void md_2d(dnnl_memory_desc_t *md, size_t rows, size_t cols, bool bf16, dnnl_format_tag_t tag)
{
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)cols};
    dnnl_memory_desc_init_by_tag(md, 2, dims, bf16 ? dnnl_bf16 : dnnl_f32, tag);
}

/* wei: the layout of B, NULL to let oneDNN choose it. */
static dnnl_status_t matmul_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const gp_shape *s, const dnnl_memory_desc_t *wei)
{
    dnnl_memory_desc_t src, any, dst, bias;
    md_2d(&src, s->rows, s->k, s->bf16, dnnl_ab);
    md_2d(&any, s->k, s->n, s->bf16, dnnl_format_tag_any);
    md_2d(&dst, s->rows, s->n, s->half, dnnl_ab);
    md_2d(&bias, 1, s->n, false, dnnl_ab);
    dnnl_matmul_desc_t desc;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t st = dnnl_matmul_desc_init(&desc, &src, wei ? wei : &any, s->bias ? &bias : NULL, &dst);
    if (st == dnnl_success) st = dnnl_primitive_attr_create(&attr);
    if (st == dnnl_success) st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success && s->add) {
        st = dnnl_post_ops_create(&ops);
        if (st == dnnl_success) st = dnnl_post_ops_append_sum(ops, 1.0f);
        if (st == dnnl_success) st = dnnl_primitive_attr_set_post_ops(attr, ops);
    }
    if (st == dnnl_success) st = dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL);
    if (ops) dnnl_post_ops_destroy(ops);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return st;
}

static void prim_free(gp_onednn *d, gp_prim *p)
{
    if (!p) return;
    for (size_t i = 0; p->slot && i < d->n_workers; i++) {
        if (p->slot[i].src) dnnl_memory_destroy(p->slot[i].src);
        if (p->slot[i].dst) dnnl_memory_destroy(p->slot[i].dst);
        if (p->slot[i].bias) dnnl_memory_destroy(p->slot[i].bias);
        if (p->slot[i].work) dnnl_memory_destroy(p->slot[i].work);
    }
    free(p->slot);
    if (p->p) dnnl_primitive_destroy(p->p);
    free(p);
}

static bool slots_create(gp_onednn *d, const gp_prim *p, gp_prim_slots *s)
{
    return dnnl_memory_create(&s->src, &p->src, d->engine, DNNL_MEMORY_NONE) == dnnl_success &&
           dnnl_memory_create(&s->dst, &p->dst, d->engine, DNNL_MEMORY_NONE) == dnnl_success &&
           (!p->key.bias || dnnl_memory_create(&s->bias, &p->bias, d->engine, DNNL_MEMORY_NONE) == dnnl_success) &&
           dnnl_memory_create(&s->work, &p->work, d->engine, DNNL_MEMORY_NONE) == dnnl_success;
}

static gp_prim *prim_create(gp_onednn *d, const gp_shape *s, const dnnl_memory_desc_t *wei)
{
    gp_prim *p = calloc(1, sizeof *p);
    dnnl_primitive_desc_t pd = NULL;
    bool ok = p && (p->slot = calloc(d->n_workers, sizeof *p->slot)) && matmul_pd(&pd, d->engine, s, wei) == dnnl_success &&
              dnnl_primitive_create(&p->p, pd) == dnnl_success;
    if (ok) {
        p->key = *s;
        p->src = *dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0);
        p->wei = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
        p->dst = *dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
        p->work = *dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
        md_2d(&p->bias, 1, s->n, false, dnnl_ab);
    }
    for (size_t i = 0; ok && i < d->n_workers; i++) ok = slots_create(d, p, &p->slot[i]);
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (ok) return p;
    prim_free(d, p);
    return NULL;
}

static gp_prim *find(gp_prim *p, const gp_shape *s)
{
    while (p && !same(&p->key, s)) p = p->next;
    return p;
}

/* Primitives are only ever added, at the head of their bucket, so a reader needs no lock. */
gp_prim *gp_dnnl_prim(gp_onednn *d, const gp_shape *s, const dnnl_memory_desc_t *wei)
{
    _Atomic(gp_prim *) *b = &d->bucket[bucket_of(s)];
    gp_prim *p = find(atomic_load_explicit(b, memory_order_acquire), s);
    if (p) return p;
    pthread_mutex_lock(&d->lock);
    p = find(atomic_load_explicit(b, memory_order_relaxed), s);
    if (!p && (p = prim_create(d, s, wei))) {
        p->next = atomic_load_explicit(b, memory_order_relaxed);
        atomic_store_explicit(b, p, memory_order_release);
    }
    pthread_mutex_unlock(&d->lock);
    return p;
}

/* oneDNN takes its inputs by pointers that are not const; it does not write to them. */
static void *unconst(const void *p)
{
    return (void *)(uintptr_t)p;
}

bool gp_dnnl_run(gp_compute *c, size_t worker, const gp_prim *p, dnnl_memory_t wei, void *y, const void *x, const float *bias)
{
    gp_worker *w = c->worker[worker];
    gp_prim_slots *s = &p->slot[worker];
    void *work = gp_buf_get(&w->work, dnnl_memory_desc_get_size(&p->work), 1);
    if (!work) {
        gp_compute_fail(c, GP_DNNL_NOMEM);
        return false;
    }
    bool ok = dnnl_memory_set_data_handle(s->src, unconst(x)) == dnnl_success && dnnl_memory_set_data_handle(s->dst, y) == dnnl_success &&
              dnnl_memory_set_data_handle(s->work, work) == dnnl_success;
    dnnl_exec_arg_t arg[5] = {
        {DNNL_ARG_SRC, s->src}, {DNNL_ARG_WEIGHTS, wei}, {DNNL_ARG_DST, s->dst}, {DNNL_ARG_SCRATCHPAD, s->work}, {DNNL_ARG_BIAS, s->bias},
    };
    if (ok && bias) ok = dnnl_memory_set_data_handle(s->bias, unconst(bias)) == dnnl_success;
    if (ok) ok = dnnl_primitive_execute(p->p, w->stream, bias ? 5 : 4, arg) == dnnl_success && dnnl_stream_wait(w->stream) == dnnl_success;
    if (!ok) gp_compute_fail(c, GP_DNNL_BAD);
    return ok;
}

static bool plain_rows(const dnnl_memory_desc_t *md)
{
    const dnnl_blocking_desc_t *b = &md->format_desc.blocking;
    return md->format_kind == dnnl_blocked && b->inner_nblks == 0 && b->strides[1] == 1;
}

/* gemm:jit's rows of B that are a large power of two apart drive each other out of the first-level cache: products with n = 3072 ran at
 * half their speed (docs/PERFORMANCE.md).  A row's sum is the same. */
static void spread_rows(dnnl_memory_desc_t *md)
{
    const dnnl_dim_t n = md->dims[1];
    if (!plain_rows(md) || n % B_SHARED) return;
    const dnnl_dims_t dims = {md->dims[0], n}, strides = {n + B_SPREAD, 1};
    const dnnl_data_type_t type = md->data_type;
    dnnl_memory_desc_init_by_strides(md, 2, dims, type, strides);
}

/* The layout that oneDNN itself wants for B, and the name of what would multiply; false if it cannot. */
static bool own_layout(const gp_onednn *d, const gp_shape *s, dnnl_memory_desc_t *md, char name[32])
{
    dnnl_primitive_desc_t pd = NULL;
    if (matmul_pd(&pd, d->engine, s, NULL) != dnnl_success) return false;
    const char *text = "";
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &text);
    snprintf(name, 32, "%s", text);
    *md = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    dnnl_primitive_desc_destroy(pd);
    return true;
}

bool gp_dnnl_layout(gp_onednn *d, size_t rows, size_t n, size_t k, bool bf16, dnnl_memory_desc_t *md)
{
    char name[32];
    if (!own_layout(d, &(gp_shape){.rows = rows, .n = n, .k = k, .bf16 = bf16}, md, name)) return false;
    if (d->jit) spread_rows(md);
    return !bf16 || strncmp(name, "ref", 3) != 0;
}

/* Whether a layer's products are gemm:jit's. */
static bool multiplies_with_jit(const gp_onednn *d)
{
    dnnl_memory_desc_t md;
    char name[32];
    return own_layout(d, &(gp_shape){.rows = GP_ROW_BLOCK, .n = GP_ROW_BLOCK, .k = GP_ROW_BLOCK}, &md, name) &&
           strcmp(name, "gemm:jit") == 0 && plain_rows(&md);
}

/* Fills p so that reorder turns w [out, in] into the packed form. */
static bool packed_init(gp_packed *p, gp_onednn *d, const gp_mat *m, bool bwd)
{
    dnnl_memory_desc_t plain;
    dnnl_primitive_desc_t rpd = NULL;
    md_2d(&plain, p->k, p->n, false, bwd ? dnnl_ab : dnnl_ba);
    const size_t bytes = (dnnl_memory_desc_get_size(&p->md) + GP_ALIGN - 1) / GP_ALIGN * GP_ALIGN;
    p->data = aligned_alloc(GP_ALIGN, bytes);
    if (!p->data) return false;
    memset(p->data, 0, bytes);
    bool ok = dnnl_memory_create(&p->from, &plain, d->engine, unconst(m->w)) == dnnl_success &&
              dnnl_memory_create(&p->to, &p->md, d->engine, p->data) == dnnl_success &&
              dnnl_reorder_primitive_desc_create(&rpd, &plain, d->engine, &p->md, d->engine, NULL) == dnnl_success &&
              dnnl_primitive_create(&p->reorder, rpd) == dnnl_success;
    if (rpd) dnnl_primitive_desc_destroy(rpd);
    return ok;
}

gopro_status gp_packed_create(gp_packed **p, gp_compute *c, const gp_mat *m, bool bwd, size_t *bytes, gopro_error *err)
{
    gp_onednn *d = gp_full(c)->onednn;
    gp_dnnl_one_thread();
    gp_packed *t = calloc(1, sizeof *t);
    if (!t) return gp_fail_nomem(err, sizeof *t, "a packed matrix");
    t->n = bwd ? m->in : m->out;
    t->k = bwd ? m->out : m->in;
    t->bf16 = m->prec == GP_BF16;
    if (!gp_dnnl_layout(d, GP_ROW_BLOCK, t->n, t->k, t->bf16, &t->md)) {
        free(t);
        return gp_fail(err, GOPRO_E_UNSUPPORTED, "this processor has no bf16 matrix product (set precision=f32)");
    }
    t->jit = d->jit && !t->bf16 && plain_rows(&t->md);
    if (!packed_init(t, d, m, bwd)) {
        gp_packed_free(&t);
        return gp_fail_nomem(err, m->out * m->in * sizeof(float), "a packed matrix");
    }
    gp_packed_repack(t, c, 0);
    *bytes += dnnl_memory_desc_get_size(&t->md);
    *p = t;
    return gp_compute_check(c, err);
}

void gp_packed_free(gp_packed **p)
{
    if (!p || !*p) return;
    if ((*p)->reorder) dnnl_primitive_destroy((*p)->reorder);
    if ((*p)->from) dnnl_memory_destroy((*p)->from);
    if ((*p)->to) dnnl_memory_destroy((*p)->to);
    free((*p)->data);
    free(*p);
    *p = NULL;
}

void gp_packed_repack(gp_packed *p, gp_compute *c, size_t worker)
{
    gp_dnnl_one_thread();
    dnnl_stream_t stream = c->worker[worker]->stream;
    dnnl_exec_arg_t arg[2] = {{DNNL_ARG_FROM, p->from}, {DNNL_ARG_TO, p->to}};
    if (dnnl_primitive_execute(p->reorder, stream, 2, arg) != dnnl_success || dnnl_stream_wait(stream) != dnnl_success)
        gp_compute_fail(c, "oneDNN refused to pack a matrix");
}

/* x as the primitive wants it: `padded` rows, in bf16 if need be; x itself where that is so already. */
static const void *input(gp_compute *c, size_t worker, gp_operand given, size_t rows, size_t padded, size_t k, bool bf16)
{
    const float *x = given.f;
    if (rows == padded && (given.h || !bf16)) return given.h ? (const void *)given.h : x;
    gp_buf *b = &c->worker[worker]->x;
    void *p = gp_buf_get(b, padded * k, bf16 ? sizeof(uint16_t) : sizeof(float));
    if (!p) return NULL;
    if (bf16) {
        uint16_t *q = p;
        if (given.h)
            memcpy(q, given.h, rows * k * sizeof *q);
        else
            gp_full(c)->bf16->convert(q, x, rows * k);
        memset(q + rows * k, 0, (padded - rows) * k * sizeof *q);
    } else {
        float *q = p;
        memcpy(q, x, rows * k * sizeof *q);
        memset(q + rows * k, 0, (padded - rows) * k * sizeof *q);
    }
    return p;
}

static void multiply(const gp_packed *p, gp_compute *c, size_t worker, gp_operand y, gp_operand x, const float *bias, size_t rows, bool add)
{
    const size_t padded = (rows + c->row_unit - 1) / c->row_unit * c->row_unit;
    const size_t size = y.h ? sizeof *y.h : sizeof *y.f, bytes = rows * p->n * size;
    const gp_shape s = {padded, p->n, p->k, p->bf16, add, bias != NULL, y.h != NULL};
    void *to = y.h ? (void *)y.h : y.f;
    gp_dnnl_one_thread();
    const gp_prim *q = gp_dnnl_prim(gp_full(c)->onednn, &s, &p->md);
    if (!q) {
        gp_compute_fail(c, GP_DNNL_BAD);
        return;
    }
    const void *in = input(c, worker, x, rows, padded, p->k, p->bf16);
    void *out = rows == padded ? to : gp_buf_get(&c->worker[worker]->y, padded * p->n, size);
    if (!in || !out) {
        gp_compute_fail(c, GP_DNNL_NOMEM);
        return;
    }
    if (out != to && add) {
        memcpy(out, to, bytes);
        memset((char *)out + bytes, 0, (padded - rows) * p->n * size);
    }
    if (gp_dnnl_run(c, worker, q, p->to, out, in, bias) && out != to) memcpy(to, out, bytes);
}

void gp_packed_mul(const gp_packed *p, gp_compute *c, size_t worker, gp_operand y, gp_operand x, const float *bias, size_t rows, bool add)
{
    if (!p->jit) {
        multiply(p, c, worker, y, x, bias, rows, add);
        return;
    }
    const size_t units = (rows + JIT_UNIT - 1) / JIT_UNIT;
    const size_t tail = units > JIT_BLOCK && units % 2 ? gp_min_size(JIT_BLOCK - 1, units / 2) : 0;
    const size_t first = tail ? (units - tail) * JIT_UNIT : rows;
    multiply(p, c, worker, y, x, bias, first, add);
    if (tail) multiply(p, c, worker, (gp_operand){.f = y.f + first * p->n}, (gp_operand){.f = x.f + first * p->k}, bias, rows - first, add);
}

void gp_onednn_sgemm(gp_compute *c, bool ta, bool tb, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                     size_t ldb, float beta, float *cc, size_t ldc)
{
    gp_dnnl_one_thread();
    if (m == 0 || n == 0) return;
    if (dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, alpha, a, (dnnl_dim_t)lda, b,
                   (dnnl_dim_t)ldb, beta, cc, (dnnl_dim_t)ldc) != dnnl_success)
        gp_compute_fail(c, GP_DNNL_BAD);
}

/* ---- life and self-check ---- */

static double worst(const float *got, const float *want, size_t n)
{
    double max = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double e = fabs((double)got[i] - (double)want[i]) / (1.0 + fabs((double)want[i]));
        if (!(e <= max)) max = e; /* a NaN is the worst */
    }
    return max;
}

#define SELF_IN 50

/* Old releases of matrix libraries are known to compute wrong numbers on some processors: two products against the reference. */
static gopro_status self_check(gp_compute *c, size_t rows, size_t out, gopro_error *err)
{
    const size_t n_x = rows * SELF_IN, n_w = out * SELF_IN, n_y = rows * out;
    float *x = calloc(n_x + n_w + 2 * n_y, sizeof *x);
    if (!x) return gp_fail_nomem(err, sizeof *x * n_y, "the self-check of oneDNN");
    float *w = x + n_x, *got = w + n_w, *want = got + n_y;
    gp_mat *m = NULL;
    for (size_t i = 0; i < n_x + n_w; i++) x[i] = (float)((i * 7919) % 1009) / 504.5f - 1.0f;
    gopro_status st = gp_mat_create(&m, c, w, out, SELF_IN, GP_F32, GP_MAT_FWD, err);
    if (st == GOPRO_OK) {
        gp_gemm_ref(false, true, rows, out, SELF_IN, 1.0f, x, SELF_IN, w, SELF_IN, 0.0f, want, out);
        gp_mat_fwd(m, c, 0, got, x, NULL, rows, false);
        double e = worst(got, want, n_y);
        gp_onednn_sgemm(c, false, true, rows, out, SELF_IN, 1.0f, x, SELF_IN, w, SELF_IN, 0.0f, got, out);
        e = fmax(e, worst(got, want, n_y));
        st = gp_compute_check(c, err);
        if (st == GOPRO_OK && !(e < 1e-4))
            st = gp_fail(err, GOPRO_E_UNSUPPORTED,
                         "oneDNN computes wrong products on this processor (relative error %.1e, expected below 1e-4); set GOPRO_CPU=ref",
                         e);
    }
    gp_mat_free(&m);
    free(x);
    return st;
}

gopro_status gp_onednn_create(gp_compute_full *f, gopro_error *err)
{
    gp_onednn *d = calloc(1, sizeof *d);
    if (!d) return gp_fail_nomem(err, sizeof *d, "oneDNN");
    pthread_mutex_init(&d->lock, NULL);
    f->onednn = d;
    d->n_workers = gp_pool_size(f->pub.pool);
    gp_dnnl_one_thread();
    if (dnnl_engine_create(&d->engine, dnnl_cpu, 0) != dnnl_success)
        return gp_fail(err, GOPRO_E_UNSUPPORTED, "oneDNN cannot start on this machine; set GOPRO_CPU=ref");
    for (size_t i = 0; i < d->n_workers; i++)
        if (dnnl_stream_create(&f->pub.worker[i]->stream, d->engine, dnnl_stream_default_flags) != dnnl_success)
            return gp_fail_nomem(err, sizeof(void *), "a oneDNN stream");
    if (multiplies_with_jit(d)) {
        d->jit = true;
        f->pub.row_unit = JIT_UNIT;
    }
    GP_TRY(self_check(&f->pub, 37, 72, err));
    return d->jit ? self_check(&f->pub, 61, 128, err) : GOPRO_OK; /* of rows apart, and of a product in two parts */
}

void gp_onednn_free(gp_compute_full *f)
{
    gp_onednn *d = f->onednn;
    if (!d) return;
    for (size_t i = 0; i < GP_DNNL_BUCKETS; i++)
        for (gp_prim *p = atomic_load(&d->bucket[i]), *next; p; p = next) {
            next = p->next;
            prim_free(d, p);
        }
    for (size_t i = 0; f->pub.worker && i < d->n_workers; i++)
        if (f->pub.worker[i] && f->pub.worker[i]->stream) dnnl_stream_destroy(f->pub.worker[i]->stream);
    if (d->engine) dnnl_engine_destroy(d->engine);
    pthread_mutex_destroy(&d->lock);
    free(d);
    f->onednn = NULL;
}

#endif
