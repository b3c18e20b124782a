/* run.h - training, testing, the base-to-new protocol and prediction.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GOPRO_RUN_H
#define GOPRO_RUN_H

#include "gopro/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gopro_subset { GOPRO_ALL, GOPRO_BASE, GOPRO_NEW } gopro_subset;

/* Test results of one label set; accuracies, macro F1 and ECE in per cent. */
typedef struct gopro_scores {
    size_t images, classes, correct;
    double accuracy, macro_f1, class_mean, ece, nll, brier;
} gopro_scores;

typedef struct gopro_result gopro_result;
GOPRO_API void gopro_result_free(gopro_result **result);
GOPRO_API int gopro_result_scores(const gopro_result *result, gopro_subset subset, gopro_scores *scores); /* 0: not tested on it */
GOPRO_API double gopro_result_harmonic_mean(const gopro_result *result);                                  /* 0 unless base and new */
GOPRO_API int gopro_result_was_done(const gopro_result *result); /* the run folder was found finished */
GOPRO_API const char *gopro_result_method(const gopro_result *result);
GOPRO_API const char *gopro_result_dataset(const gopro_result *result);
GOPRO_API size_t gopro_result_parameters(const gopro_result *result);
GOPRO_API size_t gopro_result_class_count(const gopro_result *result); /* of gopro_evaluate: per-class results; else 0 */
GOPRO_API const char *gopro_result_class_name(const gopro_result *result, size_t k);
GOPRO_API double gopro_result_class_accuracy(const gopro_result *result, size_t k); /* NaN: no image */

/* `data` everywhere: a folder, a list, a table, a tar, any of these with "#DOMAIN", or with option data.root the name of a known dataset
 * (docs/DATASETS.md). */

/* Trains option `method` on the shots of `data` (subset GOPRO_ALL or GOPRO_BASE) and tests it; everything is kept in the folder `out`.
 * A finished folder of the same configuration is read, an interrupted one goes on.  cache: folder for image features, may be NULL. */
GOPRO_API gopro_status gopro_train(gopro_result **result, gopro_context *context, gopro_model *model, const gopro_config *config,
                                   const char *data, gopro_subset subset, const char *out, const char *cache, gopro_error *err);

/* Tests a run folder's prompt (run NULL: zero-shot by the options) on the test images of `data`. */
GOPRO_API gopro_status gopro_evaluate(gopro_result **result, gopro_context *context, gopro_model *model, const gopro_config *config,
                                      const char *run, const char *data, gopro_subset subset, const char *cache, gopro_error *err);

/* Base-to-new: every method on every dataset with every seed, run folders in out/<dataset>/<method>/seed<k>, report.txt, .md, .csv and
 * .json in out.  Failed runs do not stop the others; the status is then the first failure's.  *text: the table, free with
 * gopro_string_free. */
typedef struct gopro_b2n_plan {
    const char *const *methods;
    size_t n_methods;
    const char *const *data;
    size_t n_data;
    const uint64_t *seeds;
    size_t n_seeds;
    const char *out;
    size_t share, shares; /* several processes: this one does the runs i with i mod shares == share; 0, 0: all, and the report */
} gopro_b2n_plan;
typedef enum gopro_table { GOPRO_TABLE_TEXT, GOPRO_TABLE_MARKDOWN, GOPRO_TABLE_CSV, GOPRO_TABLE_JSON } gopro_table;
GOPRO_API gopro_status gopro_protocol_b2n(char **text, gopro_table style, gopro_context *context, gopro_model *model,
                                          const gopro_config *config, const gopro_b2n_plan *plan, gopro_error *err);

/* Prediction with a run folder's prompt (run NULL: zero-shot).  class_names NULL: the classes the prompt was learnt on. */
typedef struct gopro_predictor gopro_predictor;
GOPRO_API gopro_status gopro_predictor_create(gopro_predictor **predictor, gopro_model *model, const gopro_config *config, const char *run,
                                              const char *const *class_names, size_t n_classes, gopro_error *err);
GOPRO_API void gopro_predictor_free(gopro_predictor **predictor);
GOPRO_API size_t gopro_predictor_class_count(const gopro_predictor *predictor);
GOPRO_API const char *gopro_predictor_class_name(const gopro_predictor *predictor, size_t k);
/* probability [class count], softmax of the logits */
GOPRO_API gopro_status gopro_predict_file(gopro_predictor *predictor, const char *image, double *probability, gopro_error *err);
GOPRO_API gopro_status gopro_predict_memory(gopro_predictor *predictor, const void *image, size_t size, double *probability,
                                            gopro_error *err);

/* What a run folder says about itself: where model and data were when it ran; malloc'ed, either may come back NULL. */
GOPRO_API gopro_status gopro_run_paths(char **model, char **data, const char *run, gopro_error *err);

#ifdef __cplusplus
}
#endif
#endif
