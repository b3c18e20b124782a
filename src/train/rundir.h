/* rundir.h - a run folder: who may write it, what it holds, whether it is finished.
 *
 *   run.json                what the run is: identity (weights hash, data, draw, classes, options), and where model and data were
 *   config.yaml             every option; `--config` reads it back
 *   draw.json               the few-shot draw, paths relative to the dataset
 *   metrics.jsonl           one line per epoch
 *   checkpoint.safetensors  while unfinished: what resuming needs
 *   prompt.safetensors      the learnt tensors; metadata says all that prediction needs but the backbone
 *   result.json             test results, full precision
 *   cost.json               seconds, peak memory, learnable parameters: what depends on the machine
 *   DONE                    written last
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_RUNDIR_H
#define GP_RUNDIR_H

#include "data/dataset.h"
#include "train/backbone.h"
#include "train/learner.h"

typedef enum gp_run_state { GP_RUN_FRESH, GP_RUN_RESUME, GP_RUN_DONE } gp_run_state;

typedef struct gp_rundir {
    char *path;
    int lock;
    char identity[65]; /* hash of what run.json calls identity */
    gp_run_state state;
    bool in_use; /* another process holds it; kept when the folder is closed */
} gp_rundir;

/* What makes two runs the same run. */
typedef struct gp_run_identity {
    const gp_backbone *bb;
    const gp_options *opt; /* settled */
    const gp_dataset *data;
    const gp_labelset *labels;
    const gp_draw *draw;
    gp_subset subset;
    const char *data_path; /* recorded, not part of the identity */
} gp_run_identity;

/* Creates the folder if need be, locks it, and finds or records what it holds. INVALID: in use, not a run folder though not empty, or a run
 * of another configuration (the first difference is named). */
gopro_status gp_rundir_open(gp_rundir *r, const char *path, const gp_run_identity *id, gopro_error *err);
/* Before anything is computed: INVALID if the folder holds a run with another backbone or other options; OK if it holds none. */
gopro_status gp_rundir_check(const char *path, const gp_backbone *bb, const gp_options *settled, gopro_error *err);
void gp_rundir_close(gp_rundir *r);
char *gp_rundir_file(const gp_rundir *r, const char *name);    /* malloc'ed path, NULL when out of memory */
gopro_status gp_rundir_finish(gp_rundir *r, gopro_error *err); /* writes DONE, removes the checkpoint */

/* "name: value" of an option that a result may depend on; NULL for the others (threads, cache sizes). malloc'ed. */
char *gp_option_text(const gp_options *o, size_t i);
bool gp_option_matters(size_t i);

const char *gp_subset_name(gp_subset s); /* "all", "base", "new" */
bool gp_subset_parse(gp_subset *s, const char *name);
void gp_class_hash(char hex[65], const char *const *class_name, size_t K);

#endif
