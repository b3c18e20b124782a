/* state.h - where a training run stands: epoch, step, the sums of the epoch so far; kept in a checkpoint so that a resumed run ends with
 * the same bytes as one never interrupted. SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TRAIN_STATE_H
#define GP_TRAIN_STATE_H

#include "train/learner.h"

/* Sums over the steps of an epoch. */
typedef struct gp_epoch_sums {
    double steps, images, correct, loss;
    double term[GP_MAX_TERMS];
    double n_shift, shift_norm, shift_norm2; /* over images: number, |Delta|, |Delta|^2 */
    double *shift;                           /* [n_shift_dims]: sum of Delta over images */
    size_t n_shift_dims;
} gp_epoch_sums;

/* The epoch that scored best so far, for option select. */
typedef struct gp_best {
    size_t epoch;            /* from 1; 0: none scored yet */
    double accuracy, latest; /* of that epoch, and of the last one scored */
    gp_real *values;         /* [n] all parameters as they were; NULL until one is scored */
    size_t n;
} gp_best;

typedef struct gp_train_state {
    size_t epoch, iter; /* the next step to do; iter may be the number of steps of an epoch that is not closed yet */
    gp_best best;
    gp_epoch_sums sums;
    char term_name[GP_MAX_TERMS][24];
    double term_weight[GP_MAX_TERMS];
    size_t n_terms;
    double zs_ce, ln_classes, best_scale; /* METHODS 5.7, found before the first step */
    double final_loss, final_accuracy;    /* of the last whole epoch */
    double spread, seconds;
    size_t left_out; /* training images that could not be read (data.skip_bad); counted anew at each start, not stored */
    double waited;   /* share of seconds: for images */
} gp_train_state;

gopro_status gp_train_state_init(gp_train_state *s, size_t shift_dims, gopro_error *err);
void gp_train_state_free(gp_train_state *s);
/* Epoch s->epoch was scored: keeps the parameters if it is better than all before.  gp_best_restore puts the best back. */
gopro_status gp_best_offer(gp_train_state *s, gp_params *p, double accuracy, gopro_error *err);
void gp_best_restore(const gp_train_state *s, gp_params *p);
void gp_epoch_sums_clear(gp_epoch_sums *s);
/* shift [B, dims]: what the method moved each image's context by. */
void gp_epoch_sums_shift(gp_epoch_sums *s, const gp_real *shift, size_t B);
/* sd_b(Delta) / mean |Delta| (METHODS 3.7); 0 where nothing moved */
double gp_epoch_sums_spread(const gp_epoch_sums *s);

/* `identity`: hash of the run's configuration; reading refuses another one. */
gopro_status gp_checkpoint_write(const char *path, const gp_learner *l, const gp_train_state *s, const char *identity, gopro_error *err);
gopro_status gp_checkpoint_read(const char *path, gp_learner *l, gp_train_state *s, const char *identity, gopro_error *err);

#endif
