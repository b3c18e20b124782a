/* pool.h - a small pthread pool with one parallel loop.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_POOL_H
#define GP_POOL_H

#include "base/error.h"

typedef struct gp_pool gp_pool;
/* worker is 0 .. gp_pool_size()-1; the caller of gp_parallel_for is worker 0. */
typedef void gp_pool_fn(void *arg, size_t block, size_t worker);

/* n_threads counts the caller; 0 means the number of online processors. */
gopro_status gp_pool_create(gp_pool **p, size_t n_threads, gopro_error *err);
void gp_pool_free(gp_pool **p);
size_t gp_pool_size(const gp_pool *p);

/* Calls fn(arg, 0..n_blocks-1, worker), each once, in any order, and returns when all are done.  One level: not from inside fn,
 * and from one thread at a time.  What a block computes must not depend on the worker or the number of threads. */
void gp_parallel_for(gp_pool *p, size_t n_blocks, gp_pool_fn *fn, void *arg);

#endif
