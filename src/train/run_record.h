/* run_record.h - run.json: what a run is, and what it read; written when it begins, read by whatever uses the run later.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_RUN_RECORD_H
#define GP_RUN_RECORD_H

#include <jansson.h>

#include "train/rundir.h"

/* The identity: hash of the model, dataset, subset, draw, classes, and every option that a result may depend on, as strings.  NULL when out
 * of memory. */
json_t *gp_identity_json(const gp_run_identity *id);
/* Of the identity without options at their defaults: the same for a later version with more options. */
gopro_status gp_identity_hash(char hex[65], const json_t *identity, gopro_error *err);
bool gp_identity_same(const json_t *have, const json_t *want);
/* An option that a folder does not name came after it: it had its default there. */
bool gp_identity_same_value(const json_t *have, const char *key, const json_t *want);
/* INVALID, with the first thing in which the identity in folder `run` differs from ours. */
gopro_status gp_identity_differs(const char *run, const json_t *have, const json_t *want, gopro_error *err);

gopro_status gp_run_record_write(const char *run, const gp_run_identity *id, json_t *identity, gopro_error *err);

/* Readers for others than the run itself.  WEIGHTS: no run folder, or its record cannot be read. */
gopro_status gp_run_record_paths(char **model, char **data, const char *run, gopro_error *err); /* malloc'ed; NULL if not recorded */
/* Options that say how the run read its model and, if `data` (NULL: the run's) is its own, its data; those that are set already stay. */
gopro_status gp_run_record_options(gp_options *o, const char *run, const char *data, gopro_error *err);

#endif
