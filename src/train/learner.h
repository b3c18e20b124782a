/* learner.h - a method with its learnable tensors on a backbone: what training changes and a run folder keeps.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_LEARNER_H
#define GP_LEARNER_H

#include "methods/method.h"
#include "train/backbone.h"

typedef struct gp_learner {
    gp_backbone *bb; /* borrowed */
    gp_options *opt; /* own: the effective options */
    const gp_method *method;
    gp_setup setup;
    gp_params *p; /* empty for zeroshot */
    gp_tape *tape;
    gp_real *word_ctx, *ctx0; /* ctx0: where the context started, for the drift */
    char *tmpl;               /* the template with M placeholder words */
    double logit_scale;       /* of the loss and of prediction */
} gp_learner;

/* Options that follow from others, settled once before they are recorded: a start from words that the user did not ask for is dropped when
 * M is not their number of tokens. INVALID for contradictions. */
gopro_status gp_options_settle(gp_options *o, const gp_tokenizer *t, gopro_error *err);

/* o: settled options (copied). The parameters get their starting values from option seed. */
gopro_status gp_learner_create(gp_learner **l, gp_backbone *b, const gp_options *o, gopro_error *err);
void gp_learner_free(gp_learner **l);
bool gp_learner_trains(const gp_learner *l); /* false: zero-shot */

gopro_status gp_learner_plan(gp_text_plan **plan, const gp_learner *l, const char *const *class_name, size_t K, gopro_error *err);
/* logits [B, K] of images from their raw features and statistics (NULL where the method wants none), as at test time. */
gopro_status gp_learner_logits(gp_learner *l, const gp_text_plan *plan, gp_real *logits, const float *feat, const float *mu,
                               const float *sigma, size_t B, gopro_error *err);
double gp_learner_drift(const gp_learner *l); /* ||ctx - ctx_0|| / ||ctx_0||, 0 without a context */

#endif
