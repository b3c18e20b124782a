/* plan.c - from a protocol's request to its list of runs and their folders.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"

static const char *const protocol_names[] = {"b2n", "xd", "dg"};

const char *gp_protocol_name(gp_protocol p)
{
    return protocol_names[p];
}

bool gp_protocol_parse(gp_protocol *p, const char *name)
{
    for (size_t i = 0; i < GP_COUNT(protocol_names); i++)
        if (strcmp(name, protocol_names[i]) == 0) {
            *p = (gp_protocol)i;
            return true;
        }
    return false;
}

void gp_entry_clear(gp_entry *e)
{
    for (size_t i = 0; e->option && i < e->n_options; i++) free(e->option[i]);
    free(e->option);
    free(e->title);
    free(e->method);
    free(e->series);
    *e = (gp_entry){0};
}

void gp_plan_free(gp_plan **p)
{
    if (!p || !*p) return;
    gp_plan *x = *p;
    for (size_t i = 0; x->entry && i < x->n_entries; i++) gp_entry_clear(&x->entry[i]);
    for (size_t i = 0; x->data && i < x->n_data; i++) free(x->data[i]);
    for (size_t i = 0; x->dataset && i < x->n_data; i++) free(x->dataset[i]);
    for (size_t i = 0; x->unit && i < x->n_units; i++) free(x->unit[i].folder);
    free(x->entry);
    free(x->data);
    free(x->dataset);
    free(x->unit);
    free(x->index);
    free(x->probed);
    free(x->name);
    free(x->title);
    free(x->axis);
    free(x->out);
    free(x->backbone_path);
    gp_options_free(&x->opt);
    free(x);
    *p = NULL;
}

size_t gp_plan_trained(const gp_plan *p)
{
    return p->protocol == GP_B2N ? p->n_data : 1;
}

const gp_unit *gp_plan_unit(const gp_plan *p, size_t data, size_t entry, size_t seed)
{
    size_t d = p->protocol == GP_B2N ? data : 0;
    return &p->unit[p->index[(d * p->n_entries + entry) * p->n_seeds + seed]];
}

bool gp_method_trains(const char *method)
{
    const gp_method *m = gp_method_find(method);
    return m && m->declare != NULL;
}

/* The last component of a path: a dataset's name in the tables. */
static char *base_name(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t i = n;
    while (i > 0 && path[i - 1] != '/') i--;
    return gp_sprintf("%.*s", (int)(n - i), path + i);
}

/* The embedded drawings lie beside their index. */
static bool is_embedded(const char *data)
{
    char *index = gp_sprintf("%s/../index.tsv", data);
    bool yes = index && gp_path_exists(index);
    free(index);
    return yes;
}

static gopro_status check_method(const char *method, gopro_error *err)
{
    const char *names[64];
    size_t n = 0;
    if (gp_method_find(method)) return GOPRO_OK;
    for (; n < gp_n_methods && n < GP_COUNT(names); n++) names[n] = gp_methods[n]->name;
    const char *near = gp_nearest(method, names, n);
    return gp_fail(err, GOPRO_E_INVALID, "method '%s' is unknown%s%s%s", method, near ? "; did you mean '" : "", near ? near : "",
                   near ? "'?" : "");
}

static gopro_status check_request(const gp_plan_request *q, gopro_error *err)
{
    if (q->n_seeds == 0 || q->n_seeds > GP_MAX_SEEDS)
        return gp_fail(err, GOPRO_E_INVALID, "%zu seeds, expected 1 to %d", q->n_seeds, GP_MAX_SEEDS);
    if (q->n_entries == 0 || q->n_data == 0) return gp_fail(err, GOPRO_E_INVALID, "no %s given", q->n_entries == 0 ? "method" : "dataset");
    if (q->protocol != GP_B2N && q->n_data < 2) return gp_fail(err, GOPRO_E_INVALID, "no target dataset given");
    for (size_t i = 0; i < q->n_seeds; i++)
        for (size_t k = 0; k < i; k++)
            if (q->seed[i] == q->seed[k]) return gp_fail(err, GOPRO_E_INVALID, "seed %ju is given twice", (uintmax_t)q->seed[i]);
    for (size_t i = 0; i < q->n_entries; i++) {
        GP_TRY(check_method(q->entry[i].method, err));
        for (size_t k = 0; k < i; k++)
            if (strcmp(q->entry[i].title, q->entry[k].title) == 0)
                return gp_fail(err, GOPRO_E_INVALID, "%s '%s' is given twice", q->name ? "entry" : "method",
                               q->name ? q->entry[i].title : q->entry[i].method);
    }
    return GOPRO_OK;
}

static gopro_status copy_entry(gp_entry *to, const gp_entry *from, gopro_error *err)
{
    to->title = gp_strdup(from->title);
    to->method = gp_strdup(from->method);
    to->series = gp_strdup(from->series ? from->series : "");
    to->x = from->x;
    to->option = calloc(from->n_options + 1, sizeof *to->option);
    if (!to->title || !to->method || !to->series || !to->option) return gp_fail_nomem(err, 0, "an entry");
    for (; to->n_options < from->n_options; to->n_options++)
        if (!(to->option[to->n_options] = gp_strdup(from->option[to->n_options]))) return gp_fail_nomem(err, 0, "an entry");
    return GOPRO_OK;
}

static gopro_status copy_datasets(gp_plan *p, const gp_plan_request *q, gopro_error *err)
{
    p->data = calloc(q->n_data, sizeof *p->data);
    p->dataset = calloc(q->n_data, sizeof *p->dataset);
    if (!p->data || !p->dataset) return gp_fail_nomem(err, 0, "datasets");
    p->n_data = q->n_data;
    for (size_t i = 0; i < q->n_data; i++) {
        p->data[i] = gp_strdup(q->data[i]);
        p->dataset[i] = base_name(q->data[i]);
        if (!p->data[i] || !p->dataset[i]) return gp_fail_nomem(err, 0, "datasets");
        p->embedded = p->embedded || is_embedded(q->data[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(p->dataset[i], p->dataset[k]) == 0)
                return gp_fail(err, GOPRO_E_INVALID, "two datasets are called '%s' (%s, %s)", p->dataset[i], q->data[k], q->data[i]);
    }
    return GOPRO_OK;
}

static gopro_status copy_request(gp_plan *p, const gp_plan_request *q, gopro_error *err)
{
    static const char *const title[] = {"Base-to-new generalisation", "Cross-dataset transfer", "Domain generalisation"};
    p->protocol = q->protocol;
    p->name = gp_strdup(q->name ? q->name : gp_protocol_name(q->protocol));
    p->title = gp_strdup(q->title ? q->title : title[q->protocol]);
    p->axis = gp_strdup(q->axis ? q->axis : "");
    p->out = gp_strdup(q->out);
    p->backbone_path = gp_strdup(q->bb->path);
    p->opt = gp_options_clone(q->opt);
    p->bb = q->bb;
    memcpy(p->backbone, q->bb->weights->hash, sizeof p->backbone);
    snprintf(p->select, sizeof p->select, "%s", gp_opt_string(q->opt, "select"));
    for (size_t e = 0; e < q->n_entries; e++)
        for (size_t i = 0; i < q->entry[e].n_options; i++)
            if (strncmp(q->entry[e].option[i], "select=", 7) == 0) p->select[0] = '\0';
    p->entry = calloc(q->n_entries, sizeof *p->entry);
    if (!p->name || !p->title || !p->axis || !p->out || !p->backbone_path || !p->opt || !p->entry)
        return gp_fail_nomem(err, sizeof *p, "a plan");
    memcpy(p->seed, q->seed, q->n_seeds * sizeof *p->seed);
    p->n_seeds = q->n_seeds;
    for (; p->n_entries < q->n_entries; p->n_entries++) {
        gopro_status st = copy_entry(&p->entry[p->n_entries], &q->entry[p->n_entries], err);
        if (st != GOPRO_OK) {
            p->n_entries++; /* is freed with the rest */
            return st;
        }
    }
    return copy_datasets(p, q, err);
}

/* What a method that learns nothing depends on; other settings leave its run as it is. */
static bool concerns(const char *method, const char *option)
{
    static const char *const prefix[] = {"template=", "ensemble=", "precision=", "logit_scale=", "data.", "test."};
    if (gp_method_trains(method)) return true;
    for (size_t i = 0; i < GP_COUNT(prefix); i++)
        if (strncmp(option, prefix[i], strlen(prefix[i])) == 0) return true;
    return false;
}

/* One setting of an entry; also over what the common settings say for this method alone. */
static gopro_status set_own(gp_options *o, const gp_entry *e, const char *setting, gopro_error *err)
{
    const char *eq = strchr(setting, '=');
    if (!eq) return gp_fail(err, GOPRO_E_INVALID, "'%s' is not name=value", setting);
    if (!concerns(e->method, setting)) return GOPRO_OK;
    char *name = gp_sprintf("%.*s", (int)(eq - setting), setting), *mine = gp_sprintf("for.%s.%s", e->method, name ? name : "");
    gopro_status st = name && mine ? gp_options_set(o, name, eq + 1, e->title, err) : gp_fail_nomem(err, 0, "options");
    if (st == GOPRO_OK && gp_options_text(o, mine)) st = gp_options_set(o, mine, eq + 1, e->title, err);
    free(name);
    free(mine);
    return st;
}

/* Settled options of an entry, with or without its own settings. */
static gopro_status entry_options(gp_options **o, const gp_plan *p, const gp_entry *e, uint64_t seed, bool own, gopro_error *err)
{
    char text[32];
    snprintf(text, sizeof text, "%ju", (uintmax_t)seed);
    *o = gp_options_clone(p->opt);
    gopro_status st = *o ? GOPRO_OK : gp_fail_nomem(err, 0, "options");
    if (st == GOPRO_OK) st = gp_options_set(*o, "method", e->method, "protocol", err);
    if (st == GOPRO_OK) st = gp_options_set(*o, "seed", text, "protocol", err);
    for (size_t i = 0; own && st == GOPRO_OK && i < e->n_options; i++) st = set_own(*o, e, e->option[i], err);
    if (st == GOPRO_OK) st = gp_options_settle(*o, p->bb->tok, p->protocol != GP_B2N, err);
    if (st != GOPRO_OK) gp_options_free(o);
    return st;
}

gopro_status gp_unit_options(gp_options **o, const gp_plan *p, const gp_unit *u, gopro_error *err)
{
    return entry_options(o, p, &p->entry[u->entry], u->seed, true, err);
}

/* Letters that a folder's name keeps; everything else becomes '-'. */
static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("._,=+-", c)) ||
           ((unsigned char)c & 0x80);
}

/* A name as a folder: with a piece of its hash where it had to be changed or shortened, so that two names stay two folders. */
static void add_folder(gp_str *out, const char *name)
{
    enum { LONGEST = 120 };
    bool changed = false;
    size_t n = strlen(name), keep = gp_min_size(n, LONGEST);
    while (keep < n && keep > 0 && ((unsigned char)name[keep] & 0xC0) == 0x80) keep--;
    for (size_t i = 0; i < keep; i++) {
        bool ok = plain(name[i]) && !(i == 0 && name[i] == '.');
        changed = changed || (!ok && name[i] != '#');
        gp_str_addn(out, ok ? &name[i] : "-", 1);
    }
    if (!changed && keep == n) return;
    char hex[65];
    gp_sha256 c;
    gp_sha256_init(&c);
    gp_sha256_add(&c, name, n);
    gp_sha256_hex(&c, hex);
    gp_str_addf(out, "~%.8s", hex);
}

/* "gopro+gopro.lambda_con=0": the options in which the entry differs from the common ones, so that a setting equal to the default is the
 * default's run. */
static gopro_status setting_name(gp_str *out, const gp_plan *p, const gp_entry *e, gopro_error *err)
{
    gp_options *common = NULL, *own = NULL;
    gopro_status st = GOPRO_OK;
    gp_str_add(out, e->method);
    if (e->n_options == 0) return GOPRO_OK;
    GP_CHECK(entry_options(&own, p, e, 0, true, err));
    if (entry_options(&common, p, e, 0, false, NULL) != GOPRO_OK) /* the common settings need not suit the method alone */
        common = gp_options_create();
    if (!common) GP_CHECK(gp_fail_nomem(err, 0, "options"));
    for (size_t i = 0; i < gp_n_opts; i++) {
        if (!gp_option_matters(i) || strcmp(gp_opts[i].name, "method") == 0 || strcmp(gp_opts[i].name, "seed") == 0) continue;
        char *a = gp_option_text(common, i), *b = gp_option_text(own, i);
        if (!a || !b)
            st = gp_fail_nomem(err, 0, "options");
        else if (strcmp(a, b) != 0)
            gp_str_addf(out, "+%s=%s", gp_opts[i].name, b);
        free(a);
        free(b);
        if (st != GOPRO_OK) goto out;
    }
out:
    gp_options_free(&common);
    gp_options_free(&own);
    return st;
}

/* Where an entry stands on the chart's axis: the effective value of that option. */
static gopro_status find_x(const gp_plan *p, gp_entry *e, gopro_error *err)
{
    gp_options *o = NULL;
    if (p->axis[0] == '\0' || isfinite(e->x)) return GOPRO_OK;
    GP_TRY(entry_options(&o, p, e, 0, true, err));
    for (size_t i = 0; i < gp_n_opts; i++) {
        if (strcmp(gp_opts[i].name, p->axis) != 0) continue;
        char *text = gp_option_text(o, i);
        if (!text || !gp_parse_real(&e->x, text)) e->x = (double)NAN;
        free(text);
    }
    gp_options_free(&o);
    return GOPRO_OK;
}

static char *unit_folder(const gp_plan *p, const char *setting, size_t data, uint64_t seed)
{
    gp_str b = {0};
    gp_str_add(&b, "runs/");
    add_folder(&b, p->dataset[data]);
    gp_str_addf(&b, "/%s/", gp_subset_name(p->protocol == GP_B2N ? GP_BASE : GP_ALL));
    add_folder(&b, setting);
    gp_str_addf(&b, "/seed%ju", (uintmax_t)seed);
    if (!b.failed) return b.s;
    gp_str_free(&b);
    return NULL;
}

/* The unit of a folder: one that is there already, or a new one. */
static gopro_status find_unit(size_t *at, gp_plan *p, char *folder, const gp_unit *u, gopro_error *err)
{
    if (!folder) return gp_fail_nomem(err, 0, "a run folder");
    for (*at = 0; *at < p->n_units; ++*at)
        if (strcmp(p->unit[*at].folder, folder) == 0) {
            free(folder);
            return GOPRO_OK;
        }
    p->unit[p->n_units] = *u;
    p->unit[p->n_units++].folder = folder;
    return GOPRO_OK;
}

static gopro_status make_units(gp_plan *p, gopro_error *err)
{
    size_t n = gp_plan_trained(p) * p->n_entries * p->n_seeds;
    gp_str *setting = calloc(p->n_entries, sizeof *setting);
    p->unit = calloc(n, sizeof *p->unit);
    p->index = calloc(n, sizeof *p->index);
    p->probed = calloc(gp_plan_trained(p) * p->n_entries, sizeof *p->probed);
    gopro_status st = p->unit && p->index && p->probed && setting ? GOPRO_OK : gp_fail_nomem(err, n * sizeof *p->unit, "the runs");
    for (size_t e = 0; st == GOPRO_OK && e < p->n_entries; e++) {
        st = setting_name(&setting[e], p, &p->entry[e], err);
        if (st == GOPRO_OK) st = find_x(p, &p->entry[e], err);
        if (st == GOPRO_OK && setting[e].failed) st = gp_fail_nomem(err, 0, "a run folder");
    }
    size_t *at = p->index;
    for (size_t d = 0; st == GOPRO_OK && d < gp_plan_trained(p); d++)
        for (size_t e = 0; st == GOPRO_OK && e < p->n_entries; e++)
            for (size_t s = 0; st == GOPRO_OK && s < p->n_seeds; s++) {
                /* a run that learns nothing is the same for every seed */
                gp_unit u = {.entry = e, .data = d, .seed = gp_method_trains(p->entry[e].method) ? p->seed[s] : 0};
                st = find_unit(at++, p, unit_folder(p, setting[e].s, d, u.seed), &u, err);
            }
    for (size_t e = 0; setting && e < p->n_entries; e++) gp_str_free(&setting[e]);
    free(setting);
    return st;
}

gopro_status gp_plan_create(gp_plan **p, const gp_plan_request *q, gopro_error *err)
{
    GP_TRY(check_request(q, err));
    *p = calloc(1, sizeof **p);
    if (!*p) return gp_fail_nomem(err, sizeof **p, "a plan");
    gopro_status st = copy_request(*p, q, err);
    if (st == GOPRO_OK) st = make_units(*p, err);
    if (st != GOPRO_OK) gp_plan_free(p);
    return st;
}

char *gp_unit_folder(const gp_plan *p, const gp_unit *u)
{
    return gp_path_join(p->out, u->folder);
}

char *gp_unit_file(const gp_plan *p, const gp_unit *u, const char *name)
{
    return gp_sprintf("%s/%s/%s", p->out, u->folder, name);
}

char *gp_test_file(const gp_plan *p, const gp_unit *u, size_t target, bool failure)
{
    gp_str b = {0};
    gp_str_addf(&b, "%s/%s/tests/", p->out, u->folder);
    add_folder(&b, p->dataset[target]);
    gp_str_add(&b, failure ? ".failed.json" : ".json");
    if (!b.failed) return b.s;
    gp_str_free(&b);
    return NULL;
}

void gp_unit_text(char *out, size_t cap, const gp_plan *p, const gp_unit *u)
{
    const char *title = p->entry[u->entry].title;
    if (gp_method_trains(p->entry[u->entry].method))
        snprintf(out, cap, "%.80s %.60s seed %ju", p->dataset[u->data], title, (uintmax_t)u->seed);
    else
        snprintf(out, cap, "%.80s %.60s", p->dataset[u->data], title);
}
