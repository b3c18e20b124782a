/* protocol.h - base-to-new: methods x datasets x seeds, each a run folder; finished ones are skipped, interrupted ones go on
 * (METHODS 3.10). SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_PROTOCOL_H
#define GP_PROTOCOL_H

#include "eval/run.h"

#define GP_MAX_SEEDS 64

typedef struct gp_protocol_request {
    gp_backbone *bb;
    const gp_options *opt; /* method and seed are set per run */
    const char *const *method;
    size_t n_methods;
    const char *const *data; /* dataset folders */
    size_t n_data;
    const uint64_t *seed;
    size_t n_seeds;
    const char *out;      /* OUT/<dataset>/<method>/seed<k>, OUT/cache */
    size_t share, shares; /* with shares > 1: only the runs i with i mod shares == share (for several processes) */
} gp_protocol_request;

/* One method on one dataset. Zero-shot is run once; its numbers stand for every seed. */
typedef struct gp_b2n_cell {
    double base[GP_MAX_SEEDS], novel[GP_MAX_SEEDS];
    size_t n; /* seeds that finished */
} gp_b2n_cell;

typedef struct gp_b2n {
    size_t n_methods, n_data, n_seeds;
    char **method, **dataset;
    uint64_t seed[GP_MAX_SEEDS];
    gp_b2n_cell *cell; /* [n_data][n_methods] */
    char backbone[65], *backbone_path;
    bool embedded; /* the datasets are the embedded drawings */
    size_t n_failed, n_done_before, n_run;
    char **failure; /* [n_failed] "dataset method seed k: message" */
    gopro_status first_failure;
} gp_b2n;

/* OK also when single runs failed: see failure and first_failure. */
gopro_status gp_protocol_b2n(gp_b2n **t, const gp_protocol_request *q, const gp_watch *w, gopro_error *err);
void gp_b2n_free(gp_b2n **t);
const gp_b2n_cell *gp_b2n_at(const gp_b2n *t, size_t dataset, size_t method);

/* Averages: over seeds for one dataset; over datasets of the seed averages, only datasets that every method finished.  HM is always that of
 * the averaged base and new. */
typedef struct gp_b2n_row {
    gp_spread base, novel;
    double hm;
    bool any;
} gp_b2n_row;
gp_b2n_row gp_b2n_cell_row(const gp_b2n_cell *c);
gp_b2n_row gp_b2n_average(const gp_b2n *t, size_t method);
size_t gp_b2n_complete(const gp_b2n *t); /* datasets in the average */

#endif
