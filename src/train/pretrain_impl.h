/* pretrain_impl.h - a pretraining run: shared by the loop, the step and the validation.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_PRETRAIN_IMPL_H
#define GP_PRETRAIN_IMPL_H

#include <stdio.h>

#include "base/log.h"
#include "base/options.h"
#include "encoders/text.h"
#include "grad/tape.h"
#include "text/tokenizer.h"
#include "train/pretrain_pairs.h"
#include "train/pretrain_state.h"

enum { GP_CAPTION_IDS = 128 };

typedef struct gp_pretrain_run {
    gp_compute *c;
    const gp_options *o;
    const gp_log *log;
    const char *out;
    gp_clip_arch arch;
    gp_pairs train, val;
    gp_tokenizer *tok;
    gp_pt_state s;
    gp_model *model;
    gp_tape *tape;   /* its arena also holds the towers' activations */
    gp_params *head; /* SLIP's; NULL for CLIP's objective */
    gp_view_config view, ssl_view;
    uint64_t seed, steps;
    size_t B;
    double crop_min;
    /* the current batch */
    uint32_t *drawing, *ids;
    uint64_t *caption_hash;
    gp_prompt *prompt;
    float *pixels;     /* [B, 3, image, image] */
    float *ssl_pixels; /* [2B, 3, image, image]: first views, then second views; NULL for CLIP's objective */
    gopro_status *st;
    gopro_error *err;
    FILE *jsonl;
} gp_pretrain_run;

typedef struct gp_pretrain_report {
    double loss, accuracy;         /* CLIP's */
    double ssl_loss, ssl_accuracy; /* SLIP's further term, without its weight */
    double norm, lr;
} gp_pretrain_report;

/* One step, from drawing the batch to the updated and packed weights. */
gopro_status gp_pretrain_buffers(gp_pretrain_run *p, gopro_error *err);
void gp_pretrain_buffers_free(gp_pretrain_run *p);
gopro_status gp_pretrain_step(gp_pretrain_run *p, gp_pretrain_report *rep, gopro_error *err);
/* ids has room for GP_CAPTION_IDS. */
gopro_status gp_pretrain_tokens(const gp_pretrain_run *p, gp_prompt *prompt, uint32_t *ids, const char *text, gopro_error *err);

/* Tests the moving average on held-out concepts, logs it, keeps it (also as a usable snapshot) if it is the best so far. */
gopro_status gp_pretrain_validate(gp_pretrain_run *p, gopro_error *err);
/* The best average becomes the model and is written. */
gopro_status gp_pretrain_finish(gp_pretrain_run *p, gopro_error *err);

#endif
