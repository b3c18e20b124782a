/* context.h - how the library talks back: log lines, progress, and whether to stop.  The library never prints.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GOPRO_CONTEXT_H
#define GOPRO_CONTEXT_H

#include "gopro/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gopro_context gopro_context;

typedef enum gopro_log_level { GOPRO_LOG_DEBUG, GOPRO_LOG_INFO, GOPRO_LOG_WARN } gopro_log_level;

/* Where a long call stands.  Strings are valid during the callback. */
typedef struct gopro_progress {
    const char *what; /* "train", "features", "test" */
    const char *run;  /* which run of a protocol, "" otherwise */
    size_t done, total;
    size_t epoch, epochs;  /* 0 where there are none */
    int has_loss;          /* loss, accuracy and learning_rate are meaningful */
    double loss, accuracy; /* accuracy of the training views, per cent */
    double learning_rate;
    double images_per_second, eta_seconds;
    size_t peak_rss_mib;
} gopro_progress;

typedef void gopro_log_fn(void *user, gopro_log_level level, const char *text); /* one line without newline */
typedef void gopro_progress_fn(void *user, const gopro_progress *progress);
typedef int gopro_cancel_fn(void *user); /* not 0: stop at the next safe point, keeping a checkpoint */

/* A context is used by one call at a time.  Callbacks come from the calling thread or the loader's; they must be quick. */
GOPRO_API gopro_status gopro_context_create(gopro_context **context, gopro_error *err);
GOPRO_API void gopro_context_free(gopro_context **context); /* sets NULL, accepts NULL */
GOPRO_API void gopro_context_set_log(gopro_context *context, gopro_log_fn *fn, void *user);
GOPRO_API void gopro_context_set_progress(gopro_context *context, gopro_progress_fn *fn, void *user);
GOPRO_API void gopro_context_set_cancel(gopro_context *context, gopro_cancel_fn *fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
