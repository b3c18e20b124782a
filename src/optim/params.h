/* params.h - the learnable tensors of a method: named slices of one flat, aligned buffer; gradients and optimiser state mirror it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_PARAMS_H
#define GP_PARAMS_H

#include "grad/tape.h"

typedef enum gp_init { GP_INIT_ZERO, GP_INIT_ONE, GP_INIT_UNIFORM, GP_INIT_NORMAL, GP_INIT_COPY } gp_init;

typedef struct gp_param_info {
    char name[96];
    size_t shape[3], rank;
    size_t rows, cols; /* rank 3 [a,b,c] -> [a b, c]; rank 1 [n] -> [1, n] */
    size_t offset, count;
    bool state; /* running statistics: saved, not trained */
} gp_param_info;

typedef struct gp_params gp_params;

gp_params *gp_params_create(void);
void gp_params_free(gp_params **p);

/* Declaring, in the method's declare().  scale: bound of UNIFORM(-scale, scale), deviation of NORMAL(0, scale); from: data for COPY.
 * Random starts come from the stream (seed, GP_RNG_INIT, hash of name), so they do not depend on the order of declarations. */
gopro_status gp_params_add(gp_params *p, const char *name, const size_t *shape, size_t rank, gp_init init, double scale,
                           const gp_real *from, gopro_error *err);
gopro_status gp_params_add_state(gp_params *p, const char *name, const size_t *shape, size_t rank, gp_real value, gopro_error *err);
/* NAME.weight [out,in] and NAME.bias [out] with PyTorch's default start U(+-1/sqrt in); zero: both zero; bias false: weight only. */
gopro_status gp_params_add_linear(gp_params *p, const char *name, size_t out, size_t in, bool zero, bool bias, gopro_error *err);
/* Tensor `name` starts from the draw of tensor `like`; both are declared, of one size and kind of start. */
void gp_params_start_like(gp_params *p, const char *name, const char *like);
/* Allocates the flat buffers and fills the starts. */
gopro_status gp_params_finish(gp_params *p, uint64_t seed, gopro_error *err);

size_t gp_params_count(const gp_params *p); /* tensors, states included */
const gp_param_info *gp_params_info(const gp_params *p, size_t i);
size_t gp_params_total(const gp_params *p);      /* learnable numbers */
gp_var gp_param(gp_params *p, const char *name); /* with gradient (state: without); assert that it exists */
gp_var gp_param_at(gp_params *p, size_t i);
bool gp_param_exists(const gp_params *p, const char *name);
gp_real *gp_params_values(gp_params *p, size_t *n); /* the flat buffers, states included */
void gp_params_zero_grad(gp_params *p);             /* also clears the reached flags */

/* SGD with momentum (METHODS 5.1): unreached tensors are skipped.  Momentum buffers live in the params; the first step of a tensor sets
 * buf = g. */
typedef struct gp_sgd {
    double momentum, weight_decay;
} gp_sgd;
void gp_sgd_step(gp_params *p, const gp_sgd *o, double lr);

/* Learning rate of epoch e = 0..n-1 (METHODS 5.2). */
double gp_lr_cosine_warmup(double lr0, size_t epoch, size_t n_epochs, double warmup_lr, size_t warmup_epochs);

/* Checkpointing: visits value, momentum buffer and its "has been stepped" flag of tensor i. */
typedef struct gp_param_state {
    gp_real *value, *momentum;
    bool *stepped;
} gp_param_state;
gp_param_state gp_params_state(gp_params *p, size_t i);

#endif
