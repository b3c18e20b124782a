/* sets.c - reads sets.tsv and each set's icons.json.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sets.h"

#include <stdlib.h>
#include <string.h>

void ge_sets_load(ge_sets *s, const char *tables)
{
    char *path = ge_fmt("%s/sets.tsv", tables), *text = ge_read(path, NULL), *at = text;
    if (!text) ge_die("%s: not found", path);
    *s = (ge_sets){0};
    ge_cut(&at, '\n');
    for (char *line; (line = ge_cut(&at, '\n'));) {
        if (!*line) continue;
        char *f[9] = {0};
        for (size_t i = 0; i < 9; i++) f[i] = ge_cut(&line, '\t');
        if (!f[8]) ge_die("%s: a line has fewer than nine columns", path);
        s->set = ge_grow(s->set, s->n + 1, sizeof *s->set);
        ge_kind k = strcmp(f[7], "emoji") == 0 ? GE_EMOJI : strcmp(f[7], "game") == 0 ? GE_GAME : GE_ICONS;
        s->set[s->n++] = (ge_set){
            .use = f[0], .name = f[1], .version = f[2], .style = f[3], .licence = f[4], .artist = f[6], .suffixes = f[8], .kind = k};
    }
    free(path);
}

bool ge_set_is(const ge_set *s, const char *use)
{
    return strcmp(s->use, use) == 0;
}

ge_drawing *ge_drawings_add(ge_drawings *out)
{
    if ((out->n & (out->n + 1)) == 0) out->d = ge_grow(out->d, 2 * out->n + 2, sizeof *out->d);
    ge_drawing *d = &out->d[out->n++];
    *d = (ge_drawing){.keywords = "", .class = GE_NONE};
    return d;
}

char *ge_join(const char *list, const char *word)
{
    size_t m = strlen(word);
    for (const char *p = list; *p;) {
        const char *e = strchrnul(p, '|');
        if ((size_t)(e - p) == m && strncmp(p, word, m) == 0) return ge_dup(list);
        p = *e ? e + 1 : e;
    }
    return *list ? ge_fmt("%s|%s", list, word) : ge_dup(word);
}

static void add_keyword(ge_drawing *d, const char *word)
{
    if (*word && strcmp(word, d->name) != 0) d->keywords = ge_join(d->keywords, word);
}

static bool cut_tail(char *s, const char *tail)
{
    if (!ge_ends(s, tail) || strlen(s) <= strlen(tail)) return false;
    s[strlen(s) - strlen(tail)] = 0;
    return true;
}

/* "woman cook medium dark skin tone" to "woman cook"; some sets leave the words "skin tone" out, then a sibling must tell. */
static bool strip_tone(char *words, const char *icon, const json_t *icons)
{
    static const char *const tone[] = {" medium light", " medium dark", " light", " dark", " medium"};
    bool found = false;
    for (size_t round = 0; round < 3; round++) {
        bool said = cut_tail(words, " skin tone");
        if (!said && found) break;
        for (size_t i = 0; i < 5; i++) {
            if (!said) {
                if (!ge_ends(words, tone[i])) continue;
                char *base = ge_dup(icon);
                base[strlen(base) - strlen(tone[i])] = 0;
                char *sibling = ge_fmt("%s-medium-dark", base);
                bool is = json_object_get(icons, sibling) != NULL && json_object_get(icons, base) != NULL;
                free(sibling);
                free(base);
                if (!is) continue;
            }
            if (cut_tail(words, tone[i])) {
                found = true;
                break;
            }
        }
        if (!said) break;
    }
    return found;
}

static void name_emoji(ge_drawing *d, const ge_set *s, const ge_unicode *u)
{
    char *w = ge_words(d->icon);
    d->tone = strip_tone(w, d->icon, json_object_get(s->icons, "icons"));
    if (strcmp(s->name, "streamline-emojis") == 0) ge_drop_numbers(w);
    cut_tail(w, " facing right");
    size_t i = ge_map_get(&u->by_name, w);
    if (i == GE_NONE && !strchr(w, ' ')) {
        i = ge_map_get(&u->by_squashed, w);
        char *cut = i == GE_NONE ? ge_segment(u, w) : NULL;
        if (cut) w = cut, i = ge_map_get(&u->by_name, w);
    }
    if (i != GE_NONE) {
        d->emoji = &u->emoji[i];
        w = ge_dup(d->emoji->name);
    }
    d->name = w;
    d->concept = w;
    if (d->emoji) d->keywords = d->emoji->keywords;
}

static double number(const json_t *icon, const json_t *set, const char *key, double otherwise)
{
    const json_t *v = json_object_get(icon, key);
    if (!v) v = json_object_get(set, key);
    return v ? json_number_value(v) : otherwise;
}

static int by_icon(const void *a, const void *b)
{
    const ge_drawing *x = a, *y = b;
    return strcmp(x->icon, y->icon);
}

/* Names of a set's aliases and its depictable categories become keywords. */
static void read_keywords(ge_drawings *out, size_t first, const ge_set *s, const char *cache)
{
    ge_map index = {0};
    for (size_t i = first; i < out->n; i++) ge_map_put(&index, out->d[i].icon, i);
    const char *name;
    json_t *alias, *category;
    json_object_foreach(json_object_get(s->icons, "aliases"), name, alias)
    {
        size_t i = ge_map_get(&index, json_string_value(json_object_get(alias, "parent")));
        if (i == GE_NONE || json_object_size(alias) != 1 || s->kind == GE_EMOJI) continue;
        char *copy = ge_dup(name);
        if (!ge_strip_style(copy, s->suffixes, s->style)) continue;
        char *w = ge_words(copy);
        ge_drop_numbers(w);
        add_keyword(&out->d[i], w);
        free(w);
        free(copy);
    }
    static const char *const good[] = {"animal",   "animals",  "nature",    "food",        "drink",      "medical", "hospital",
                                       "music",    "sport",    "sports",    "weather",     "science",    "places",  "clothing",
                                       "holiday",  "religion", "people",    "vehicles",    "body",       "tools",   "music",
                                       "travel",   "exercise", "emotions",  "agriculture", "automotive", "gaming",  "household",
                                       "hardware", "transit",  "nutrition", "toys",        "family"};
    char *path = ge_fmt("%s/%s/metadata.json", cache, s->name);
    json_t *meta = json_load_file(path, 0, NULL);
    json_object_foreach(json_object_get(meta, "categories"), name, category)
    {
        char *w = ge_words(name), *at = w;
        for (char *word; s->kind == GE_ICONS && (word = ge_cut(&at, ' '));) {
            bool use = false;
            for (size_t k = 0; k < sizeof good / sizeof *good; k++) use |= strcmp(word, good[k]) == 0;
            size_t j;
            json_t *v;
            if (use) json_array_foreach(category, j, v)
                {
                    size_t i = ge_map_get(&index, json_string_value(v));
                    if (i != GE_NONE) add_keyword(&out->d[i], word);
                }
        }
        free(w);
    }
    json_decref(meta);
    free(path);
    ge_map_free(&index);
}

void ge_set_read(ge_drawings *out, ge_set *s, const char *cache, const ge_unicode *u)
{
    char *path = ge_fmt("%s/%s/icons.json", cache, s->name);
    json_error_t e;
    s->icons = json_load_file(path, 0, &e);
    if (!s->icons) ge_die("%s:%d: %s", path, e.line, e.text);
    free(path);
    const char *icon;
    json_t *v;
    size_t first = out->n;
    json_object_foreach(json_object_get(s->icons, "icons"), icon, v)
    {
        const char *body = json_string_value(json_object_get(v, "body"));
        if (!body || json_is_true(json_object_get(v, "hidden"))) continue;
        char *base = ge_dup(icon);
        const char *style = s->kind == GE_EMOJI ? s->style : ge_strip_style(base, s->suffixes, s->style);
        if (!style) continue;
        ge_drawing *d = ge_drawings_add(out);
        d->set = s->name, d->artist = s->artist, d->icon = icon, d->kind = s->kind, d->style = style, d->body = body;
        d->box[0] = number(v, s->icons, "left", 0), d->box[1] = number(v, s->icons, "top", 0);
        d->box[2] = number(v, s->icons, "width", 16), d->box[3] = number(v, s->icons, "height", 16);
        if (s->kind == GE_EMOJI) {
            name_emoji(d, s, u);
        } else {
            char *w = ge_words(base);
            ge_drop_numbers(w);
            d->name = d->concept = w;
        }
        free(base);
    }
    qsort(out->d + first, out->n - first, sizeof *out->d, by_icon);
    read_keywords(out, first, s, cache);
}

char *ge_svg(const ge_drawing *d, size_t *n)
{
    if (!d->body) {
        char *s = ge_read(d->icon, n);
        if (!s) ge_die("%s: not found", d->icon);
        return s;
    }
    char *s = ge_fmt("<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"%g\" height=\"%g\" "
                     "viewBox=\"%g %g %g %g\" color=\"#000\">%s</svg>",
                     d->box[2], d->box[3], d->box[0], d->box[1], d->box[2], d->box[3], d->body);
    *n = strlen(s);
    return s;
}

bool ge_draw(uint8_t *rgba, const ge_drawing *d)
{
    size_t n = 0;
    char *svg = ge_svg(d, &n);
    bool ok = ge_render(rgba, svg, n);
    free(svg);
    return ok;
}
