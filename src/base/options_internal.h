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

struct gp_options {
    const gp_opt *table; /* borrowed */
    size_t n;
    gp_opt_value *v; /* [n] */
};

size_t gp_options_find(const gp_options *o, const char *name); /* SIZE_MAX: no such option */
gopro_status gp_options_set_at(gp_options *o, size_t i, const char *value, const char *where, gopro_error *err);
gopro_status gp_options_unknown(const gp_options *o, const char *name, const char *where, gopro_error *err); /* always fails */

#endif
