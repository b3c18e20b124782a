/* predict.h - classifying single images with a learnt prompt or zero-shot.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_PREDICT_H
#define GP_PREDICT_H

#include "eval/evaluate.h"
#include "image/image.h"
#include "train/prompt_file.h"

typedef struct gp_predictor {
    gp_backbone *bb; /* borrowed */
    gp_learner *l;
    gp_classifier *c;
    char **class_name;
    size_t K;
    gp_view_config view;
    float *pixels, *feat, *mu, *sigma; /* of one image */
    gp_real *logits;
} gp_predictor;

/* run: folder with prompt.safetensors, or NULL: zero-shot by opt.  class_name NULL: the classes the prompt was learnt on. */
gopro_status gp_predictor_create(gp_predictor **p, gp_backbone *b, const gp_options *opt, const char *run, const char *const *class_name,
                                 size_t K, gopro_error *err);
void gp_predictor_free(gp_predictor **p);
gopro_status gp_predict(gp_predictor *p, const gp_image *im, double *probability, gopro_error *err); /* [K] */

#endif
