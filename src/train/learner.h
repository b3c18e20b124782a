/* learner.h - a method with its learnable tensors on a backbone: what training changes and a run folder keeps.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_LEARNER_H
#define GP_LEARNER_H

#include "data/dataset.h"
#include "methods/method.h"
#include "train/backbone.h"

typedef struct gp_learner {
    gp_backbone *bb; /* borrowed */
    gp_options *opt; /* own: the effective options */
    const gp_method *method;
    gp_setup setup;
    gp_params *p; /* NULL for zero-shot */
    gp_tape *tape;
    char **class_name;        /* [setup.K]: the classes trained on */
    gp_real *word_ctx, *ctx0; /* ctx0: where the context started, for the drift */
    char *tmpl;               /* the template with M placeholder words */
    double logit_scale;       /* of the loss and of prediction */
} gp_learner;

/* What holds for the method that is set, settled once before it is recorded.  From the most specific: for.METHOD.OPTION, then the option
 * itself (argument or file), then the method's own default (for base-to-new or for all classes), then the table's.  A start from words that
 * the user did not ask for is dropped when M is not their number of tokens.  INVALID for contradictions. */
gopro_status gp_options_settle(gp_options *o, const gp_tokenizer *t, bool all_classes, gopro_error *err);

/* o: settled options (copied); class_name [K]: the classes trained on (copied; none for zero-shot).  The parameters get their starting
 * values from option seed. */
gopro_status gp_learner_create(gp_learner **l, gp_backbone *b, const gp_options *o, const char *const *class_name, size_t K,
                               gopro_error *err);
/* The same, if `fits` says so once the method has declared its tensors, and before they take memory. */
typedef gopro_status gp_learner_fits(void *user, const gp_learner *l, gopro_error *err);
gopro_status gp_learner_create_if(gp_learner **l, gp_backbone *b, const gp_options *o, const char *const *class_name, size_t K,
                                  gp_learner_fits *fits, void *user, gopro_error *err);
void gp_learner_free(gp_learner **l);
bool gp_learner_trains(const gp_learner *l);   /* false: zero-shot */
size_t gp_learner_epochs(const gp_learner *l); /* 0 without learnable numbers: a cache alone is not trained */

/* A label set as a learner classifies it. */
typedef struct gp_classes {
    size_t K;
    gp_text_plan *plan; /* its prompts laid out; NULL with GP_WANT_TEMPLATES */
    gp_real *text;      /* [K, embed] its text features where they are known before an image is seen, else NULL */
    uint32_t *row;      /* [K] the trained context of each class, with class-specific contexts, else NULL */
} gp_classes;

/* In training the text features of learnt prompts are left to the steps; at test they are computed here, once.  own: the dataset's
 * hand-written prompt, unless the options name one.  INVALID if the contexts are class-specific and a class has none. */
gopro_status gp_classes_open(gp_classes *c, gp_learner *l, const char *const *class_name, size_t K, gp_own_template own, bool training,
                             gopro_error *err);
void gp_classes_close(gp_classes *c);
/* A step of the learner on a label set; views, labels and results are the caller's. */
gp_step gp_learner_step(gp_learner *l, const gp_classes *c, size_t B);

/* Raw features [B, embed] of images [B, 3, image, image] as gp_learner_logits takes them, with statistics if mu and sigma are given: the
 * frozen tower's, or those of the method's own image tower (GP_WANT_PIXELS), which belong to this learner alone. */
gopro_status gp_learner_encode(gp_learner *l, float *feat, float *mu, float *sigma, const float *pixels, size_t B, gopro_error *err);
/* logits [B, K] of images from their raw features and statistics (NULL where the method wants none), as at test time. */
gopro_status gp_learner_logits(gp_learner *l, const gp_classes *c, gp_real *logits, const float *feat, const float *mu, const float *sigma,
                               size_t B, gopro_error *err);
double gp_learner_drift(const gp_learner *l); /* ||ctx - ctx_0|| / ||ctx_0||, 0 without a context */

/* For readers of files that hold a learner: a scale above 0 and below 1e6; and whether all of n numbers are finite. */
bool gp_logit_scale_parse(double *scale, const char *text);
bool gp_all_finite(const gp_real *v, size_t n);

#endif
