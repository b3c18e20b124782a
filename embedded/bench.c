/* bench.c - collects the benchmark's datasets and splits them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { MIN_TRAIN = 6, MIN_VAL = 2, MIN_TEST = 3, MAX_TRAIN = 64, MAX_VAL = 20, MAX_TEST = 60 };

static char *template_of(const char *dataset, const char *tables)
{
    char *path = ge_fmt("%s/templates.tsv", tables), *text = ge_read(path, NULL), *found = NULL;
    if (!text) ge_die("%s: not found", path);
    for (char *at = text, *line; !found && (line = ge_cut(&at, '\n'));) {
        char *name = ge_cut(&line, '\t');
        if (line && strcmp(name, dataset) == 0) found = ge_dup(line);
    }
    if (!found) ge_die("%s: no template for %s", path, dataset);
    free(text);
    free(path);
    return found;
}

ge_dataset *ge_bench_add(ge_bench *b, const char *name, const char *tables)
{
    for (size_t i = 0; i < b->n; i++)
        if (strcmp(b->set[i].name, name) == 0) return &b->set[i];
    b->set = ge_grow(b->set, b->n + 1, sizeof *b->set);
    b->set[b->n] = (ge_dataset){.name = ge_dup(name), .template_text = template_of(name, tables)};
    return &b->set[b->n++];
}

size_t ge_dataset_class(ge_dataset *s, const char *name)
{
    for (size_t i = 0; i < s->n_classes; i++)
        if (strcmp(s->class_name[i], name) == 0) return i;
    s->class_name = ge_grow(s->class_name, s->n_classes + 1, sizeof *s->class_name);
    s->class_name[s->n_classes] = ge_dup(name);
    return s->n_classes++;
}

ge_item *ge_dataset_add(ge_dataset *s, size_t label, const char *unit, const char *style)
{
    if ((s->n & (s->n + 1)) == 0) s->item = ge_grow(s->item, 2 * s->n + 2, sizeof *s->item);
    ge_item *t = &s->item[s->n++];
    *t = (ge_item){.label = label, .unit = ge_dup(unit), .style = style, .part = GE_UNUSED};
    return t;
}

/* Things that only emoji sets draw have few drawings; a class of twelve still has six to learn from. */
static size_t smallest_class(const char *dataset)
{
    static const char *const few[] = {"animals", "food", "places", "vehicles", "nature"};
    for (size_t i = 0; i < sizeof few / sizeof *few; i++)
        if (strcmp(dataset, few[i]) == 0) return 12;
    return 22;
}

static const char *domain_of(const char *style)
{
    if (strcmp(style, "emoji") == 0 || strcmp(style, "gradient") == 0) return "colour";
    if (strcmp(style, "mono") == 0) return "solid";
    return style;
}

static char *dashed(const char *words)
{
    char *s = ge_dup(words);
    for (char *p = s; *p; p++)
        if (*p == ' ') *p = '-';
    return s;
}

static void add_drawing(ge_dataset *s, const char *class, const ge_drawing *d)
{
    char *unit = ge_fmt("%s\t%s", d->artist, d->concept), *folder = dashed(class);
    size_t label = ge_dataset_class(s, class);
    ge_item *t = ge_dataset_add(s, label, unit, domain_of(d->style));
    t->d = d;
    t->path = ge_fmt("images/%s/%s_%s.png", folder, d->set, d->icon);
    memcpy(t->thumb, d->thumb, sizeof t->thumb);
    free(folder);
    free(unit);
}

/* key -> class name, from a table of two columns, the first or the second a list. */
static char **lookup(ge_map *m, const char *tables, const char *file, bool list_second)
{
    char *path = ge_fmt("%s/%s", tables, file), *text = ge_read(path, NULL), **name = NULL;
    size_t n = 0;
    if (!text) ge_die("%s: not found", path);
    free(path);
    ge_cut(&text, '\n');
    for (char *line; (line = ge_cut(&text, '\n'));) {
        char *first = ge_cut(&line, '\t');
        if (!line || !*line) continue;
        name = ge_grow(name, n + 1, sizeof *name);
        name[n] = list_second ? first : line;
        if (list_second)
            for (char *k; (k = ge_cut(&line, '|'));) ge_map_put(m, k, n);
        else
            ge_map_put(m, first, n);
        n++;
    }
    return name;
}

/* Skin tones make jobs and activities large; elsewhere they would only repeat a drawing. */
static bool tones_count(const char *dataset)
{
    return strcmp(dataset, "jobs") == 0 || strcmp(dataset, "activities") == 0;
}

void ge_bench_collect(ge_bench *b, const ge_drawings *ds, const ge_rules *r, const char *tables)
{
    ge_map group = {0}, face = {0};
    char **group_name = lookup(&group, tables, "groups.tsv", false), **face_name = lookup(&face, tables, "faces.tsv", true);
    for (size_t i = 0; i < ds->n; i++) {
        const ge_drawing *d = &ds->d[i];
        if (!d->keep) continue;
        if (d->class != GE_NONE) {
            const ge_class *c = &r->class[d->class];
            if (!d->tone || tones_count(c->dataset)) add_drawing(ge_bench_add(b, c->dataset, tables), c->name, d);
        }
        size_t g = d->emoji && !d->tone ? ge_map_get(&group, d->emoji->subgroup) : GE_NONE;
        if (g != GE_NONE) add_drawing(ge_bench_add(b, "groups", tables), group_name[g], d);
        size_t f = d->tone ? GE_NONE : ge_map_get(&face, d->name);
        if (f != GE_NONE) add_drawing(ge_bench_add(b, "faces", tables), face_name[f], d);
    }
    ge_map_free(&group);
    ge_map_free(&face);
}

/* A drawing that another artist, or the same one under another name, drew almost the same way would leak across the parts. */
static void drop_repetitions(ge_dataset *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        bool fresh = true;
        for (size_t k = 0; k < kept && fresh; k++) {
            bool other = s->item[k].label != s->item[i].label || strcmp(s->item[k].unit, s->item[i].unit) != 0;
            fresh = !(other && ge_cosine(s->item[k].thumb, s->item[i].thumb) > 0.97f);
        }
        if (fresh) s->item[kept++] = s->item[i];
    }
    s->n = kept;
}

static int by_unit(const void *a, const void *b)
{
    const ge_item *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    uint64_t h = ge_hash(x->unit), g = ge_hash(y->unit);
    if (h != g) return h < g ? -1 : 1;
    int c = strcmp(x->unit, y->unit);
    return c ? c : strcmp(x->path, y->path);
}

/* Deals one class's units, in their hashed order, each to the part that lacks most of its share. */
static void deal(ge_item *t, size_t n)
{
    static const double share[3] = {0.55, 0.13, 0.32};
    static const size_t most[3] = {MAX_TRAIN, MAX_VAL, MAX_TEST};
    size_t have[3] = {0};
    for (size_t i = 0, e; i < n; i = e) {
        for (e = i + 1; e < n && strcmp(t[e].unit, t[i].unit) == 0;) e++;
        size_t part = 0;
        double top = -1e9;
        for (size_t p = 0; p < 3; p++) {
            double lack = (share[p] * (double)n - (double)have[p]) / (share[p] * (double)n);
            if (lack > top) top = lack, part = p;
        }
        for (size_t k = i; k < e; k++) t[k].part = have[part] < most[part] ? have[part]++, (ge_part)part : GE_UNUSED;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Classes in alphabetical order without those not in `keep`; items follow. */
static void relabel(ge_dataset *s, const bool *keep)
{
    char **old = s->class_name;
    size_t n_old = s->n_classes, kept = 0, *to = ge_alloc(n_old, sizeof *to);
    s->class_name = ge_alloc(n_old + 1, sizeof *s->class_name);
    s->n_classes = 0;
    for (size_t c = 0; c < n_old; c++)
        if (keep[c]) s->class_name[s->n_classes++] = old[c];
    qsort(s->class_name, s->n_classes, sizeof *s->class_name, by_name);
    for (size_t c = 0; c < n_old; c++)
        for (size_t k = 0; k < s->n_classes; k++)
            if (s->class_name[k] == old[c]) to[c] = k;
    for (size_t i = 0; i < s->n; i++) {
        if (!keep[s->item[i].label]) continue;
        s->item[kept] = s->item[i];
        s->item[kept++].label = to[s->item[i].label];
    }
    s->n = kept;
    qsort(s->item, s->n, sizeof *s->item, by_unit);
    free(to);
    free(old);
}

void ge_dataset_split(ge_dataset *s)
{
    drop_repetitions(s);
    qsort(s->item, s->n, sizeof *s->item, by_unit);
    bool *keep = ge_alloc(s->n_classes, 1);
    size_t small = 0;
    for (size_t i = 0, e; i < s->n; i = e) {
        for (e = i + 1; e < s->n && s->item[e].label == s->item[i].label;) e++;
        deal(s->item + i, e - i);
        size_t have[4] = {0};
        for (size_t k = i; k < e; k++) have[s->item[k].part]++;
        bool domain = strncmp(s->name, "style-", 6) == 0; /* its classes are chosen already */
        keep[s->item[i].label] =
            domain || (e - i >= smallest_class(s->name) && have[0] >= MIN_TRAIN && have[1] >= MIN_VAL && have[2] >= MIN_TEST);
        small += !keep[s->item[i].label];
    }
    if (small) fprintf(stderr, "%s: %zu classes left out, too few drawings\n", s->name, small);
    relabel(s, keep);
    free(keep);
}

void ge_bench_used(ge_drawings *out, const ge_bench *b)
{
    for (size_t k = 0; k < b->n; k++) {
        for (size_t i = 0; i < b->set[k].n; i++) {
            const ge_item *t = &b->set[k].item[i];
            if (t->part == GE_UNUSED) continue;
            ge_drawing *d = ge_drawings_add(out);
            if (t->d) *d = *t->d;
            memcpy(d->thumb, t->thumb, sizeof d->thumb);
            d->keep = true;
        }
    }
}
