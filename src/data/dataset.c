/* dataset.c - opening a dataset: which reader, its name and template, and the checks that every list must pass.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/options.h"
#include "base/sha256.h"
#include "base/str.h"
#include "data/dataset_int.h"
#include "data/known.h"

#define MAX_INFO_BYTES ((size_t)1 << 20)
#define TEMPLATE       "a photo of a {}."

gp_data_rules gp_data_rules_of(const gp_options *o)
{
    const char *root = gp_opt_string(o, "data.root"), *names = gp_opt_string(o, "data.class_names");
    return (gp_data_rules){.skip_bad_images = gp_opt_bool(o, "data.skip_bad"),
                           .split_seed = (uint64_t)gp_opt_int(o, "data.split_seed"),
                           .root = root[0] ? root : NULL,
                           .class_names = names[0] ? names : NULL,
                           .any_path = gp_opt_bool(o, "data.any_path")};
}

gopro_status gp_ds_init(gp_ds_build *b, const gp_data_rules *r, const gp_log *log, gopro_error *err)
{
    *b = (gp_ds_build){.rules = r ? *r : (gp_data_rules){.split_seed = 1}, .log = log};
    b->pool = gp_strings_create();
    return b->pool ? GOPRO_OK : gp_fail_nomem(err, sizeof b->pool, "a dataset");
}

void gp_ds_free(gp_ds_build *b)
{
    gp_strings_free(&b->pool);
    for (int p = 0; p < GP_PARTS; p++) free(b->item[p]);
    free(b->class_name);
    *b = (gp_ds_build){0};
}

gopro_status gp_ds_put(gp_ds_build *b, gp_part part, const gp_item *it, gopro_error *err)
{
    if (b->n[part] == b->cap[part]) {
        size_t cap = b->cap[part] ? 2 * b->cap[part] : 64;
        gp_item *v = reallocarray(b->item[part], cap, sizeof *v);
        if (!v) return gp_fail_nomem(err, cap * sizeof *v, "a list of images");
        b->item[part] = v;
        b->cap[part] = cap;
    }
    b->item[part][b->n[part]++] = *it;
    return GOPRO_OK;
}

gopro_status gp_ds_add(gp_ds_build *b, gp_part part, const char *path, size_t label, gopro_error *err)
{
    if (label > GP_MAX_LABEL) return gp_fail(err, GOPRO_E_DATA, "label %zu of '%s' is too large; expected labels from 0", label, path);
    char *copy = gp_strings_add(b->pool, path, strlen(path));
    if (!copy) return gp_fail_nomem(err, strlen(path) + 1, "a path");
    gp_path_tidy(copy);
    return gp_ds_put(b, part, &(gp_item){.path = copy, .label = (uint32_t)label}, err);
}

gopro_status gp_ds_name(gp_ds_build *b, size_t label, const char *name, gopro_error *err)
{
    if (label > GP_MAX_LABEL)
        return gp_fail(err, GOPRO_E_DATA, "label %zu of class '%s' is too large; expected labels from 0", label, name);
    if (name[0] == '\0') return gp_fail(err, GOPRO_E_DATA, "the name of class %zu is empty", label);
    if (label < b->n_classes && b->class_name[label]) {
        if (strcmp(b->class_name[label], name) == 0) return GOPRO_OK;
        return gp_fail(err, GOPRO_E_DATA, "label %zu has two names, '%s' and '%s'; expected one name per label", label,
                       b->class_name[label], name);
    }
    if (!gp_text_is_plain(name, strlen(name)))
        return gp_fail(err, GOPRO_E_DATA, "the name of class %zu holds a control character; expected plain text", label);
    if (label >= b->cap_classes) {
        const size_t cap = gp_max_size(label + 1, 2 * b->cap_classes);
        char **v = reallocarray(b->class_name, cap, sizeof *v);
        if (!v) return gp_fail_nomem(err, cap * sizeof *v, "class names");
        b->class_name = v;
        b->cap_classes = cap;
    }
    while (b->n_classes <= label) b->class_name[b->n_classes++] = NULL;
    b->class_name[label] = gp_strings_add(b->pool, name, strlen(name));
    return b->class_name[label] ? GOPRO_OK : gp_fail_nomem(err, strlen(name) + 1, "a class name");
}

/* ---- checks ---- */

static bool blank(char c)
{
    return c == ' ' || c == '_';
}

/* The next character as the tokenizer will see it, 0 at the end: lower case, blanks as one, none at either end. */
static int next_folded(const char **s, const char *begin)
{
    const bool first = *s == begin;
    const char *p = *s;
    while (blank(*p)) p++;
    if (p > *s && *p && !first) {
        *s = p;
        return ' ';
    }
    *s = *p ? p + 1 : p;
    return *p >= 'A' && *p <= 'Z' ? *p + 32 : (unsigned char)*p;
}

/* Names that give the same prompt: case and blanks do not tell classes apart. */
static int compare_folded(const void *pa, const void *pb)
{
    const char *a0 = *(char *const *)pa, *b0 = *(char *const *)pb, *a = a0, *b = b0;
    for (;;) {
        const int ca = next_folded(&a, a0), cb = next_folded(&b, b0);
        if (ca != cb || ca == 0) return ca - cb;
    }
}

/* Folders that differ in case only are a mistake; published split files do hold a name twice, so there it is only said. */
static gopro_status check_duplicates(const gp_ds_build *b, const char *what, gopro_error *err)
{
    char **v = malloc(b->n_classes * sizeof *v);
    if (!v) return gp_fail_nomem(err, b->n_classes * sizeof *v, "class names");
    memcpy(v, b->class_name, b->n_classes * sizeof *v);
    qsort(v, b->n_classes, sizeof *v, compare_folded);
    gopro_status st = GOPRO_OK;
    for (size_t i = 1; i < b->n_classes && st == GOPRO_OK; i++) {
        if (compare_folded(&v[i - 1], &v[i]) != 0) continue;
        if (b->same_names_ok)
            gp_logf(b->log, GP_LOG_WARN, "'%s': two classes are both named '%s': their prompts will be equal", what, v[i]);
        else
            st = gp_fail(err, GOPRO_E_DATA, "'%s': the classes '%s' and '%s' are duplicates, their prompts would be equal; merge or rename",
                         what, v[i - 1], v[i]);
    }
    free(v);
    return st;
}

static const gp_item *nth(const gp_ds_build *b, size_t i)
{
    int p = 0;
    for (; i >= b->n[p]; p++) i -= b->n[p];
    return &b->item[p][i];
}

/* An image listed twice may leak from training into testing: said, but published lists are taken as they are.  Under two labels it is a
 * mistake. */
static gopro_status check_repeated_paths(const gp_ds_build *b, size_t total, const char *what, gopro_error *err)
{
    size_t slots = 64, repeated = 0;
    while (slots < 2 * total) slots *= 2;
    const char *example = NULL;
    uint32_t *slot = calloc(slots, sizeof *slot);
    if (!slot || total >= UINT32_MAX) {
        free(slot);
        return gp_fail_nomem(err, slots * sizeof *slot, "paths");
    }
    gopro_status st = GOPRO_OK;
    for (size_t i = 0; i < total && st == GOPRO_OK; i++) {
        const gp_item *it = nth(b, i), *other = NULL;
        size_t at = (size_t)gp_hash(it->path, strlen(it->path)) & (slots - 1);
        for (; slot[at]; at = (at + 1) & (slots - 1)) {
            other = nth(b, slot[at] - 1);
            if (strcmp(other->path, it->path) == 0) break;
        }
        if (!slot[at]) {
            slot[at] = (uint32_t)i + 1;
            continue;
        }
        repeated++;
        example = it->path;
        if (other->label != it->label)
            st = gp_fail(err, GOPRO_E_DATA, "'%s': the image '%s' is listed under two classes, '%s' and '%s'", what, it->path,
                         b->class_name[other->label], b->class_name[it->label]);
    }
    if (repeated && st == GOPRO_OK)
        gp_logf(b->log, GP_LOG_WARN, "'%s': %zu images are listed more than once, for example '%s'", what, repeated, example);
    free(slot);
    return st;
}

static gopro_status check(const gp_ds_build *b, const char *what, gopro_error *err)
{
    const size_t total = b->n[GP_PART_TRAIN] + b->n[GP_PART_VAL] + b->n[GP_PART_TEST];
    if (total == 0) return gp_fail(err, GOPRO_E_DATA, "'%s': no images; expected one sub-folder of images per class, or a list", what);
    for (size_t k = 0; k < b->n_classes; k++)
        if (!b->class_name[k])
            return gp_fail(err, GOPRO_E_DATA, "'%s': label %zu does not occur but %zu does; expected labels from 0 without gaps", what, k,
                           b->n_classes - 1);
    if (b->n_classes < 2) return gp_fail(err, GOPRO_E_DATA, "'%s': only one class, '%s'; expected at least two", what, b->class_name[0]);
    GP_TRY(check_duplicates(b, what, err));
    return check_repeated_paths(b, total, what, err);
}

/* ---- name and template ---- */

static gopro_status read_string(char **out, gp_strings *a, json_t *o, const char *key, const char *path, gopro_error *err)
{
    json_t *v = json_object_get(o, key);
    if (!v) return GOPRO_OK;
    if (!json_is_string(v) || json_string_length(v) == 0)
        return gp_fail(err, GOPRO_E_DATA, "'%s': \"%s\" must be a non-empty string", path, key);
    if (!gp_text_is_plain(json_string_value(v), json_string_length(v)))
        return gp_fail(err, GOPRO_E_DATA, "'%s': \"%s\" holds a control character; expected plain text", path, key);
    *out = gp_strings_add(a, json_string_value(v), json_string_length(v));
    return *out ? GOPRO_OK : gp_fail_nomem(err, json_string_length(v), "a dataset");
}

static void warn_unknown(json_t *o, const char *path, const gp_log *log)
{
    const char *key;
    json_t *v;
    json_object_foreach(o, key, v)
    {
        if (strcmp(key, "name") != 0 && strcmp(key, "template") != 0)
            gp_logf(log, GP_LOG_WARN, "'%s': '%.60s' is not known and has no effect; \"name\" and \"template\" are read", path, key);
    }
}

static gopro_status read_info(gp_dataset *d, gp_strings *a, const char *path, const gp_log *log, gopro_error *err)
{
    char *text = NULL;
    size_t size = 0;
    json_error_t je;
    if (gp_read_file(&text, &size, path, MAX_INFO_BYTES, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "dataset");
    const size_t mark = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    json_t *o = gp_json_load(text + mark, size - mark, GP_JSON_FEW, &je);
    free(text);
    if (!o) return gp_fail(err, GOPRO_E_DATA, "'%s' line %d: %s", path, je.line, je.text);
    gopro_status st = GOPRO_OK;
    if (!json_is_object(o)) {
        st = gp_fail(err, GOPRO_E_DATA, "'%s': expected an object with \"name\" and \"template\"", path);
        goto out;
    }
    warn_unknown(o, path, log);
    GP_CHECK(read_string(&d->name, a, o, "name", path, err));
    GP_CHECK(read_string(&d->template_text, a, o, "template", path, err));
    if (d->template_text && !strstr(d->template_text, "{}"))
        st = gp_fail(err, GOPRO_E_DATA, "'%s': the template '%s' has no {} for the class name", path, d->template_text);
out:
    json_decref(o);
    return st;
}

static char *keep(gp_strings *pool, char *own)
{
    char *s = own ? gp_strings_add(pool, own, strlen(own)) : NULL;
    free(own);
    return s;
}

/* dataset.json beside the images, or above them for one of the field's datasets. */
static gopro_status find_info(gp_dataset *d, gp_ds_build *b, const gp_source *s, gopro_error *err)
{
    char *info = gp_path_join(s->known ? s->path : s->root, "dataset.json");
    if (!info) return gp_fail_nomem(err, strlen(s->root), "a path");
    gopro_status st = gp_path_exists(info) ? read_info(d, b->pool, info, b->log, err) : GOPRO_OK;
    free(info);
    if (st != GOPRO_OK) return st;
    if (d->name && s->domain) d->name = keep(b->pool, gp_sprintf("%s#%s", d->name, s->domain));
    if (!d->name) d->name = keep(b->pool, gp_source_name(s));
    if (d->name) gp_plain_text(d->name); /* of a folder, whose name may be anything */
    if (!d->template_text) d->template_text = keep(b->pool, gp_strdup(s->known ? s->known->template_text : TEMPLATE));
    d->root = keep(b->pool, gp_strdup(s->root));
    d->source = keep(b->pool, gp_strdup(s->absolute));
    return d->name && d->template_text && d->root && d->source ? GOPRO_OK : gp_fail_nomem(err, strlen(s->root), "a dataset");
}

gp_own_template gp_dataset_template(const gp_dataset *d)
{
    return (gp_own_template){.text = d->template_text, .not_in_7 = d->known && d->known->template_not_in_7};
}

/* Moves what was built into the dataset. */
static void finish(gp_dataset *d, gp_ds_build *b, const gp_source *s)
{
    gp_split *part[GP_PARTS] = {&d->train, &d->val, &d->test};
    for (int p = 0; p < GP_PARTS; p++) {
        gp_item *v = b->n[p] ? reallocarray(b->item[p], b->n[p], sizeof *v) : NULL;
        *part[p] = (gp_split){v ? v : b->item[p], b->n[p]};
        b->item[p] = NULL;
    }
    d->known = s->known;
    d->order = b->order ? b->order : "";
    d->by_shuffle = b->by_shuffle;
    d->class_name = b->class_name;
    d->n_classes = b->n_classes;
    d->own = b->pool;
    b->class_name = NULL;
    b->pool = NULL;
}

gopro_status gp_dataset_open(gp_dataset **out, const char *path, const gp_data_rules *r, const gp_log *log, gopro_error *err)
{
    *out = NULL;
    gp_source s = {0};
    gp_dataset *d = calloc(1, sizeof *d);
    gp_ds_build b = {0};
    gopro_status st = d ? GOPRO_OK : gp_fail_nomem(err, sizeof *d, "a dataset");
    if (st != GOPRO_OK) goto out;
    GP_CHECK(gp_source_find(&s, path, r, err));
    GP_CHECK(gp_ds_init(&b, r, log, err));
    GP_CHECK(gp_source_read(&b, &s, err));
    GP_CHECK(check(&b, s.path, err));
    GP_CHECK(find_info(d, &b, &s, err));
    finish(d, &b, &s);
    *out = d;
    d = NULL;
out:
    free(d);
    gp_ds_free(&b);
    gp_source_free(&s);
    return st;
}

void gp_dataset_free(gp_dataset **pd)
{
    gp_dataset *d = *pd;
    if (!d) return;
    gp_strings *pool = d->own;
    free(d->train.item);
    free(d->val.item);
    free(d->test.item);
    free(d->class_name);
    gp_strings_free(&pool);
    free(d);
    *pd = NULL;
}

void gp_class_names_hash(char hex[65], const char *const *class_name, size_t K)
{
    gp_sha256 c;
    gp_sha256_init(&c);
    for (size_t k = 0; k < K; k++) gp_sha256_add(&c, class_name[k], strlen(class_name[k]) + 1);
    gp_sha256_hex(&c, hex);
}

void gp_dataset_split_hash(char hex[65], const gp_dataset *d)
{
    const gp_split *part[GP_PARTS] = {&d->train, &d->val, &d->test};
    gp_sha256 c;
    gp_sha256_init(&c);
    for (int p = 0; p < GP_PARTS; p++)
        for (size_t i = 0; i < part[p]->n; i++) {
            const gp_item *it = &part[p]->item[i];
            char label[32];
            snprintf(label, sizeof label, "\t%u\t", it->label);
            gp_sha256_add(&c, gp_part_name[p], strlen(gp_part_name[p]));
            gp_sha256_add(&c, "\t", 1);
            gp_sha256_add(&c, it->path, strlen(it->path));
            gp_sha256_add(&c, label, strlen(label));
            gp_sha256_add(&c, d->class_name[it->label], strlen(d->class_name[it->label]));
            gp_sha256_add(&c, "\n", 1);
        }
    gp_sha256_hex(&c, hex);
}
