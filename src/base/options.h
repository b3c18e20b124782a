/* options.h - the one table of all options: it feeds the configuration file, key=value arguments, --help and the run record.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_OPTIONS_H
#define GP_OPTIONS_H

#include "base/error.h"
#include "base/str.h"

typedef enum gp_opt_type { GP_OPT_BOOL, GP_OPT_INT, GP_OPT_REAL, GP_OPT_STRING, GP_OPT_CHOICE, GP_OPT_INT_LIST } gp_opt_type;

typedef struct gp_opt {
    const char *name; /* "optim.lr" */
    gp_opt_type type;
    const char *value;   /* default, as text; "" for an unset string; "auto" allowed where the help says so */
    double min, max;     /* INT, REAL; each element of an INT_LIST */
    const char *choices; /* CHOICE: "rms|unit|none"; a STRING with choices is one of them or a number from min to max */
    const char *help;    /* one line, with the unit */
} gp_opt;

extern const gp_opt gp_opts[];
extern const size_t gp_n_opts;

typedef struct gp_options gp_options; /* one value per table entry */

gp_options *gp_options_create(void);                              /* all defaults; NULL when out of memory */
gp_options *gp_options_create_for(const gp_opt *table, size_t n); /* the same for another table, which must outlive it */
gp_options *gp_options_clone(const gp_options *o);
void gp_options_free(gp_options **o);

/* A name is an option's or "for.METHOD.OPTION", which holds for that method only (gp_options_resolve).
 * Unknown name: INVALID with the nearest name.  Bad value: INVALID with the range or the choices.  `where` ("config.yaml:7", "argument")
 * begins the message. */
gopro_status gp_options_set(gp_options *o, const char *name, const char *value, const char *where, gopro_error *err);
gopro_status gp_options_load_yaml(gp_options *o, const char *path, gopro_error *err); /* nested maps become dotted names */
/* The same from memory; label names the text in messages. */
gopro_status gp_options_load_yaml_text(gp_options *o, const char *text, size_t len, const char *label, gopro_error *err);
gopro_status gp_options_to_yaml(const gp_options *o, gp_str *out); /* every option, in table order */

/* A default that depends on other settings: taken unless the user set the option; does not count as set. */
gopro_status gp_options_set_default(gp_options *o, const char *name, const char *value, gopro_error *err);
/* What holds for the method that is set: its "for." values are set (over plain ones: the more specific wins), those of all methods are
 * then dropped, so that what remains are plain options.  Afterwards the user has set what a "for." value named. */
gopro_status gp_options_resolve(gp_options *o, gopro_error *err);
/* The value of an option or of a "for." name, as text that gp_options_set takes; NULL if there is none. */
const char *gp_options_text(const gp_options *o, const char *name);

/* Getters: a name that is not in the table is a programming error (assert). */
bool gp_opt_bool(const gp_options *o, const char *name);
int64_t gp_opt_int(const gp_options *o, const char *name);
double gp_opt_real(const gp_options *o, const char *name);
const char *gp_opt_string(const gp_options *o, const char *name); /* STRING and CHOICE; borrowed */
bool gp_opt_is(const gp_options *o, const char *name, const char *choice);
bool gp_opt_is_set(const gp_options *o, const char *name);                             /* the user gave it */
size_t gp_opt_int_list(const gp_options *o, const char *name, int64_t *v, size_t cap); /* "1,2,3" or "1-3" */

#endif
