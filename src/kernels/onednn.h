/* onednn.h - shared by the files that call oneDNN.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ONEDNN_H
#define GP_ONEDNN_H

#include "kernels/gemm_impl.h"

#ifndef GP_REAL_IS_DOUBLE

#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>

#define GP_DNNL_BUCKETS 256
#define GP_DNNL_NOMEM   "out of memory in a matrix product"
#define GP_DNNL_BAD     "oneDNN refused a matrix product"

/* y [rows, n] = (y +) x [rows, k] B [k, n] (+ bias) */
typedef struct gp_shape {
    size_t rows, n, k;
    bool bf16, add, bias;
    bool half; /* y in bf16 */
} gp_shape;

/* One worker's memory objects for a primitive: only their pointers change from call to call. */
typedef struct gp_prim_slots {
    dnnl_memory_t src, dst, bias, work;
} gp_prim_slots;

typedef struct gp_prim {
    struct gp_prim *next;
    gp_shape key;
    dnnl_primitive_t p;
    dnnl_memory_desc_t src, wei, dst, bias, work;
    gp_prim_slots *slot; /* [number of workers] */
} gp_prim;

struct gp_onednn {
    dnnl_engine_t engine;
    pthread_mutex_t lock; /* for adding to the cache; reading needs none */
    _Atomic(gp_prim *) bucket[GP_DNNL_BUCKETS];
    size_t n_workers;
    bool jit; /* products of layers are gemm:jit's, which takes B as plain rows: no AVX-512 */
};

struct gp_packed {
    size_t n, k;
    bool bf16;
    bool jit; /* B as plain rows, multiplied by gemm:jit */
    dnnl_memory_desc_t md;
    void *data;
    dnnl_memory_t from, to;
    dnnl_primitive_t reorder;
};

/* oneDNN's OpenMP must not start threads of its own: each worker calls this before anything else. */
void gp_dnnl_one_thread(void);

/* The layout for B [k, n], oneDNN's own or plain rows that begin in different sets of the cache; false if it cannot do the product, or only
 * by its slow reference. */
bool gp_dnnl_layout(gp_onednn *d, size_t rows, size_t n, size_t k, bool bf16, dnnl_memory_desc_t *md);

/* The primitive for a shape whose B is laid out as wei says; NULL if oneDNN or memory refuses.  From any worker. */
gp_prim *gp_dnnl_prim(gp_onednn *d, const gp_shape *s, const dnnl_memory_desc_t *wei);

/* Runs it on this worker; a failure is recorded in c. */
bool gp_dnnl_run(gp_compute *c, size_t worker, const gp_prim *p, dnnl_memory_t wei, void *y, const void *x, const float *bias);

#endif
#endif
