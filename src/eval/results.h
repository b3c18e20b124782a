/* results.h - what the runs of a plan came to, read from their folders, and averages over seeds and datasets (METHODS 3.10, 5.6).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_RESULTS_H
#define GP_RESULTS_H

#include "eval/plan.h"
#include "eval/stats.h"

typedef enum gp_cell_state { GP_CELL_MISSING, GP_CELL_DONE, GP_CELL_FAILED } gp_cell_state;

const char *gp_cell_state_name(gp_cell_state s); /* "missing", "done", "failed" */

/* One entry on one dataset with one seed. Base-to-new has the scores of base and of new classes, the others those of all classes in [0]. */
typedef struct gp_cell {
    gp_cell_state state;
    gp_scores score[2];
    bool no_new;  /* base-to-new: what was learnt class by class has no accuracy on new classes, score[1] is empty */
    gp_cost cost; /* of the run: for targets that of the source's */
} gp_cell;

typedef struct gp_results {
    gp_plan *plan;
    gp_cell *cell; /* [n_data][n_entries][n_seeds] */
    bool *any;     /* [n_entries]: it has a result on some dataset */
    bool *whole;   /* [n_data]: every entry with a result at all has every seed of it */
    char **failure;
    size_t n_failed;
    gopro_status first_failure;
} gp_results;

/* From OUT/<name>/plan.json and the run folders; nothing is computed. */
gopro_status gp_results_load(gp_results **r, const char *out, const char *name, gopro_error *err);
void gp_results_free(gp_results **r);
/* Fills any and whole from the cells; gp_results_load has done it. */
void gp_results_look_over(gp_results *r);
const gp_cell *gp_results_at(const gp_results *r, size_t data, size_t entry, size_t seed);

/* Headline numbers of an entry: [0] base or accuracy, [1] new.  HM is that of the averaged base and new. */
typedef struct gp_row {
    size_t n, failed; /* seeds with a result, that failed; of an average: datasets in it */
    gp_spread v[2];
    bool no_new;                   /* v[1].n is 0; v[1] and hm are NaN */
    double hm;                     /* of base-to-new; else equal to v[0].mean */
    gp_scores mean[2];             /* means of all but the counts, of base and new apart */
    gp_spread f1, ece, nll, brier; /* means over base and new (no_new: of base), over seeds */
    gp_cost cost;                  /* means over seeds; peak: the largest */
} gp_row;
gp_row gp_results_row(const gp_results *r, size_t data, size_t entry);
/* Over the datasets where every entry that has any result has all its seeds; targets only, in the protocols with a source. */
gp_row gp_results_average(const gp_results *r, size_t entry);
gp_row gp_results_line(const gp_results *r, size_t data, size_t entry); /* a row; data == n_data: the average */
double gp_row_number(const gp_row *row, size_t which);                  /* 0: base or accuracy, 1: new, 2: HM */
/* The largest of each of the three among the entries; infinite where all are the same, because then nothing is best. */
void gp_results_best(double best[3], const gp_results *r, size_t data);
size_t gp_results_complete(const gp_results *r); /* how many datasets these are */
size_t gp_results_first(const gp_results *r);    /* the first dataset that an average counts: 0, or 1 after a source */

/* The difference between an entry and the best other one (by HM or accuracy); an entry without HM has no rival and is none. data == n_data:
 * of the averages, where the pairs are datasets (each the mean over its seeds) if there are at least two; else the pairs are seeds. */
typedef struct gp_rival {
    bool any, over_data;
    size_t entry;
    double d[2], d_hm; /* differences of base (or accuracy), new, HM */
    gp_paired test;    /* of HM or accuracy */
} gp_rival;
gp_rival gp_results_rival(const gp_results *r, size_t data, size_t entry);

#endif
