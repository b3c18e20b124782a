/* ablate.h - the entries of protocols and ablations: methods as they are, the loss table, prompt length, shots, any options as a grid
 * (METHODS 3.9). SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ABLATE_H
#define GP_ABLATE_H

#include "eval/plan.h"

#define GP_MAX_ENTRIES 1024

typedef struct gp_entries {
    gp_entry *entry;
    size_t n;
    char *name, *title, *axis; /* for gp_plan_request; NULL where there is none */
} gp_entries;
void gp_entries_free(gp_entries *e);

/* One entry per method, with its usual settings. */
gopro_status gp_entries_methods(gp_entries *e, const char *const *method, size_t n_methods, gopro_error *err);

/* what: "losses" (GOPro only), "tokens", "shots", "grid".  axis [n_axes]: "name=v1,v2,...", for the grid only.  Runs of a setting that
 * equals the common one are shared with the protocol. */
gopro_status gp_entries_ablation(gp_entries *e, const char *what, gp_protocol protocol, const char *const *method, size_t n_methods,
                                 const char *const *axis, size_t n_axes, gopro_error *err);

const char *gp_method_title(const char *method); /* in tables: "CLIP" for zeroshot */

#endif
