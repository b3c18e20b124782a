/* evaluate.h - a classifier for a label set, and its test results.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_EVALUATE_H
#define GP_EVALUATE_H

#include "data/dataset.h"
#include "eval/metrics.h"
#include "features/cache.h"
#include "train/learner.h"

/* Scores images against the classes of one label set; text features that do not depend on the image are computed once, at its creation. */
typedef struct gp_classifier gp_classifier;
/* templates of hand-written prompts: option template, else the dataset's; option ensemble adds the selected 7 or takes the 80
 * (METHODS 3.1). */
gopro_status gp_classifier_create(gp_classifier **c, gp_learner *l, const char *const *class_name, size_t K, gp_own_template own,
                                  gopro_error *err);
void gp_classifier_free(gp_classifier **c);
bool gp_classifier_wants_stats(const gp_classifier *c);
/* logits [B, K]; feat [B, embed] raw, mu, sigma [B, layers, width] or NULL */
gopro_status gp_classifier_logits(gp_classifier *c, gp_real *logits, const float *feat, const float *mu, const float *sigma, size_t B,
                                  gopro_error *err);

/* Features come from the learner's image tower if it has one of its own; l may be NULL. */
void gp_features_by(gp_features_request *q, gp_learner *l);

/* Images of a dataset with their features, shared by the label sets of a run: read from the cache or put there, but for a method with
 * an image tower of its own, whose features hold for the one learner and stay in memory. */
typedef struct gp_testset {
    const gp_dataset *data;
    const gp_item *item; /* [n] borrowed */
    size_t n;
    gp_features *features; /* of item, in order */
} gp_testset;
/* The test images.  Options data.skip_bad and test.cache_mib; cache_dir may be NULL. */
gopro_status gp_testset_open(gp_testset *t, gp_learner *l, const gp_dataset *d, const gp_options *o, const char *cache_dir,
                             const gp_watch *w, gopro_error *err);
/* Others of the dataset's images, such as a label set's validation images. */
gopro_status gp_testset_open_items(gp_testset *t, gp_learner *l, const gp_dataset *d, const gp_item *item, size_t n, const gp_options *o,
                                   const char *cache_dir, const gp_watch *w, gopro_error *err);
void gp_testset_close(gp_testset *t);

/* Accuracy and the rest of a label set's test images; m: free with gp_metrics_free. */
gopro_status gp_evaluate(gp_metrics *m, gp_learner *l, const gp_testset *t, const gp_labelset *ls, const gp_watch *w, gopro_error *err);
/* The same on a label set's validation images; t holds them. */
gopro_status gp_evaluate_val(gp_metrics *m, gp_learner *l, const gp_testset *t, const gp_labelset *ls, const gp_watch *w, gopro_error *err);

#endif
