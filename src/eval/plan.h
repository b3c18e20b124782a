/* plan.h - a protocol as a list of runs: entries (a method with settings) on datasets with seeds.  Runs live below OUT/runs and are shared
 * by every protocol that needs them; a plan is kept in OUT/<name>/plan.json so that tables can be made again without computing.
 *
 *   OUT/runs/<dataset>/<subset>/<method>[+option=value...]/seed<k>   a run folder (train/rundir.h), with
 *       tests/<dataset>.json    the learnt prompt on another dataset's test images (cross-dataset, domain generalisation)
 *       cost.json               seconds, memory, learnable parameters
 *       failed.json             what the last attempt died of; gone once it succeeds
 *   OUT/<name>/plan.json, report.*                                   a protocol or an ablation
 *   OUT/cache                                                        image features
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_PLAN_H
#define GP_PLAN_H

#include "eval/run.h"

#define GP_MAX_SEEDS 64

/* Base-to-new; cross-dataset and domain generalisation: trained on all classes of a source, tested on it and on targets. */
typedef enum gp_protocol { GP_B2N, GP_XD, GP_DG } gp_protocol;
const char *gp_protocol_name(gp_protocol p); /* "b2n", "xd", "dg" */
bool gp_protocol_parse(gp_protocol *p, const char *name);

/* A line of the table: a method with settings on top of the common ones. */
typedef struct gp_entry {
    char *title, *method;
    char **option; /* [n_options] "name=value" */
    size_t n_options;
    char *series; /* of a chart, "" if there is none */
    double x;     /* place on the chart's axis, NaN if none */
} gp_entry;
void gp_entry_clear(gp_entry *e);

typedef struct gp_plan_request {
    gp_backbone *bb;
    const gp_options *opt; /* method, seed and the entries' options are set per run */
    gp_protocol protocol;
    const char *name;  /* of the report's folder; NULL: the protocol's */
    const char *title; /* NULL: the protocol's */
    const char *axis;  /* option on a chart's axis, NULL: none */
    const gp_entry *entry;
    size_t n_entries;
    const char *const *data; /* xd, dg: the source first */
    size_t n_data;
    const uint64_t *seed;
    size_t n_seeds;
    const char *out;
} gp_plan_request;

/* One run. */
typedef struct gp_unit {
    size_t entry, data;
    uint64_t seed;
    char *folder; /* relative to out */
} gp_unit;

typedef struct gp_estimate {
    bool done;
    double seconds; /* of training; 0: none, or unknown because the data cannot be read */
    size_t mib;     /* peak memory: of a step, and the shots as far as they are kept decoded */
} gp_estimate;

typedef struct gp_plan {
    gp_protocol protocol;
    char *name, *title, *axis, *out; /* axis: "" if none */
    gp_entry *entry;
    char **data;    /* [n_data] as given; NULL in a plan read from a file */
    char **dataset; /* [n_data] names */
    size_t n_entries, n_data, n_seeds;
    uint64_t seed[GP_MAX_SEEDS];
    gp_unit *unit;
    size_t n_units;
    size_t *index;       /* [trained datasets][n_entries][n_seeds] -> unit */
    gp_estimate *probed; /* [trained datasets][n_entries], of any seed; mib 0: not known yet */
    char backbone[65], *backbone_path;
    bool embedded;   /* the datasets are the embedded drawings */
    char select[16]; /* option select of all runs; "" where the entries differ in it */
    /* in a plan that can be run */
    gp_backbone *bb;
    gp_options *opt;
} gp_plan;

/* Checks methods, settings, names; nothing is run.  INVALID for what no run could accept. */
gopro_status gp_plan_create(gp_plan **p, const gp_plan_request *q, gopro_error *err);
void gp_plan_free(gp_plan **p);
gopro_status gp_plan_write(const gp_plan *p, gopro_error *err); /* OUT/<name>/plan.json */
gopro_status gp_plan_read(gp_plan **p, const char *out, const char *name, gopro_error *err);

bool gp_method_trains(const char *method); /* zero-shot does not: one run stands for every seed */
size_t gp_plan_trained(const gp_plan *p);  /* datasets that are trained on: all, or the source */
const gp_unit *gp_plan_unit(const gp_plan *p, size_t data, size_t entry, size_t seed);
char *gp_unit_folder(const gp_plan *p, const gp_unit *u);                 /* malloc'ed path */
char *gp_unit_file(const gp_plan *p, const gp_unit *u, const char *name); /* the same of a file in it */
char *gp_test_file(const gp_plan *p, const gp_unit *u, size_t target, bool failure);
void gp_unit_text(char *out, size_t cap, const gp_plan *p, const gp_unit *u); /* "food GOPro seed 1" */
gopro_status gp_unit_options(gp_options **o, const gp_plan *p, const gp_unit *u, gopro_error *err);

bool gp_unit_done(const gp_plan *p, const gp_unit *u); /* the run and its tests are there */

/* A step on blank images, once for all seeds of an entry on a dataset.  An error that every run of the entry would meet is returned; data
 * that cannot be read is left to the run. */
gopro_status gp_unit_estimate(gp_estimate *e, const gp_plan *p, const gp_unit *u, const gp_watch *w, gopro_error *err);

/* Runs what is missing of a unit.  A failure is recorded in its folder; CANCELLED and NOMEM are not failures of the run. */
gopro_status gp_unit_run(const gp_plan *p, const gp_unit *u, const gp_watch *w, gopro_error *err);
/* Every unit in turn, going on after failures: OK, CANCELLED or NOMEM. */
gopro_status gp_plan_run(const gp_plan *p, const gp_watch *w, gopro_error *err);

#endif
