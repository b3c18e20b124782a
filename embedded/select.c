/* select.c - labels, selection and separation of drawings.
 * SPDX-License-Identifier: Apache-2.0 */
#include "select.h"

#include <stdlib.h>
#include <string.h>

void ge_label(ge_drawing *d, const ge_rules *r)
{
    unsigned flags = d->kind == GE_EMOJI || d->kind == GE_CLIPART ? GE_LONG_NAMES : 0;
    if (d->emoji) {
        bool person = strcmp(d->emoji->group, "smileys emotion") == 0 || strcmp(d->emoji->group, "people body") == 0;
        if (person) flags |= GE_EXACT;
        if (strcmp(d->emoji->group, "flags") == 0 || strcmp(d->emoji->subgroup, "keycap") == 0) return;
    }
    d->class = ge_classify(r, d->name, flags);
}

/* The word, or it without a plural s, is known to be depictable. */
static bool known_word(const ge_map *vocabulary, const char *word)
{
    char *w = ge_dup(word);
    bool yes = ge_map_get(vocabulary, w) != GE_NONE;
    size_t n = strlen(w);
    if (!yes && n > 3 && w[n - 1] == 's') {
        w[n - 1] = 0;
        yes = ge_map_get(vocabulary, w) != GE_NONE;
    }
    free(w);
    return yes;
}

static bool known_thing(const ge_map *vocabulary, const char *words)
{
    char *copy = ge_dup(words), *at = copy;
    bool any = false;
    for (char *w; !any && (w = ge_cut(&at, ' '));) any = known_word(vocabulary, w);
    free(copy);
    return any;
}

static bool is_soft_or_hard(const ge_rules *r, const char *w)
{
    return ge_map_get(&r->soft, w) != GE_NONE || ge_map_get(&r->hard, w) != GE_NONE;
}

/* Words that name things: those of emoji, of the benchmark's classes, the last ones of game-icons, and names two artists drew. */
static void vocabulary_of(ge_map *v, const ge_drawings *ds, const ge_rules *r, const ge_unicode *u)
{
    for (size_t i = 0; i < u->vocabulary.cap; i++) {
        const char *w = u->vocabulary.key[i];
        if (w && strlen(w) > 2 && !is_soft_or_hard(r, w)) ge_map_put(v, w, 1);
    }
    for (size_t i = 0; i < r->word.cap; i++)
        if (r->word.key[i]) ge_map_put(v, r->word.key[i], 1);
    ge_map artist = {0};
    for (size_t i = 0; i < ds->n; i++) {
        const ge_drawing *d = &ds->d[i];
        const char *last = strrchr(d->name, ' ');
        if (d->kind == GE_GAME) {
            last = last ? last + 1 : d->name;
            if (!is_soft_or_hard(r, last) && strlen(last) > 2) ge_map_put(v, last, 1);
        }
        if (d->kind != GE_ICONS || last || strlen(d->name) < 3 || is_soft_or_hard(r, d->name)) continue;
        size_t first = ge_map_get(&artist, d->name);
        if (first != GE_NONE && strcmp(ds->d[first].artist, d->artist) != 0) ge_map_put(v, d->name, 1);
        ge_map_put(&artist, d->name, i);
    }
    ge_map_free(&artist);
}

static bool depictable_emoji(const ge_emoji *e)
{
    static const char *const symbols[] = {"zodiac", "religion", "transport-sign", "warning"};
    if (strcmp(e->group, "flags") == 0 || strcmp(e->group, "component") == 0) return false;
    if (strcmp(e->group, "symbols") != 0) return true;
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        if (strcmp(e->subgroup, symbols[i]) == 0) return true;
    return false;
}

static bool depictable(const ge_drawing *d, const ge_map *v, const ge_rules *r)
{
    if (strlen(d->name) < 2 || strncmp(d->name, "flag ", 5) == 0) return false;
    if (d->emoji) return depictable_emoji(d->emoji);
    if (d->kind == GE_GAME) return true;
    if (d->kind != GE_CLIPART) { /* long names of icons are mostly functions of programs */
        size_t words = ge_count_words(d->name);
        const char *last = words > 2 ? strrchr(d->name, ' ') + 1 : d->name;
        return words <= 3 && known_thing(v, last) && !ge_is_interface(r, d->name);
    }
    bool known = known_thing(v, d->name);
    char *copy = ge_dup(d->keywords), *at = copy;
    for (char *k; !known && (k = ge_cut(&at, '|'));) known = known_thing(v, k);
    free(copy);
    return known;
}

static size_t count_up(ge_map *m, const char *key)
{
    size_t n = ge_map_get(m, key);
    if (n == GE_NONE) {
        ge_map_put(m, key, 1);
        return 1;
    }
    size_t i = (size_t)ge_hash(key) & (m->cap - 1);
    while (strcmp(m->key[i], key) != 0) i = (i + 1) & (m->cap - 1);
    return ++m->value[i];
}

/* Two passes, so that a second drawing in the same style never takes the place of one in another style. */
static void limit_variants(ge_drawings *ds, bool all_tones)
{
    ge_map total = {0}, styled = {0};
    bool *taken = ge_alloc(ds->n, 1);
    for (size_t i = 0; i < ds->n; i++) taken[i] = all_tones && ds->d[i].keep && ds->d[i].tone;
    for (size_t pass = 1; pass <= 2; pass++) {
        for (size_t i = 0; i < ds->n; i++) {
            ge_drawing *d = &ds->d[i];
            if (!d->keep || taken[i]) continue;
            char *all = ge_fmt("%s\t%s", d->set, d->concept), *one = ge_fmt("%s\t%s\t%s\t%d", d->set, d->concept, d->style, d->tone);
            size_t n = ge_map_get(&total, all), m = ge_map_get(&styled, one);
            n = n == GE_NONE ? 0 : n, m = m == GE_NONE ? 0 : m;
            size_t most = d->tone ? 1 : pass;
            /* which skin tone is chosen depends on the concept */
            bool chance = !d->tone || pass == 2 || ge_hash(d->icon) % 3 == 0;
            if (n < 3 && m < most && chance) {
                taken[i] = true;
                count_up(&total, all);
                count_up(&styled, one);
            }
            free(all);
            free(one);
        }
    }
    for (size_t i = 0; i < ds->n; i++) ds->d[i].keep = taken[i];
    free(taken);
    ge_map_free(&total);
    ge_map_free(&styled);
}

void ge_select_pretraining(ge_drawings *ds, const ge_rules *r, const ge_unicode *u)
{
    ge_map v = {0};
    vocabulary_of(&v, ds, r, u);
    for (size_t i = 0; i < ds->n; i++) {
        ge_drawing *d = &ds->d[i];
        d->keep = depictable(d, &v, r);
        size_t e = d->emoji ? GE_NONE : ge_map_get(&u->by_name, d->name);
        if (!d->keep || e == GE_NONE) continue;
        char *copy = ge_dup(u->emoji[e].keywords), *at = copy;
        for (char *k; (k = ge_cut(&at, '|'));)
            if (*k && strcmp(k, d->name) != 0) d->keywords = ge_join(d->keywords, k);
        free(copy);
    }
    ge_map_free(&v);
    limit_variants(ds, false);
}

void ge_select_benchmark(ge_drawings *ds, const ge_rules *r)
{
    for (size_t i = 0; i < ds->n; i++) {
        ge_label(&ds->d[i], r);
        ds->d[i].keep = true;
    }
    limit_variants(ds, true);
}

static void thumb_one(void *arg, size_t i)
{
    ge_drawing *d = &((ge_drawings *)arg)->d[i];
    uint8_t rgba[GE_SIZE * GE_SIZE * 4], rgb[GE_SIZE * GE_SIZE * 3];
    if (!d->keep) return;
    d->keep = ge_draw(rgba, d);
    if (!d->keep) return;
    ge_on_white(rgb, rgba);
    ge_thumb(d->thumb, rgb);
    d->keep = ge_cosine(d->thumb, d->thumb) > 0.5f;
}

void ge_thumbs(ge_drawings *ds)
{
    ge_each(ds->n, thumb_one, ds);
    ge_map last = {0}; /* of a concept in a set: two variants rendered the same are one */
    for (size_t i = 0; i < ds->n; i++) {
        ge_drawing *d = &ds->d[i];
        if (!d->keep || d->tone) continue;
        char *key = ge_fmt("%s\t%s", d->set, d->concept);
        size_t j = ge_map_get(&last, key);
        if (j != GE_NONE && ge_cosine(d->thumb, ds->d[j].thumb) > 0.995f) d->keep = false;
        ge_map_put(&last, key, i);
        free(key);
    }
    ge_map_free(&last);
}

typedef struct near_job {
    ge_drawings *ds;
    const ge_drawings *other;
    float *most;
} near_job;

static void near_one(void *arg, size_t i)
{
    near_job *j = arg;
    if (!j->ds->d[i].keep) return;
    float most = 0;
    for (size_t k = 0; k < j->other->n; k++) {
        if (!j->other->d[k].keep) continue;
        float c = ge_cosine(j->ds->d[i].thumb, j->other->d[k].thumb);
        if (c > most) most = c;
    }
    j->most[i] = most;
}

static float *nearest(ge_drawings *ds, const ge_drawings *other)
{
    near_job j = {ds, other, ge_alloc(ds->n, sizeof(float))};
    ge_each(ds->n, near_one, &j);
    return j.most;
}

size_t ge_drop_near(ge_drawings *ds, const ge_drawings *other, float threshold)
{
    float *most = nearest(ds, other);
    size_t n = 0;
    for (size_t i = 0; i < ds->n; i++) {
        if (most[i] <= threshold) continue;
        ds->d[i].keep = false;
        n++;
    }
    free(most);
    return n;
}

float ge_largest_cosine(const ge_drawings *ds, const ge_drawings *other)
{
    ge_drawings copy = *ds;
    float *most = nearest(&copy, other), top = 0;
    for (size_t i = 0; i < ds->n; i++) top = most[i] > top ? most[i] : top;
    free(most);
    return top;
}
