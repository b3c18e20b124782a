/* options_internal.h - what options.c and options_yaml.c share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_OPTIONS_INTERNAL_H
#define GP_OPTIONS_INTERNAL_H

#include "base/options.h"

typedef struct gp_opt_value {
    char *text; /* as given, checked; booleans as 0 or 1 */
    int64_t integer;
    double real; /* also of a STRING that may be a number; 0 if it is not one */
    bool boolean, set;
} gp_opt_value;

/* "for.METHOD.OPTION" */
typedef struct gp_opt_for {
    char *method;
    size_t i; /* the option in the table */
    gp_opt_value v;
} gp_opt_for;

struct gp_options {
    const gp_opt *table; /* borrowed */
    size_t n;
    gp_opt_value *v; /* [n] */
    gp_opt_for *of;  /* [n_of], in the order given */
    size_t n_of;
};

size_t gp_options_find(const gp_options *o, const char *name); /* SIZE_MAX: no such option */
gopro_status gp_options_set_at(gp_options *o, size_t i, const char *value, const char *where, gopro_error *err);
gopro_status gp_options_parse(gp_opt_value *v, const gp_opt *t, const char *s, const char *where, gopro_error *err); /* v->text is new */
/* The candidates are the options and, for a name without a dot, the groups. */
gopro_status gp_options_unknown(const gp_options *o, const char *name, const char *where, gopro_error *err); /* always fails */

/* "for." names. */
bool gp_options_is_for(const char *name);
gopro_status gp_options_set_for(gp_options *o, const char *name, const char *value, const char *where, gopro_error *err);
const gp_opt_for *gp_options_find_for(const gp_options *o, const char *name);
bool gp_options_for_group(const gp_options *o, const char *prefix, size_t len); /* "for.", "for.METHOD.", "for.METHOD.GROUP." */
bool gp_options_clone_for(gp_options *to, const gp_options *from);
void gp_options_drop_for(gp_options *o);

#endif
