/* ablate.c - see ablate.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/ablate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

const char *gp_method_title(const char *method)
{
    const gp_method *m = gp_method_find(method);
    return m ? m->title : method;
}

void gp_entries_free(gp_entries *e)
{
    for (size_t i = 0; i < e->n; i++) gp_entry_clear(&e->entry[i]);
    free(e->entry);
    free(e->name);
    free(e->title);
    free(e->axis);
    *e = (gp_entries){0};
}

/* Takes title, options (as one text, separated by newlines) and series; all must have been allocated. */
static gopro_status add(gp_entries *e, const char *method, gp_str *title, gp_str *options, gp_str *series, gopro_error *err)
{
    gp_entry *more = e->n < GP_MAX_ENTRIES ? realloc(e->entry, (e->n + 1) * sizeof *more) : NULL;
    gopro_status st = GOPRO_OK;
    if (!more && e->n == GP_MAX_ENTRIES) {
        st = gp_fail(err, GOPRO_E_INVALID, "more than %d settings; give fewer values", GP_MAX_ENTRIES);
        goto out;
    }
    if (more) e->entry = more;
    if (!more || title->failed || options->failed || series->failed) {
        st = gp_fail_nomem(err, 0, "an entry");
        goto out;
    }
    gp_entry *x = &e->entry[e->n++];
    *x = (gp_entry){.method = gp_strdup(method), .x = (double)NAN};
    x->title = gp_strdup(title->s ? title->s : "");
    x->series = gp_strdup(series->s ? series->s : "");
    size_t n = 1;
    for (const char *s = options->s; s && *s; s++) n += *s == '\n';
    x->option = calloc(n, sizeof *x->option);
    if (!x->method || !x->title || !x->series || !x->option) st = gp_fail_nomem(err, 0, "an entry");
    for (char *s = options->s; st == GOPRO_OK && s && *s;) {
        size_t len = strcspn(s, "\n");
        x->option[x->n_options] = gp_sprintf("%.*s", (int)len, s);
        if (!x->option[x->n_options]) st = gp_fail_nomem(err, 0, "an entry");
        x->n_options += st == GOPRO_OK;
        s += len + (s[len] == '\n');
    }
out:
    gp_str_free(title);
    gp_str_free(options);
    gp_str_free(series);
    return st;
}

gopro_status gp_entries_methods(gp_entries *e, const char *const *method, size_t n_methods, gopro_error *err)
{
    *e = (gp_entries){0};
    for (size_t i = 0; i < n_methods; i++) {
        gp_str title = {0}, options = {0}, series = {0};
        gp_str_add(&title, gp_method_title(method[i]));
        GP_TRY(add(e, method[i], &title, &options, &series, err));
    }
    return GOPRO_OK;
}

/* Table 3: a loss that is on keeps the weight it has in the common settings. */
static gopro_status losses(gp_entries *e, const char *method, gopro_error *err)
{
    static const struct {
        const char *title, *options;
    } row[] = {{"L_ce", "gopro.lambda_con=0\ngopro.lambda_sem1=0\ngopro.lambda_sem2=0"},
               {"L_ce + L_con", "gopro.lambda_sem1=0\ngopro.lambda_sem2=0"},
               {"L_ce + L_sem(x1)", "gopro.lambda_con=0\ngopro.lambda_sem2=0"},
               {"L_ce + L_sem(x2)", "gopro.lambda_con=0\ngopro.lambda_sem1=0"},
               {"L_ce + L_sem(x1+x2)", "gopro.lambda_con=0"},
               {"all", ""}};
    for (size_t i = 0; i < GP_COUNT(row); i++) {
        gp_str title = {0}, options = {0}, series = {0};
        gp_str_add(&title, row[i].title);
        gp_str_add(&options, row[i].options);
        GP_TRY(add(e, method, &title, &options, &series, err));
    }
    return GOPRO_OK;
}

/* "GOPro " where several methods are compared. */
static void prefix(gp_str *title, const char *method, bool several)
{
    if (several) gp_str_addf(title, "%s ", gp_method_title(method));
}

/* Figure 2: the common start from words, and a random start for every length. */
static gopro_status tokens(gp_entries *e, const char *method, bool several, gopro_error *err)
{
    static const int length[] = {1, 2, 4, 8, 16};
    gp_str title = {0}, options = {0}, series = {0};
    prefix(&title, method, several);
    gp_str_add(&title, "words");
    gp_str_addf(&series, "%s words", gp_method_title(method));
    GP_TRY(add(e, method, &title, &options, &series, err));
    for (size_t i = 0; i < GP_COUNT(length); i++) {
        prefix(&title, method, several);
        gp_str_addf(&title, "M=%d random", length[i]);
        gp_str_addf(&options, "M=%d\nctx_init=", length[i]);
        gp_str_addf(&series, "%s random", gp_method_title(method));
        GP_TRY(add(e, method, &title, &options, &series, err));
    }
    return GOPRO_OK;
}

static gopro_status shots(gp_entries *e, const char *method, bool several, gopro_error *err)
{
    static const int number[] = {1, 2, 4, 8, 16};
    for (size_t i = 0; i < GP_COUNT(number); i++) {
        gp_str title = {0}, options = {0}, series = {0};
        prefix(&title, method, several);
        gp_str_addf(&title, "%d shot%s", number[i], number[i] == 1 ? "" : "s");
        gp_str_addf(&options, "shots=%d", number[i]);
        gp_str_add(&series, gp_method_title(method));
        GP_TRY(add(e, method, &title, &options, &series, err));
    }
    return GOPRO_OK;
}

/* The i-th of the values after the '='; *len 0 for an empty one. */
static const char *value_at(const char *axis, size_t i, size_t *len)
{
    const char *s = strchr(axis, '=') + 1;
    for (; i > 0; i--) s += strcspn(s, ",") + 1;
    *len = strcspn(s, ",");
    return s;
}

static size_t value_count(const char *axis)
{
    size_t n = 1;
    for (const char *s = strchr(axis, '='); *s; s++) n += *s == ',';
    return n;
}

/* Every combination, the last option changing fastest. */
static gopro_status grid(gp_entries *e, const char *method, bool several, const char *const *axis, size_t n_axes, gopro_error *err)
{
    size_t total = 1;
    for (size_t a = 0; a < n_axes; a++)
        if (!gp_mul_size(&total, total, value_count(axis[a])) || total > GP_MAX_ENTRIES)
            return gp_fail(err, GOPRO_E_INVALID, "the grid has more than %d settings; give fewer values", GP_MAX_ENTRIES);
    for (size_t i = 0; i < total; i++) {
        gp_str title = {0}, options = {0}, series = {0};
        size_t rest = i, below = total;
        prefix(&title, method, several);
        gp_str_add(&series, gp_method_title(method));
        for (size_t a = 0; a < n_axes; a++) {
            size_t len, name = strcspn(axis[a], "=");
            below /= value_count(axis[a]);
            const char *v = value_at(axis[a], rest / below, &len);
            rest %= below;
            gp_str_addf(&title, "%s%.*s=%.*s", a ? " " : "", (int)name, axis[a], (int)len, v);
            gp_str_addf(&options, "%s%.*s=%.*s", a ? "\n" : "", (int)name, axis[a], (int)len, v);
            if (a > 0) gp_str_addf(&series, " %.*s=%.*s", (int)name, axis[a], (int)len, v);
        }
        GP_TRY(add(e, method, &title, &options, &series, err));
    }
    return GOPRO_OK;
}

static gopro_status check_axes(const char *const *axis, size_t n_axes, gopro_error *err)
{
    if (n_axes == 0) return gp_fail(err, GOPRO_E_INVALID, "the grid needs an option with values, such as optim.lr=0.001,0.002");
    for (size_t a = 0; a < n_axes; a++) {
        const char *eq = strchr(axis[a], '=');
        if (!eq || eq == axis[a]) return gp_fail(err, GOPRO_E_INVALID, "'%s' is not an option with values, name=v1,v2", axis[a]);
        for (size_t b = 0; b < a; b++)
            if (strncmp(axis[a], axis[b], (size_t)(eq - axis[a]) + 1) == 0)
                return gp_fail(err, GOPRO_E_INVALID, "option '%.*s' is given twice", (int)(eq - axis[a]), axis[a]);
        if (strncmp(axis[a], "method=", 7) == 0 || strncmp(axis[a], "seed=", 5) == 0)
            return gp_fail(err, GOPRO_E_INVALID, "'%.*s' is no axis of a grid; use --%ss", (int)(eq - axis[a]), axis[a],
                           axis[a][0] == 'm' ? "method" : "seed");
    }
    return GOPRO_OK;
}

static gopro_status describe(gp_entries *e, const char *what, gp_protocol protocol, const char *const *axis, size_t n_axes,
                             gopro_error *err)
{
    static const char *const titles[][3] = {{"losses", "Which loss does what", NULL},
                                            {"tokens", "Context tokens", "M"},
                                            {"shots", "Training images per class", "shots"},
                                            {"grid", "Grid of settings", NULL}};
    gp_str name = {0};
    gp_str_addf(&name, "ablate-%s", what);
    for (size_t a = 0; a < n_axes; a++) gp_str_addf(&name, "-%.*s", (int)strcspn(axis[a], "="), axis[a]);
    if (protocol != GP_B2N) gp_str_addf(&name, "-%s", gp_protocol_name(protocol));
    e->name = name.failed ? NULL : name.s;
    for (size_t i = 0; i < GP_COUNT(titles); i++) {
        if (strcmp(what, titles[i][0]) != 0) continue;
        e->title = gp_strdup(titles[i][1]);
        e->axis = titles[i][2] ? gp_strdup(titles[i][2]) : n_axes ? gp_sprintf("%.*s", (int)strcspn(axis[0], "="), axis[0]) : gp_strdup("");
    }
    return e->name && e->title && e->axis ? GOPRO_OK : gp_fail_nomem(err, 0, "an ablation");
}

gopro_status gp_entries_ablation(gp_entries *e, const char *what, gp_protocol protocol, const char *const *method, size_t n_methods,
                                 const char *const *axis, size_t n_axes, gopro_error *err)
{
    static const char *const known[] = {"losses", "tokens", "shots", "grid"};
    size_t kind = 0;
    *e = (gp_entries){0};
    while (kind < GP_COUNT(known) && strcmp(what, known[kind]) != 0) kind++;
    if (kind == GP_COUNT(known)) {
        const char *near = gp_nearest(what, known, GP_COUNT(known));
        return gp_fail(err, GOPRO_E_INVALID, "ablation '%s' is unknown, expected losses, tokens, shots or grid%s%s%s", what,
                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    if (kind == 3) GP_TRY(check_axes(axis, n_axes, err));
    if (kind != 3 && n_axes > 0) return gp_fail(err, GOPRO_E_INVALID, "'%s' has a list of values; that is for 'grid'", axis[0]);
    if (kind == 0 && (n_methods != 1 || strcmp(method[0], "gopro") != 0))
        return gp_fail(err, GOPRO_E_INVALID, "the loss terms are GOPro's: 'losses' takes the method gopro only");
    GP_TRY(describe(e, what, protocol, axis, n_axes, err));
    for (size_t i = 0; i < n_methods; i++) {
        bool several = n_methods > 1;
        if (kind == 0) GP_TRY(losses(e, method[i], err));
        if (kind == 1) GP_TRY(tokens(e, method[i], several, err));
        if (kind == 2) GP_TRY(shots(e, method[i], several, err));
        if (kind == 3) GP_TRY(grid(e, method[i], several, axis, n_axes, err));
    }
    return GOPRO_OK;
}
