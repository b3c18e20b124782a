/* api.h - what the public handles hold.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_API_H
#define GP_API_H

#include "eval/run.h"
#include "gopro/gopro.h"

struct gopro_context {
    gp_watch watch;
    gopro_log_fn *log;
    gopro_progress_fn *progress;
    gopro_cancel_fn *cancel;
    void *log_user, *progress_user, *cancel_user;
};

struct gopro_config {
    gp_options *o;
};

struct gopro_model {
    gp_backbone *bb;
};

struct gopro_result {
    gp_run_result r;
    gp_metrics m; /* of gopro_evaluate */
    char **class_name;
    size_t K;
};

#endif
