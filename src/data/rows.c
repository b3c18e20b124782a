/* rows.c - images whose class is a word: choosing the domain, ordering and naming the classes, splitting what nobody split.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "data/dataset_int.h"

#define DROPPED UINT32_MAX

gopro_status gp_rows_init(gp_rows *r, gp_ds_build *b, gopro_error *err)
{
    (void)err;
    *r = (gp_rows){.b = b, .key = {.pool = b->pool}, .domain = {.pool = b->pool}};
    return GOPRO_OK;
}

void gp_rows_free(gp_rows *r)
{
    free(r->row);
    gp_intern_free(&r->key);
    gp_intern_free(&r->domain);
    *r = (gp_rows){0};
}

/* A class word or a domain becomes part of prompts, tables and messages. */
static gopro_status check_word(const char *what, const char *s, size_t n, const char *path, gopro_error *err)
{
    if (n == 0) return gp_fail(err, GOPRO_E_DATA, "the %s of '%s' is empty", what, path);
    if (n > 4096) return gp_fail(err, GOPRO_E_DATA, "the %s of '%s' is longer than 4096 bytes", what, path);
    if (!gp_utf8_ok(s, n)) return gp_fail(err, GOPRO_E_DATA, "the %s of '%s' is not valid UTF-8; convert it", what, path);
    if (!gp_text_is_plain(s, n))
        return gp_fail(err, GOPRO_E_DATA, "the %s of '%s' holds a control character; expected plain text", what, path);
    return GOPRO_OK;
}

gopro_status gp_rows_add(gp_rows *r, const gp_row *row, const char *key, size_t n_key, const char *domain, size_t n_domain,
                         gopro_error *err)
{
    uint32_t k = 0, d = 0;
    GP_TRY(check_word("class", key, n_key, row->path, err));
    if (domain) GP_TRY(check_word("domain", domain, n_domain, row->path, err));
    if (r->n >= UINT32_MAX) return gp_fail(err, GOPRO_E_DATA, "more than %u images", UINT32_MAX);
    if (r->n == r->cap) {
        const size_t cap = r->cap ? 2 * r->cap : 64;
        gp_row *v = reallocarray(r->row, cap, sizeof *v);
        if (!v) return gp_fail_nomem(err, cap * sizeof *v, "a list of images");
        r->row = v;
        r->cap = cap;
    }
    char *path = gp_strings_add(r->b->pool, row->path, strlen(row->path));
    if (!path || !gp_intern_add(&r->key, &k, key, n_key) || !gp_intern_add(&r->domain, &d, domain ? domain : "", domain ? n_domain : 0))
        return gp_fail_nomem(err, n_key, "a list of images");
    gp_path_tidy(path);
    if (k >= GP_MAX_LABEL) return gp_fail(err, GOPRO_E_DATA, "more than %zu classes", GP_MAX_LABEL);
    if (d >= UINT16_MAX) return gp_fail(err, GOPRO_E_DATA, "more than %d domains", UINT16_MAX);
    gp_row *x = &r->row[r->n++];
    *x = *row;
    x->path = path;
    x->key = k;
    x->domain = (uint16_t)d;
    return GOPRO_OK;
}

/* ---- domains ---- */

static void list_domains(gp_str *out, const gp_rows *r)
{
    size_t shown = 0;
    for (size_t i = 0; i < r->domain.n && shown < 20; i++)
        if (r->domain.word[i][0]) gp_str_addf(out, "%s%s", shown++ ? ", " : "", r->domain.word[i]);
}

/* "A+B": both; a domain that is itself called "A+B" wins. */
static gopro_status choose_domains(bool *wanted, const gp_rows *r, const gp_rows_plan *p, gopro_error *err)
{
    uint32_t d;
    if (p->domain[0] && gp_intern_find(&r->domain, &d, p->domain, strlen(p->domain))) {
        wanted[d] = true;
        return GOPRO_OK;
    }
    for (const char *s = p->domain;; s++) {
        const size_t n = strcspn(s, "+");
        if (n == 0 || !gp_intern_find(&r->domain, &d, s, n)) {
            gp_str all = {0};
            list_domains(&all, r);
            gopro_status st = all.len ? gp_fail(err, GOPRO_E_DATA, "'%s' has no domain '%.*s'; it has %s", p->what, (int)n, s, all.s)
                                      : gp_fail(err, GOPRO_E_DATA, "'%s' has no domains, so '#%s' cannot be chosen", p->what, p->domain);
            gp_str_free(&all);
            return st;
        }
        wanted[d] = true;
        s += n;
        if (*s == '\0') return GOPRO_OK;
    }
}

static gopro_status drop_other_domains(gp_rows *r, const gp_rows_plan *p, gopro_error *err)
{
    if (!p->domain) return GOPRO_OK;
    bool *wanted = calloc(r->domain.n + 1, sizeof *wanted);
    if (!wanted) return gp_fail_nomem(err, r->domain.n, "domains");
    gopro_status st = choose_domains(wanted, r, p, err);
    size_t n = 0;
    for (size_t i = 0; st == GOPRO_OK && i < r->n; i++)
        if (wanted[r->row[i].domain]) r->row[n++] = r->row[i];
    if (st == GOPRO_OK) r->n = n;
    free(wanted);
    return st;
}

/* ---- classes ---- */

static bool whole_number(const char *s)
{
    if (!*s || strlen(s) > 7) return false;
    for (; *s; s++)
        if (*s < '0' || *s > '9') return false;
    return true;
}

typedef struct sorted {
    char *word;
    uint32_t key;
} sorted;

static int by_bytes(const void *a, const void *b)
{
    return strcmp(((const sorted *)a)->word, ((const sorted *)b)->word);
}

static int by_number(const void *a, const void *b)
{
    const long x = atol(((const sorted *)a)->word), y = atol(((const sorted *)b)->word);
    return x != y ? (x > y) - (x < y) : by_bytes(a, b);
}

/* Keys in label order: numbers by value, words bytewise. */
static gopro_status sort_keys(sorted **out, const gp_rows *r, gopro_error *err)
{
    sorted *v = malloc((r->key.n + 1) * sizeof *v);
    if (!v) return gp_fail_nomem(err, r->key.n * sizeof *v, "class names");
    bool numbers = true;
    for (size_t i = 0; i < r->key.n; i++) {
        v[i] = (sorted){r->key.word[i], (uint32_t)i};
        numbers = numbers && whole_number(v[i].word);
    }
    qsort(v, r->key.n, sizeof *v, numbers ? by_number : by_bytes);
    *out = v;
    return GOPRO_OK;
}

static const char *renamed(const gp_rows_plan *p, const char *key)
{
    for (size_t i = 0; p->renames && p->renames[i][0]; i++)
        if (strcmp(p->renames[i][0], key) == 0) return p->renames[i][1];
    return key;
}

/* label[sorted position] and the names, before classes without images are dropped. */
static gopro_status name_classes(uint32_t *label, const char ***names, size_t *n_names, bool *listed, const sorted *v, size_t K,
                                 const gp_rows_plan *p, gopro_error *err)
{
    char **keys = malloc((K + 1) * sizeof *keys);
    if (!keys) return gp_fail_nomem(err, K * sizeof *keys, "class names");
    for (size_t k = 0; k < K; k++) keys[k] = v[k].word;
    gopro_status st = GOPRO_OK;
    *listed = false;
    if (p->names) {
        st = gp_names_apply(p->names, label, names, n_names, listed, keys, K, err);
        if (st != GOPRO_OK) gp_fail_in(err, st, "'%s'", p->what);
    } else if (!(*names = malloc((K + 1) * sizeof **names))) {
        st = gp_fail_nomem(err, K * sizeof **names, "class names");
    } else {
        for (size_t k = 0; k < K; k++) {
            label[k] = (uint32_t)k;
            (*names)[k] = renamed(p, keys[k]);
        }
        *n_names = K;
    }
    free(keys);
    return st;
}

/* The classes in their order, before a domain is chosen. */
typedef struct classes {
    const char **name; /* [n] */
    size_t n;
    uint32_t *of; /* [keys]: the class of a word */
    bool listed;  /* by a file: a class without images stays */
} classes;

static void free_classes(classes *c)
{
    free(c->name);
    free(c->of);
}

static gopro_status order_classes(classes *c, const gp_rows *r, const gp_rows_plan *p, gopro_error *err)
{
    const size_t K = r->key.n;
    sorted *v = NULL;
    uint32_t *label = malloc((K + 1) * sizeof *label);
    *c = (classes){.of = malloc((K + 1) * sizeof *c->of)};
    gopro_status st = label && c->of ? sort_keys(&v, r, err) : gp_fail_nomem(err, K * sizeof *label, "class names");
    if (st == GOPRO_OK) st = name_classes(label, &c->name, &c->n, &c->listed, v, K, p, err);
    for (size_t k = 0; st == GOPRO_OK && k < K; k++) c->of[v[k].key] = label[k];
    free(label);
    free(v);
    return st;
}

/* c->of becomes the label.  Classes that the chosen images do not show are left out unless a file lists them. */
static gopro_status make_labels(classes *c, const gp_rows *r, gopro_error *err)
{
    size_t n = 0;
    gopro_status st = GOPRO_OK;
    uint32_t *label = malloc((c->n + 1) * sizeof *label);
    if (!label) return gp_fail_nomem(err, c->n * sizeof *label, "class names");
    for (size_t i = 0; i < c->n; i++) label[i] = c->listed ? 0 : DROPPED;
    for (size_t i = 0; i < r->n; i++) label[c->of[r->row[i].key]] = 0;
    for (size_t i = 0; i < c->n && st == GOPRO_OK; i++) {
        if (label[i] == DROPPED) continue;
        st = gp_ds_name(r->b, n, c->name[i], err);
        label[i] = (uint32_t)n++;
    }
    for (size_t k = 0; k < r->key.n; k++) c->of[k] = label[c->of[k]];
    free(label);
    return st;
}

/* ---- parts ---- */

/* 50/20/30 of n images, counts rounded half to even; a class of two or more keeps at least one image on either side. */
static void split_counts(size_t *n_train, size_t *n_val, size_t n)
{
    size_t t = (size_t)nearbyint((double)n * 0.5), v = (size_t)nearbyint((double)n * 0.2);
    if (t == 0) t = 1;
    while (n > 1 && t + v >= n) {
        if (v > 0)
            v--;
        else
            t--;
    }
    *n_train = t;
    *n_val = n == 1 ? 0 : v;
}

/* Images that are split together. */
typedef struct group {
    uint32_t cls, domain, row;
} group;

static int by_group(const void *a, const void *b)
{
    const group *x = a, *y = b;
    if (x->cls != y->cls) return x->cls < y->cls ? -1 : 1;
    if (x->domain != y->domain) return x->domain < y->domain ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

#define LONELY UINT32_MAX /* images of a class that are the only one of their domain: a group of their own */

static gopro_status group_rows(group **out, const gp_rows *r, const classes *c, gopro_error *err)
{
    group *g = malloc((r->n + 1) * sizeof *g);
    *out = g;
    if (!g) return gp_fail_nomem(err, r->n * sizeof *g, "a split");
    for (size_t i = 0; i < r->n; i++) g[i] = (group){c->of[r->row[i].key], r->row[i].domain, (uint32_t)i};
    if (r->n) qsort(g, r->n, sizeof *g, by_group);
    for (size_t i = 0, j; i < r->n; i = j) {
        for (j = i + 1; j < r->n && g[j].cls == g[i].cls && g[j].domain == g[i].domain;) j++;
        if (j == i + 1) g[i].domain = LONELY;
    }
    if (r->n) qsort(g, r->n, sizeof *g, by_group);
    return GOPRO_OK;
}

/* Every class by a shuffle, one generator over the classes in their order; within its domains, and before one of them is chosen, so that an
 * image is on the same side whichever domains are looked at.  The rows are put in the order of the lists. */
static gopro_status split_rows(gp_rows *r, const classes *c, gopro_error *err)
{
    group *g = NULL;
    gp_row *row = malloc((r->n + 1) * sizeof *row);
    uint32_t *order = malloc((r->n + 1) * sizeof *order);
    gp_mt19937 m;
    gopro_status st = row && order ? group_rows(&g, r, c, err) : gp_fail_nomem(err, r->n * sizeof *row, "a split");
    gp_mt_seed(&m, r->b->rules.split_seed);
    for (size_t from = 0, to; st == GOPRO_OK && from < r->n; from = to) {
        size_t n_train, n_val;
        for (to = from + 1; to < r->n && g[to].cls == g[from].cls && g[to].domain == g[from].domain;) to++;
        const size_t n = to - from;
        split_counts(&n_train, &n_val, n);
        for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
        gp_mt_shuffle(&m, order, (uint32_t)n);
        for (size_t i = 0; i < n; i++) {
            row[from + i] = r->row[g[from + order[i]].row];
            row[from + i].part = i < n_train ? GP_PART_TRAIN : i < n_train + n_val ? GP_PART_VAL : GP_PART_TEST;
        }
    }
    if (st == GOPRO_OK) {
        free(r->row);
        r->row = row;
        r->cap = r->n + 1;
        row = NULL;
    }
    free(row);
    free(order);
    free(g);
    return st;
}

static gopro_status put(gp_rows *r, size_t i, uint32_t label, gopro_error *err)
{
    const gp_row *x = &r->row[i];
    return gp_ds_put(r->b, (gp_part)x->part, &(gp_item){.path = x->path, .label = label, .size = x->size, .offset = x->offset}, err);
}

/* Training images are what the classes are learnt from: one that only the test shows is a mistake more often than not. */
static gopro_status check_untrained(const gp_rows *r, const uint32_t *to, const char *what, gopro_error *err)
{
    const size_t K = r->b->n_classes;
    uint8_t *seen = calloc(K + 1, 1);
    if (!seen) return gp_fail_nomem(err, K, "classes");
    bool any = false;
    for (size_t i = 0; i < r->n; i++)
        if (r->row[i].part == GP_PART_TRAIN) {
            seen[to[r->row[i].key]] = 1;
            any = true;
        }
    gopro_status st = GOPRO_OK;
    for (size_t i = 0; any && i < r->n && st == GOPRO_OK; i++)
        if (!seen[to[r->row[i].key]])
            st = gp_fail(err, GOPRO_E_DATA,
                         "'%s': the class '%s' has %s images but no training images; give it some, or leave the class out", what,
                         r->key.word[r->row[i].key], gp_part_name[r->row[i].part]);
    free(seen);
    return st;
}

static size_t count_unsaid(const gp_rows *r, size_t *example)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->row[i].part == GP_PARTS) n++, *example = i;
    return n;
}

gopro_status gp_rows_finish(gp_rows *r, const gp_rows_plan *p, gopro_error *err)
{
    size_t example = 0, unsaid = count_unsaid(r, &example);
    bool by_shuffle = unsaid == r->n;
    classes c;
    gopro_status st = order_classes(&c, r, p, err);
    if (st == GOPRO_OK && by_shuffle) st = split_rows(r, &c, err);
    GP_CHECK(st);
    GP_CHECK(drop_other_domains(r, p, err));
    unsaid = count_unsaid(r, &example);
    if (unsaid == r->n && unsaid > 0) { /* the domains that are left, while others were split */
        by_shuffle = true;
        GP_CHECK(split_rows(r, &c, err));
        unsaid = 0;
    }
    GP_CHECK(make_labels(&c, r, err));
    r->b->by_shuffle = by_shuffle;
    if (unsaid > 0) {
        st = gp_fail(err, GOPRO_E_DATA, "'%s': %zu images are in no split, for example '%s', but others are; expected train, val or test",
                     p->what, unsaid, r->row[example].path);
        goto out;
    }
    if (!by_shuffle) GP_CHECK(check_untrained(r, c.of, p->what, err));
    for (size_t i = 0; i < r->n; i++) GP_CHECK(put(r, i, c.of[r->row[i].key], err));
out:
    free_classes(&c);
    return st;
}
