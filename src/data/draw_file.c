/* draw_file.c - few-shot draws that travel: written as JSON with relative paths, read in the forms that the field's projects publish.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "data/dataset_int.h"
#include "data/draw_pickle.h"

#define MAX_DRAW_BYTES ((size_t)256 << 20)
#define MAX_DRAW_PATH  ((size_t)4096)

/* ---- writing ---- */

static json_t *items_json(const gp_dataset *d, const gp_split *from, const uint32_t *idx, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++) {
        const gp_item *it = &from->item[idx[i]];
        json_array_append_new(a, json_pack("[s,i,s]", it->path, (int)it->label, d->class_name[it->label]));
    }
    return a;
}

char *gp_draw_json(const gp_draw *dr, const gp_dataset *d, size_t shots, uint64_t seed, const char *source, bool compact)
{
    json_t *j = json_pack("{s:s}", "dataset", d->name);
    if (j && source)
        json_object_set_new(j, "imported", json_string(source));
    else if (j)
        json_object_update_new(j, json_pack("{s:I,s:I}", "shots", (json_int_t)shots, "seed", (json_int_t)seed));
    if (j)
        json_object_update_new(j, json_pack("{s:s,s:s,s:o,s:o}", "hash", dr->hash, "order", d->order ? d->order : "", "train",
                                            items_json(d, &d->train, dr->train, dr->n_train), "val",
                                            items_json(d, &d->val, dr->val, dr->n_val)));
    char *text = j ? json_dumps(j, compact ? JSON_COMPACT : JSON_INDENT(1)) : NULL;
    json_decref(j);
    return text;
}

/* ---- reading: paths of the file to positions in the lists ---- */

typedef struct finder {
    const gp_dataset *d;
    const char *what;
    const gp_log *log;
    uint32_t *slot[2]; /* position + 1 in train and val */
    size_t n_slots[2];
    uint32_t *out[2]; /* the draw */
    size_t n[2], cap[2];
    uint8_t *taken[2]; /* positions drawn already */
    size_t deepest;    /* folders in the longest way to an image of the lists */
    size_t n_missing, n_foreign_val, n_test;
    char missing[256];
} finder;

static const gp_split *list_of(const finder *f, int part)
{
    return part == GP_PART_TRAIN ? &f->d->train : &f->d->val;
}

static size_t folders_in(const char *path)
{
    size_t n = 0;
    for (; *path; path++) n += *path == '/';
    return n;
}

static gopro_status index_list(finder *f, int part, gopro_error *err)
{
    const gp_split *s = list_of(f, part);
    size_t slots = 16;
    while (slots < 2 * s->n) slots *= 2;
    f->slot[part] = calloc(slots, sizeof *f->slot[part]);
    f->taken[part] = calloc(s->n + 1, 1);
    if (!f->slot[part] || !f->taken[part]) return gp_fail_nomem(err, slots * sizeof *f->slot[part], "a draw");
    f->n_slots[part] = slots;
    for (size_t i = 0; i < s->n; i++) {
        f->deepest = gp_max_size(f->deepest, folders_in(s->item[i].path));
        size_t at = (size_t)gp_hash(s->item[i].path, strlen(s->item[i].path)) & (slots - 1);
        while (f->slot[part][at]) at = (at + 1) & (slots - 1);
        f->slot[part][at] = (uint32_t)i + 1;
    }
    return GOPRO_OK;
}

static bool look_up(const finder *f, int part, const char *path, uint32_t *position)
{
    const gp_split *s = list_of(f, part);
    size_t at = (size_t)gp_hash(path, strlen(path)) & (f->n_slots[part] - 1);
    for (; f->slot[part][at]; at = (at + 1) & (f->n_slots[part] - 1)) {
        *position = f->slot[part][at] - 1;
        if (strcmp(s->item[*position].path, path) == 0) return true;
    }
    return false;
}

/* The path as it stands, else what is left of it after its first folders: "/data/dtd/images/x/1.jpg" finds "x/1.jpg". */
static bool look_up_end(const finder *f, int part, const char *path, uint32_t *position)
{
    size_t above = folders_in(path); /* what is deeper than any image of the lists is not looked for */
    for (const char *s = path; s; above--) {
        if (*s && above <= f->deepest && look_up(f, part, s, position)) return true;
        s = strchr(s, '/');
        s = s ? s + 1 : NULL;
    }
    return false;
}

/* Projects differ in '_' and case. */
static bool same_name(const char *a, const char *b)
{
    for (;; a++, b++) {
        const int ca = *a == '_'                ? ' '
                       : *a >= 'A' && *a <= 'Z' ? *a + 32
                                                : *a,
                  cb = *b == '_'                ? ' '
                       : *b >= 'A' && *b <= 'Z' ? *b + 32
                                                : *b;
        if (ca != cb || ca == 0) return ca == cb;
    }
}

/* The label decides where there is one: names are spelt in many ways. */
static gopro_status check_class(const finder *f, const gp_item *it, const char *name, long long label, gopro_error *err)
{
    if (label >= 0 && (size_t)label != it->label)
        return gp_fail(err, GOPRO_E_DATA, "'%s': '%s' has the label %lld there and %u in dataset '%s'; the draw was made from other lists",
                       f->what, it->path, label, it->label, f->d->name);
    if (label < 0 && name && !same_name(name, f->d->class_name[it->label]))
        return gp_fail(err, GOPRO_E_DATA, "'%s': '%s' is of class '%s' there and '%s' in dataset '%s'", f->what, it->path, name,
                       f->d->class_name[it->label], f->d->name);
    return GOPRO_OK;
}

/* label < 0 or name NULL: not said. */
static gopro_status take(finder *f, int part, const char *as_it_stands, long long label, const char *name, gopro_error *err)
{
    uint32_t at;
    char path[MAX_DRAW_PATH + 1];
    const size_t n = strlen(as_it_stands);
    if (n > MAX_DRAW_PATH)
        return gp_fail(err, GOPRO_E_DATA, "'%s': a path of %zu bytes, expected at most %zu: '%.60s...'", f->what, n, MAX_DRAW_PATH,
                       as_it_stands);
    memcpy(path, as_it_stands, n + 1);
    gp_path_tidy(path); /* as those of the lists are */
    if (part == GP_PART_TEST) {
        f->n_test++;
        return GOPRO_OK;
    }
    if (!look_up_end(f, part, path, &at)) {
        /* Some projects cut their validation images out of the training list; ours has no place for them. */
        if (part == GP_PART_VAL && look_up_end(f, GP_PART_TRAIN, path, &at))
            f->n_foreign_val++;
        else if (f->n_missing++ == 0)
            snprintf(f->missing, sizeof f->missing, "%s", path);
        return GOPRO_OK;
    }
    const gp_item *it = &list_of(f, part)->item[at];
    GP_TRY(check_class(f, it, name, label, err));
    if (f->taken[part][at]) return gp_fail(err, GOPRO_E_DATA, "'%s': '%s' is drawn twice", f->what, it->path);
    f->taken[part][at] = 1;
    if (f->n[part] == f->cap[part]) {
        const size_t cap = f->cap[part] ? 2 * f->cap[part] : 64;
        uint32_t *v = reallocarray(f->out[part], cap, sizeof *v);
        if (!v) return gp_fail_nomem(err, cap * sizeof *v, "a draw");
        f->out[part] = v;
        f->cap[part] = cap;
    }
    f->out[part][f->n[part]++] = at;
    return GOPRO_OK;
}

/* ---- forms ---- */

static gopro_status take_entry(void *arg, int part, const char *path, long long label, const char *name, gopro_error *err)
{
    return take(arg, part, path, label, name, err);
}

static const char *first_string(json_t *o, const char *const *key)
{
    for (; *key; key++)
        if (json_is_string(json_object_get(o, *key))) return json_string_value(json_object_get(o, *key));
    return NULL;
}

static bool digits(const char *s)
{
    if (!*s || strlen(s) > 9) return false;
    for (; *s; s++)
        if (*s < '0' || *s > '9') return false;
    return true;
}

/* -1: not said, or *name is a class name that stands in its place; false if it is something other than a label. */
static bool first_label(long long *label, const char **name, json_t *o, const char *const *key)
{
    *label = -1;
    for (; *key; key++) {
        const json_t *v = json_object_get(o, *key);
        const char *word = json_string_value(v);
        if (!v || json_is_null(v)) continue;
        if (word && !digits(word)) {
            if (!*name) *name = word;
            return true;
        }
        *label = json_integer_value(v);
        return json_is_integer(v) && *label >= 0;
    }
    return true;
}

static gopro_status take_object(finder *f, int part, json_t *o, gopro_error *err)
{
    static const char *const path_key[] = {"_impath", "impath", "path", NULL}, *const label_key[] = {"_label", "label", NULL},
                             *const name_key[] = {"_classname", "classname", "class", NULL}, *const split_key[] = {"_split", "split", NULL};
    const char *path = first_string(o, path_key), *split = first_string(o, split_key);
    if (!path) return gp_fail(err, GOPRO_E_DATA, "'%s': an entry has no path; expected impath (or _impath) and label", f->what);
    if (split) part = (int)gp_part_parse(split, strlen(split));
    if (part == GP_PARTS) return gp_fail(err, GOPRO_E_DATA, "'%s': the split '%s' is none of train, val and test", f->what, split);
    long long label;
    const char *name = first_string(o, name_key);
    if (!first_label(&label, &name, o, label_key))
        return gp_fail(err, GOPRO_E_DATA, "'%s': the label of '%s' is no whole number of at least 0", f->what, path);
    return take(f, part, path, label, name, err);
}

/* An array of objects or of [path, label, class name]. */
static gopro_status take_array(finder *f, int part, json_t *a, gopro_error *err)
{
    size_t i;
    json_t *e;
    json_array_foreach(a, i, e)
    {
        const json_t *path = json_array_get(e, 0), *label = json_array_get(e, 1), *name = json_array_get(e, 2);
        if (json_is_object(e))
            GP_TRY(take_object(f, part, e, err));
        else if (json_is_string(path) && json_is_integer(label) && json_integer_value(label) >= 0 && (!name || json_is_string(name)))
            GP_TRY(take(f, part, json_string_value(path), json_integer_value(label), json_string_value(name), err));
        else
            return gp_fail(err, GOPRO_E_DATA,
                           "'%s': %s entry %zu is neither [path, label, class name] (with a label of at least 0) nor an object", f->what,
                           gp_part_name[part], i);
    }
    return GOPRO_OK;
}

static gopro_status from_object(finder *f, json_t *o, gopro_error *err)
{
    static const char *const key[2] = {"train", "val"};
    const char *of = json_string_value(json_object_get(o, "dataset"));
    if (of && strcmp(of, f->d->name) != 0)
        gp_logf(f->log, GP_LOG_WARN, "'%s' was drawn from '%.60s' and is used for '%s'", f->what, of, f->d->name);
    if (!json_object_get(o, "train")) return gp_fail(err, GOPRO_E_DATA, "'%s': expected the draw under \"train\" (and \"val\")", f->what);
    for (int p = 0; p < 2; p++) {
        json_t *v = json_object_get(o, key[p]);
        if (json_is_object(v)) v = json_object_get(v, "data");
        if (!v && p == 1) continue;
        if (!json_is_array(v))
            return gp_fail(err, GOPRO_E_DATA, "'%s': \"%s\" must be an array, or hold one called \"data\"", f->what, key[p]);
        GP_TRY(take_array(f, p, v, err));
    }
    return GOPRO_OK;
}

static gopro_status from_json_lines(finder *f, const char *text, size_t size, gopro_error *err)
{
    size_t line = 0;
    for (const char *p = text, *end = text + size; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const size_t n = (size_t)((nl ? nl : end) - p);
        json_error_t je;
        line++;
        if (strspn(p, " \t\r") < n) {
            json_t *o = gp_json_load(p, n, GP_JSON_FEW, &je);
            gopro_status st = o ? GOPRO_OK : gp_fail(err, GOPRO_E_DATA, "%s", je.text);
            if (o && !json_is_object(o)) st = gp_fail(err, GOPRO_E_DATA, "expected an object with _impath and _label");
            if (st == GOPRO_OK) st = take_object(f, GP_PART_TRAIN, o, err);
            json_decref(o);
            if (st != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "'%s' line %zu", f->what, line);
        }
        p = nl ? nl + 1 : end;
    }
    return GOPRO_OK;
}

static gopro_status take_word(finder *f, int part, const char *path, const char *label, gopro_error *err)
{
    return digits(label) ? take(f, part, path, atol(label), NULL, err) : take(f, part, path, -1, label, err);
}

static gopro_status from_table(finder *f, const char *text, size_t size, gopro_error *err)
{
    gp_ds_build b = {0};
    gp_rows r = {0};
    gopro_status st;
    GP_CHECK(gp_ds_init(&b, &(gp_data_rules){.any_path = true}, NULL, err));
    GP_CHECK(gp_rows_init(&r, &b, err));
    GP_CHECK(gp_rows_from_table(&r, text, size, f->what, err));
    for (size_t i = 0; i < r.n; i++)
        GP_CHECK(take_word(f, r.row[i].part == GP_PARTS ? GP_PART_TRAIN : r.row[i].part, r.row[i].path, r.key.word[r.row[i].key], err));
out:
    gp_rows_free(&r);
    gp_ds_free(&b);
    return st;
}

/* The space before the label: a class name may hold some itself, so the longest name that ends the line wins. */
static char *before_class(const finder *f, char *line)
{
    char *last = strrchr(line, ' '), *best = last;
    const size_t n = strlen(line);
    if (!last) return NULL;
    if (n > 2 * MAX_DRAW_PATH) return last; /* will be refused */
    uint32_t at_list;
    *last = '\0'; /* most names hold no blank, and a number is a label */
    const bool found = look_up_end(f, GP_PART_TRAIN, line, &at_list) || look_up_end(f, GP_PART_VAL, line, &at_list);
    *last = ' ';
    if (found || f->n_missing > 1000) return last; /* a list of other images is refused anyway */
    for (size_t k = 0; k < f->d->n_classes; k++) {
        const size_t len = strlen(f->d->class_name[k]);
        char *at = len + 1 < n ? line + n - len - 1 : NULL;
        if (at && at < best && *at == ' ' && same_name(at + 1, f->d->class_name[k])) best = at;
    }
    return best;
}

/* "path TAB label", or "path label" with the label after the last space; '#' begins a comment. */
static gopro_status from_plain(finder *f, char *text, gopro_error *err)
{
    size_t number = 0;
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        number++;
        size_t n = strlen(line);
        while (n && strchr(" \r\t", line[n - 1])) line[--n] = '\0';
        if (n == 0 || line[0] == '#') continue;
        char *cut = strchr(line, '\t') ? strchr(line, '\t') : before_class(f, line);
        if (!cut) return gp_fail(err, GOPRO_E_DATA, "'%s' line %zu: expected a path and a label", f->what, number);
        *cut = '\0';
        if (take_word(f, GP_PART_TRAIN, line, cut + 1, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "line %zu", number);
    }
    return GOPRO_OK;
}

/* Several objects, one a line: the first line is one by itself. */
static bool looks_like_json_lines(const char *text, size_t size)
{
    const char *nl = memchr(text, '\n', size);
    json_t *o = gp_json_load(text, nl ? (size_t)(nl - text) : size, GP_JSON_MOST, NULL);
    const bool yes = json_is_object(o) && !json_object_get(o, "train") && !json_object_get(o, "val");
    json_decref(o);
    return yes;
}

static gopro_status from_json(finder *f, const char *text, size_t size, gopro_error *err)
{
    json_error_t je;
    json_t *j = gp_json_load(text, size, GP_JSON_MOST, &je);
    if (!j) return gp_fail(err, GOPRO_E_DATA, "'%s' line %d: %s", f->what, je.line, je.text);
    gopro_status st = json_is_object(j) ? from_object(f, j, err) : take_array(f, GP_PART_TRAIN, j, err);
    json_decref(j);
    return st;
}

static gopro_status read_form(finder *f, const char *text, size_t size, gopro_error *err)
{
    if (size && (unsigned char)text[0] == 0x80) return gp_draw_from_pickle(text, size, f->what, take_entry, f, err);
    if (size > 3 && (memcmp(text, "(dp", 3) == 0 || memcmp(text, "}q", 2) == 0))
        return gp_fail(err, GOPRO_E_DATA, "'%s' is a pickle of protocol 0 or 1, which is not read; write it with protocol 2 or later",
                       f->what);
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3, size -= 3;
    while (size && strchr(" \n\r\t", *text) && *text) text++, size--;
    if (size && memchr(text, 0, size)) return gp_fail(err, GOPRO_E_DATA, "'%s' holds zero bytes; expected text", f->what);
    char *copy = malloc(size + 1);
    if (!copy) return gp_fail_nomem(err, size, "a draw");
    if (size) memcpy(copy, text, size);
    copy[size] = '\0';
    gopro_status st;
    if (size && (*copy == '{' || *copy == '['))
        st = looks_like_json_lines(copy, size) ? from_json_lines(f, copy, size, err) : from_json(f, copy, size, err);
    else if (gp_table_has_header(copy, size))
        st = from_table(f, copy, size, err);
    else
        st = from_plain(f, copy, err);
    free(copy);
    return st;
}

static gopro_status conclude(const finder *f, gopro_error *err)
{
    if (f->n_missing)
        return gp_fail(
            err, GOPRO_E_DATA,
            "'%s': %zu images are not in the lists of dataset '%s', for example '%s'; is it the draw of another dataset or split?", f->what,
            f->n_missing, f->d->name, f->missing);
    if (f->n[GP_PART_TRAIN] == 0) return gp_fail(err, GOPRO_E_DATA, "'%s' draws no training images", f->what);
    if (f->n_test) gp_logf(f->log, GP_LOG_WARN, "'%s': %zu test images are left out", f->what, f->n_test);
    if (f->n_foreign_val)
        gp_logf(f->log, GP_LOG_WARN, "'%s': %zu validation images are training images of dataset '%s' and are left out", f->what,
                f->n_foreign_val, f->d->name);
    return GOPRO_OK;
}

gopro_status gp_draw_parse(gp_draw *dr, const gp_dataset *d, const char *text, size_t size, const char *what, const gp_log *log,
                           gopro_error *err)
{
    finder f = {.d = d, .what = what, .log = log};
    *dr = (gp_draw){0};
    gopro_status st;
    GP_CHECK(index_list(&f, GP_PART_TRAIN, err));
    GP_CHECK(index_list(&f, GP_PART_VAL, err));
    GP_CHECK(read_form(&f, text, size, err));
    GP_CHECK(conclude(&f, err));
    *dr = (gp_draw){.train = f.out[0], .val = f.out[1], .n_train = f.n[0], .n_val = f.n[1]};
    f.out[0] = f.out[1] = NULL;
    gp_draw_hash(dr->hash, dr->train, dr->n_train);
    gp_draw_hash(dr->val_hash, dr->val, dr->n_val);
out:
    for (int p = 0; p < 2; p++) {
        free(f.slot[p]);
        free(f.out[p]);
        free(f.taken[p]);
    }
    return st;
}

gopro_status gp_draw_import(gp_draw *dr, const gp_dataset *d, const char *path, const gp_log *log, gopro_error *err)
{
    char *text = NULL;
    size_t size = 0;
    *dr = (gp_draw){0};
    if (gp_read_file(&text, &size, path, MAX_DRAW_BYTES, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "draw");
    gopro_status st = gp_draw_parse(dr, d, text, size, path, log, err);
    free(text);
    return st;
}
