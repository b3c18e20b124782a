/* styles.c - the domain datasets: the same classes in four drawing styles, train on colour, test on the others.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { DOMAINS = 4, MIN_SOURCE = 10, MIN_OTHER = 4, MAX_OTHER = 30 };
static const char *const domain[DOMAINS] = {"colour", "outlined", "solid", "line"};

static size_t domain_index(const char *style)
{
    for (size_t k = 0; k < DOMAINS; k++)
        if (strcmp(style, domain[k]) == 0) return k;
    return DOMAINS;
}

static bool pooled(const ge_dataset *s)
{
    static const char *const things[] = {"objects", "food", "vehicles", "places", "nature", "animals"};
    for (size_t i = 0; i < sizeof things / sizeof *things; i++)
        if (strcmp(s->name, things[i]) == 0) return true;
    return false;
}

/* Drawings of class c of s in each style. */
static bool enough(const ge_dataset *s, size_t c)
{
    size_t n[DOMAINS + 1] = {0};
    for (size_t i = 0; i < s->n; i++)
        if (s->item[i].label == c) n[domain_index(s->item[i].style)]++;
    bool ok = n[0] >= MIN_SOURCE;
    for (size_t k = 1; k < DOMAINS; k++) ok &= n[k] >= MIN_OTHER;
    return ok;
}

static void copy_item(ge_dataset *to, size_t label, const ge_item *t)
{
    ge_item *n = ge_dataset_add(to, label, t->unit, t->style);
    char *unit = n->unit;
    *n = *t;
    n->unit = unit;
    n->label = label;
    n->part = GE_UNUSED;
    n->path = ge_fmt("images/%s", strchr(t->path, '/') + 1);
}

/* In the other styles everything is for testing, except what an artist of a colour training drawing drew of the same concept. */
static void all_for_testing(ge_dataset *s, const ge_dataset *colour)
{
    ge_map trained = {0};
    for (size_t i = 0; i < colour->n; i++)
        if (colour->item[i].part == GE_TRAIN || colour->item[i].part == GE_VAL) ge_map_put(&trained, colour->item[i].unit, 1);
    size_t *n = ge_alloc(s->n_classes, sizeof *n);
    for (size_t i = 0; i < s->n; i++) {
        ge_item *t = &s->item[i];
        bool seen = ge_map_get(&trained, t->unit) != GE_NONE;
        t->part = !seen && n[t->label] < MAX_OTHER ? n[t->label]++, GE_TEST : GE_UNUSED;
    }
    free(n);
    ge_map_free(&trained);
}

void ge_bench_styles(ge_bench *b, const char *tables)
{
    size_t n = b->n, at[DOMAINS];
    for (size_t k = 0; k < DOMAINS; k++) {
        char *name = ge_fmt("style-%s", domain[k]);
        at[k] = (size_t)(ge_bench_add(b, name, tables) - b->set);
        free(name);
    }
    for (size_t i = 0; i < n; i++) {
        const ge_dataset *s = &b->set[i];
        if (!pooled(s)) continue;
        for (size_t c = 0; c < s->n_classes; c++) {
            if (!enough(s, c)) continue;
            for (size_t k = 0; k < s->n; k++) {
                size_t d = domain_index(s->item[k].style);
                if (s->item[k].label != c || d == DOMAINS) continue;
                ge_dataset *to = &b->set[at[d]];
                copy_item(to, ge_dataset_class(to, s->class_name[c]), &s->item[k]);
            }
        }
    }
    for (size_t k = 0; k < DOMAINS; k++) ge_dataset_split(&b->set[at[k]]);
    for (size_t k = 1; k < DOMAINS; k++) {
        ge_dataset *s = &b->set[at[k]];
        if (s->n_classes != b->set[at[0]].n_classes)
            ge_die("%s has %zu classes, %s has %zu", s->name, s->n_classes, b->set[at[0]].name, b->set[at[0]].n_classes);
        all_for_testing(s, &b->set[at[0]]);
    }
}
