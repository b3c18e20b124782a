/* pretrain.c - writes the pretraining pairs: PNG files with transparency and a list of names and keywords.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pretrain.h"

#include <stdlib.h>
#include <string.h>

typedef struct job {
    ge_drawings *ds;
    const char *dest;
} job;

/* A clip-art drawing is named by its path; both become one plain file name. */
static char *png_name(const ge_drawing *d)
{
    const char *base = d->icon, *below = d->kind == GE_CLIPART ? strstr(base, "/svg/") : NULL;
    char *s = ge_dup(below ? below + 5 : base), *o = s;
    for (char *p = s; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '-';
        *o++ = plain ? *p : '_';
    }
    *o = 0;
    if (ge_ends(s, "_svg")) s[strlen(s) - 4] = 0;
    char *path = ge_fmt("images/%s/%s.png", d->set, s);
    free(s);
    return path;
}

static void write_one(void *arg, size_t i)
{
    job *j = arg;
    ge_drawing *d = &j->ds->d[i];
    uint8_t rgba[GE_SIZE * GE_SIZE * 4];
    if (!d->keep || !ge_draw(rgba, d)) return;
    char *name = png_name(d), *path = ge_fmt("%s/pretrain/%s", j->dest, name);
    ge_write_png(path, rgba, GE_SIZE, GE_SIZE, 4);
    free(path);
    free(name);
}

/* Artists whose drawings are for validation only: the benchmark too shows known things as drawn by artists that pretraining never saw. */
static bool held_out(const char *set)
{
    static const char *const sets[] = {"bxs", "fontisto", "flat-ui", "marketeq"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (strcmp(set, sets[i]) == 0) return true;
    return false;
}

void ge_pretrain_write(ge_drawings *ds, const char *dest)
{
    ge_each(ds->n, write_one, &(job){ds, dest});
    char *path[2] = {ge_fmt("%s/pretrain/pairs.tsv", dest), ge_fmt("%s/pretrain/pairs_val.tsv", dest)};
    FILE *f[2] = {ge_create(path[0]), ge_create(path[1])};
    size_t n[2] = {0}, concepts[2] = {0};
    ge_map seen[2] = {{0}}, known = {0};
    for (size_t i = 0; i < ds->n; i++)
        if (ds->d[i].keep && !held_out(ds->d[i].set)) ge_map_put(&known, ds->d[i].concept, 1);
    for (size_t i = 0; i < ds->n; i++) {
        const ge_drawing *d = &ds->d[i];
        size_t v = held_out(d->set);
        if (!d->keep || (v && ge_map_get(&known, d->concept) == GE_NONE)) continue;
        char *key = ge_dup(d->concept), *name = png_name(d);
        for (char *p = key; *p; p++)
            if (*p == ' ') *p = '-';
        fprintf(f[v], "%s\t%s\t%s\t%s\t%s\n", name, key, d->name, d->keywords, d->style);
        n[v]++;
        if (ge_map_get(&seen[v], key) == GE_NONE) concepts[v]++;
        ge_map_put(&seen[v], key, 1);
        free(key);
        free(name);
    }
    for (size_t v = 0; v < 2; v++) {
        ge_close(f[v], path[v]);
        free(path[v]);
    }
    for (size_t v = 0; v < 2; v++) ge_map_free(&seen[v]);
    ge_map_free(&known);
    printf("pretraining: %zu drawings of %zu concepts, held out %zu drawings of %zu of them\n", n[0], concepts[0], n[1], concepts[1]);
}
