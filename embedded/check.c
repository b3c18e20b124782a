/* check.c - reads prepared data back and looks for leaks between its parts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <spng.h>
#include <stdlib.h>
#include <string.h>

size_t ge_shared_artists(const ge_sets *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (!ge_set_is(&s->set[i], "benchmark")) continue;
        for (size_t k = 0; k < s->n; k++) {
            const char *a = s->set[i].artist, *b = s->set[k].artist;
            if (!ge_set_is(&s->set[k], "pretraining") || (!strstr(b, a) && !strstr(a, b))) continue;
            fprintf(stderr, "benchmark set %s and pretraining set %s share the artist %s\n", s->set[i].name, s->set[k].name, a);
            n++;
        }
    }
    return n;
}

/* A 64 x 64 PNG as RGBA. */
static bool read_png(uint8_t *rgba, const char *path)
{
    size_t n = 0, out = 0;
    char *data = ge_read(path, &n);
    if (!data) return false;
    spng_ctx *c = spng_ctx_new(0);
    struct spng_ihdr h;
    bool ok = c && !spng_set_png_buffer(c, data, n) && !spng_get_ihdr(c, &h) && h.width == GE_SIZE && h.height == GE_SIZE &&
              !spng_decoded_image_size(c, SPNG_FMT_RGBA8, &out) && out == GE_SIZE * GE_SIZE * 4 &&
              !spng_decode_image(c, rgba, out, SPNG_FMT_RGBA8, 0);
    spng_ctx_free(c);
    free(data);
    return ok;
}

typedef struct check {
    const char *dest;
    ge_drawings bench, pre; /* icon: the file */
    size_t mistakes;
} check;

static void thumb_one(void *arg, size_t i)
{
    ge_drawing *d = &((ge_drawings *)arg)->d[i];
    uint8_t rgba[GE_SIZE * GE_SIZE * 4], rgb[GE_SIZE * GE_SIZE * 3];
    d->keep = read_png(rgba, d->icon);
    if (!d->keep) return;
    ge_on_white(rgb, rgba);
    ge_thumb(d->thumb, rgb);
}

static size_t load_thumbs(ge_drawings *ds)
{
    size_t bad = 0;
    ge_each(ds->n, thumb_one, ds);
    for (size_t i = 0; i < ds->n; i++) {
        if (ds->d[i].keep) continue;
        fprintf(stderr, "%s: not a PNG of %d x %d pixels\n", ds->d[i].icon, GE_SIZE, GE_SIZE);
        bad++;
    }
    return bad;
}

/* An item of split.json: its label and name fit, its file is in one part only. */
static void check_item(check *c, const char *dataset, const json_t *item, ge_map *path_part, ge_map *name_label, size_t part)
{
    const char *path = json_string_value(json_array_get(item, 0)), *name = json_string_value(json_array_get(item, 2));
    const json_t *label = json_array_get(item, 1);
    if (!path || !name || !json_is_integer(label)) {
        fprintf(stderr, "%s: an item is not [path, label, name]\n", dataset);
        c->mistakes++;
        return;
    }
    size_t l = (size_t)json_integer_value(label);
    ge_map_put(name_label, name, l);
    if (ge_map_get(name_label, name) != l || ge_map_get(path_part, path) != GE_NONE) {
        fprintf(stderr, "%s: %s is there twice or its label is not that of %s\n", dataset, path, name);
        c->mistakes++;
    }
    ge_map_put(path_part, path, part);
    ge_drawing *d = ge_drawings_add(&c->bench);
    d->icon = ge_fmt("%s/%s/%s", c->dest, dataset, path);
    d->name = ge_dup(name);
    d->set = dataset;
    d->class = part;
}

static void check_dataset(check *c, char *line)
{
    char *dataset = ge_cut(&line, '\t');
    ge_cut(&line, '\t');
    char *path = ge_fmt("%s/%s/split.json", c->dest, dataset);
    json_error_t e;
    json_t *split = json_load_file(path, 0, &e);
    if (!split) ge_die("%s:%d: %s", path, e.line, e.text);
    static const char *const part[3] = {"train", "val", "test"};
    ge_map path_part = {0}, name_label = {0};
    for (size_t p = 0; p < 3; p++) {
        const json_t *items = json_object_get(split, part[p]);
        size_t i;
        json_t *item;
        json_array_foreach(items, i, item) check_item(c, dataset, item, &path_part, &name_label, p);
        const char *said = ge_cut(&line, '\t');
        if (!said || strtoul(said, NULL, 10) != json_array_size(items)) {
            fprintf(stderr, "%s: %zu %s items, index.tsv says %s\n", dataset, json_array_size(items), part[p], said ? said : "nothing");
            c->mistakes++;
        }
    }
    ge_map_free(&path_part);
    ge_map_free(&name_label);
    json_decref(split);
    free(path);
}

/* Two drawings of one dataset in different parts that look the same. */
static void check_parts(check *c)
{
    for (size_t i = 0; i < c->bench.n; i++) {
        const ge_drawing *a = &c->bench.d[i];
        for (size_t k = i + 1; k < c->bench.n && strcmp(c->bench.d[k].set, a->set) == 0; k++) {
            const ge_drawing *b = &c->bench.d[k];
            if (a->class == b->class || ge_cosine(a->thumb, b->thumb) <= 0.98f) continue;
            fprintf(stderr, "%s and %s are in different parts and nearly the same\n", a->icon, b->icon);
            c->mistakes++;
        }
    }
}

static void read_pairs(check *c, const char *file)
{
    char *path = ge_fmt("%s/pretrain/%s", c->dest, file), *text = ge_read(path, NULL), *at = text;
    for (char *line; text && (line = ge_cut(&at, '\n'));) {
        if (!*line) continue;
        ge_drawing *d = ge_drawings_add(&c->pre);
        d->icon = ge_fmt("%s/pretrain/%s", c->dest, ge_cut(&line, '\t'));
    }
    free(text);
    free(path);
}

/* A drawing for validation is by an artist of whom pairs.tsv has nothing, and shows a concept that pairs.tsv has. */
static void check_held_out(check *c)
{
    ge_map artists = {0}, concepts = {0};
    const char *const file[2] = {"pairs.tsv", "pairs_val.tsv"};
    for (size_t v = 0; v < 2; v++) {
        char *path = ge_fmt("%s/pretrain/%s", c->dest, file[v]), *text = ge_read(path, NULL), *at = text;
        for (char *line; text && (line = ge_cut(&at, '\n'));) {
            char *png = ge_cut(&line, '\t'), *concept = line ? ge_cut(&line, '\t') : NULL;
            ge_cut(&png, '/');
            const char *set = png ? ge_cut(&png, '/') : NULL;
            if (!concept || !set) continue;
            if (!v) {
                ge_map_put(&artists, set, 1);
                ge_map_put(&concepts, concept, 1);
            } else if (ge_map_get(&artists, set) != GE_NONE || ge_map_get(&concepts, concept) == GE_NONE) {
                fprintf(stderr, "held out: %s of %s, but %s\n", concept, set,
                        ge_map_get(&concepts, concept) == GE_NONE ? "the concept is not in pairs.tsv" : "the artist is in pairs.tsv");
                c->mistakes++;
            }
        }
        free(text);
        free(path);
    }
    ge_map_free(&artists);
    ge_map_free(&concepts);
}

size_t ge_check(const char *dest, const char *tables)
{
    check c = {.dest = dest};
    ge_sets sets;
    ge_sets_load(&sets, tables);
    c.mistakes += ge_shared_artists(&sets);
    char *path = ge_fmt("%s/index.tsv", dest), *index = ge_read(path, NULL), *at = index;
    if (!index) ge_die("%s: not found; run embedded/prepare.sh", path);
    ge_cut(&at, '\n');
    size_t datasets = 0;
    for (char *line; (line = ge_cut(&at, '\n'));) {
        if (!*line) continue;
        check_dataset(&c, line);
        datasets++;
    }
    c.mistakes += load_thumbs(&c.bench);
    check_parts(&c);
    read_pairs(&c, "pairs.tsv");
    read_pairs(&c, "pairs_val.tsv");
    check_held_out(&c);
    c.mistakes += load_thumbs(&c.pre);
    float near = ge_largest_cosine(&c.pre, &c.bench);
    /* what was measured before the PNG files were written may differ in the last digit */
    if (near > GE_NEAR + 0.002f) {
        fprintf(stderr, "a pretraining drawing is nearly one of the benchmark: cosine %.3f\n", (double)near);
        c.mistakes++;
    }
    char *licenses = ge_fmt("%s/LICENSES.md", dest), *text = ge_read(licenses, NULL);
    for (size_t i = 0; i < sets.n; i++) {
        char *name = ge_fmt("@iconify-json/%s ", sets.set[i].name);
        if (ge_set_is(&sets.set[i], "benchmark") && (!text || !strstr(text, name))) {
            fprintf(stderr, "%s does not name %s\n", licenses, name);
            c.mistakes++;
        }
        free(name);
    }
    printf("checked %zu datasets with %zu drawings and %zu pretraining drawings; nearest pair %.3f; mistakes: %zu\n", datasets, c.bench.n,
           c.pre.n, (double)near, c.mistakes);
    return c.mistakes;
}

static const char *text_of(const json_t *object, const char *key, const char *key2)
{
    const char *s = json_string_value(json_object_get(json_object_get(object, key), key2));
    return s ? s : "-";
}

void ge_licenses_write(const ge_sets *s, const char *cache, const char *tables, const char *dest, bool pretrain)
{
    char *path = ge_fmt("%s/LICENSES.md", dest);
    FILE *f = ge_create(path);
    fputs("# Whose drawings these are\n\nEach set keeps its licence. Changes made: single drawings chosen by name, rendered to 64 x 64 "
          "pixels.\n\n| set | name | author | licence | source | use |\n| --- | --- | --- | --- | --- | --- |\n",
          f);
    for (size_t i = 0; i < s->n; i++) {
        if (!ge_set_is(&s->set[i], "benchmark") && !(pretrain && ge_set_is(&s->set[i], "pretraining"))) continue;
        char *info = ge_fmt("%s/%s/info.json", cache, s->set[i].name);
        json_error_t e;
        json_t *j = json_load_file(info, 0, &e);
        if (!j) ge_die("%s: %s", info, e.text);
        const char *name = json_string_value(json_object_get(j, "name"));
        if (strcmp(text_of(j, "license", "spdx"), s->set[i].licence) != 0)
            ge_die("%s: the licence is %s, sets.tsv says %s", info, text_of(j, "license", "spdx"), s->set[i].licence);
        fprintf(f, "| @iconify-json/%s %s | %s | %s | %s | %s | %s |\n", s->set[i].name, s->set[i].version, name ? name : "-",
                text_of(j, "author", "name"), text_of(j, "license", "spdx"), text_of(j, "author", "url"), s->set[i].use);
        json_decref(j);
        free(info);
    }
    if (pretrain)
        fputs("| openclipart-svg (Debian) | Open Clip Art Library | its contributors | public domain | https://openclipart.org | "
              "pretraining |\n",
              f);
    fputs("\n## Fonts of the letters\n\n| package (Debian) | family | licence |\n| --- | --- | --- |\n", f);
    char *fonts = ge_fmt("%s/fonts.tsv", tables), *text = ge_read(fonts, NULL), *at = text;
    if (!text) ge_die("%s: not found", fonts);
    ge_cut(&at, '\n');
    for (char *line; (line = ge_cut(&at, '\n'));) {
        char *package = ge_cut(&line, '\t'), *family = ge_cut(&line, '\t');
        ge_cut(&line, '\t');
        if (line) fprintf(f, "| %s | %s | %s |\n", package, family, ge_cut(&line, '\t'));
    }
    fputs("\nEmoji names, groups and keywords: Unicode CLDR and emoji-test.txt (Debian's unicode-cldr-core and unicode-data), "
          "Unicode-DFS-2016.\n",
          f);
    ge_close(f, path);
    free(text);
    free(fonts);
    free(path);
}
