/* run.h - training, testing, protocols and their reports, prediction.
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
/* How the tested epoch was chosen: "last epoch", "best epoch on validation images", or on the test images, which it says is a leak. */
GOPRO_API const char *gopro_result_model_selection(const gopro_result *result);
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

/* A protocol: methods with seeds on datasets.  Base-to-new trains on half of the classes of each dataset and tests on both halves;
 * cross-dataset and domain generalisation train on all classes of the first dataset, the source, and test on it and the others. */
typedef enum gopro_protocol { GOPRO_B2N, GOPRO_XD, GOPRO_DG } gopro_protocol;
typedef struct gopro_plan_request {
    gopro_protocol protocol;
    const char *ablation;    /* NULL: the methods as they are; "losses", "tokens", "shots", "grid" */
    const char *const *axes; /* grid: "option=value1,value2,..." */
    size_t n_axes;
    const char *const *methods;
    size_t n_methods;
    const char *const *data;
    size_t n_data;
    const uint64_t *seeds;
    size_t n_seeds;
    const char *out; /* out/runs: run folders, shared by all protocols; out/<name>: the report, such as out/b2n, out/ablate-tokens */
} gopro_plan_request;

/* The runs of a protocol.  Several processes may each do some of them; the model must stay loaded. */
typedef struct gopro_plan gopro_plan;
typedef struct gopro_estimate {
    int done;
    double seconds; /* of training; 0: none, or not known before the data are read */
    size_t peak_rss_mib;
} gopro_estimate;
GOPRO_API gopro_status gopro_plan_create(gopro_plan **plan, gopro_model *model, const gopro_config *config,
                                         const gopro_plan_request *request, gopro_error *err);
GOPRO_API void gopro_plan_free(gopro_plan **plan);
GOPRO_API const char *gopro_plan_name(const gopro_plan *plan); /* of the report's folder in out */
GOPRO_API size_t gopro_plan_run_count(const gopro_plan *plan);
GOPRO_API char *gopro_plan_run_title(const gopro_plan *plan, size_t i); /* "food GOPro seed 1"; free with gopro_string_free */
GOPRO_API gopro_status gopro_plan_estimate(gopro_estimate *estimate, gopro_context *context, const gopro_plan *plan, size_t i,
                                           gopro_error *err);
/* Does what is missing of a run: trains, goes on, tests.  A failure is also recorded in its folder. */
GOPRO_API gopro_status gopro_plan_run(gopro_context *context, const gopro_plan *plan, size_t i, gopro_error *err);
/* All runs in turn.  Runs that fail do not stop the others: see gopro_report. */
GOPRO_API gopro_status gopro_plan_run_all(gopro_context *context, const gopro_plan *plan, gopro_error *err);

typedef enum gopro_table { GOPRO_TABLE_TEXT, GOPRO_TABLE_MARKDOWN, GOPRO_TABLE_LATEX, GOPRO_TABLE_CSV, GOPRO_TABLE_JSON } gopro_table;
/* Tables from the run folders, without computing: written to out/<name>, and *text (may be NULL), free with gopro_string_free.
 * failure (may be NULL): code and message of the first run that failed, or GOPRO_OK. */
GOPRO_API gopro_status gopro_report(char **text, gopro_table style, const char *out, const char *name, gopro_error *failure,
                                    gopro_error *err);
/* The reports in a folder, one name a line, in *names; free with gopro_string_free. */
GOPRO_API gopro_status gopro_report_names(char **names, const char *out, gopro_error *err);

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
/* How the run read model and images, for what is not set in config: precision, model.activation, model.v_heads, model.t_heads,
 * model.tokenizer, data.scaled_decode; and, if data is NULL or the run's own, its data: data.class_names, data.split_seed, data.skip_bad,
 * data.any_path.  Before gopro_model_load; what is computed with the run is then what it computed itself. */
GOPRO_API gopro_status gopro_config_from_run(gopro_config *config, const char *run, const char *data, gopro_error *err);

#ifdef __cplusplus
}
#endif
#endif
