/* pretrain_pairs.c - reads the list of drawings and draws batches of distinct concepts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/pretrain_pairs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define MAX_LIST_BYTES ((size_t)1 << 30)
#define MAX_DRAWINGS   10000000u
#define MIN_SIDE       8u
#define MAX_SIDE       1024u

void gp_pairs_free(gp_pairs *p)
{
    for (size_t i = 0; p->d && i < p->n; i++) gp_image_free(&p->d[i].rgba);
    free(p->d);
    free(p->first);
    free(p->member);
    free(p->weight);
    free(p->text);
    free(p->words);
    *p = (gp_pairs){0};
}

static size_t count_char(const char *s, size_t n, char c)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) k += s[i] == c;
    return k;
}

/* Cuts off the text up to `sep` or the end of the line; NULL when the line is used up. */
static char *next_field(char **at, char sep)
{
    char *s = *at, *e;
    if (!s) return NULL;
    e = strchr(s, sep);
    *at = e ? e + 1 : NULL;
    if (e) *e = 0;
    return s;
}

typedef struct concept_ref {
    const char *key;
    uint32_t drawing;
} concept_ref;

static int by_key(const void *a, const void *b)
{
    const concept_ref *x = a, *y = b;
    int c = strcmp(x->key, y->key);
    return c ? c : (x->drawing > y->drawing) - (x->drawing < y->drawing);
}

static gopro_status group_concepts(gp_pairs *p, concept_ref *ref, double line_weight, gopro_error *err)
{
    qsort(ref, p->n, sizeof *ref, by_key);
    p->first = calloc(p->n + 1, sizeof *p->first);
    p->member = calloc(p->n, sizeof *p->member);
    p->weight = calloc(p->n, sizeof *p->weight);
    if (!p->first || !p->member || !p->weight) return gp_fail_nomem(err, p->n * sizeof *p->weight, "the list of concepts");
    for (size_t i = 0; i < p->n; i++) {
        if (i == 0 || strcmp(ref[i].key, ref[i - 1].key) != 0) p->first[p->n_concepts++] = (uint32_t)i;
        size_t c = p->n_concepts - 1;
        gp_drawing *d = &p->d[ref[i].drawing];
        d->concept = (uint32_t)c;
        p->member[i] = ref[i].drawing;
        p->weight[c] += d->line ? line_weight : 1.0;
    }
    p->first[p->n_concepts] = (uint32_t)p->n;
    /* a concept with many drawings is shown more often, but not in proportion */
    for (size_t c = 0; c < p->n_concepts; c++) p->weight[c] = sqrt(fmin(p->weight[c], 16.0));
    return GOPRO_OK;
}

static gopro_status parse_line(gp_pairs *p, char *line, size_t number, const char **key, const char ***word, const char *path,
                               gopro_error *err)
{
    gp_drawing *d = &p->d[p->n];
    char *at = line;
    char *file = next_field(&at, '\t'), *concept = next_field(&at, '\t'), *name = next_field(&at, '\t'), *words = next_field(&at, '\t');
    const char *style = next_field(&at, '\t');
    if (!style || !*file || !*concept || !*name)
        return gp_fail(err, GOPRO_E_DATA, "%s:%zu: expected five tab-separated fields: path, concept, name, keywords, style", path, number);
    d->path = file;
    d->name = name;
    d->line = strcmp(style, "line") == 0;
    d->colour = strcmp(style, "emoji") == 0 || strcmp(style, "gradient") == 0 || strcmp(style, "outlined") == 0 ||
                strcmp(style, "clipart") == 0 || strcmp(style, "colour") == 0;
    d->keyword = *word;
    while (words && *words) {
        const char *w = next_field(&words, '|');
        if (*w) (*word)[0] = w, *word += 1, d->n_keywords++;
    }
    *key = concept;
    return GOPRO_OK;
}

typedef struct decode_job {
    gp_pairs *p;
    const char *folder;
    gopro_error *err; /* one per block */
    gopro_status *st;
} decode_job;

enum { DECODE_BLOCK = 64 };

static gopro_status decode_one(gp_drawing *d, const char *folder, gopro_error *err)
{
    char *file = gp_path_join(folder, d->path), *data = NULL;
    size_t n = 0;
    if (!file) return gp_fail_nomem(err, strlen(d->path), "a path");
    gopro_status st = gp_read_file(&data, &n, file, (size_t)16 << 20, err);
    if (st == GOPRO_OK) st = gp_image_decode_rgba(&d->rgba, (const uint8_t *)data, n, err);
    if (st == GOPRO_OK && (d->rgba.w != d->rgba.h || d->rgba.w < MIN_SIDE || d->rgba.w > MAX_SIDE))
        st = gp_fail(err, GOPRO_E_DATA, "%u x %u pixels, expected a square of %u to %u", d->rgba.w, d->rgba.h, MIN_SIDE, MAX_SIDE);
    if (st != GOPRO_OK) st = gp_fail_in(err, GOPRO_E_DATA, "%s", file);
    free(data);
    free(file);
    return st;
}

static void decode_block(void *arg, size_t block, size_t worker)
{
    decode_job *j = arg;
    (void)worker;
    size_t end = gp_min_size((block + 1) * DECODE_BLOCK, j->p->n);
    for (size_t i = block * DECODE_BLOCK; i < end && j->st[block] == GOPRO_OK; i++)
        j->st[block] = decode_one(&j->p->d[i], j->folder, &j->err[block]);
}

static gopro_status decode_all(gp_pairs *p, const char *folder, gp_pool *pool, gopro_error *err)
{
    size_t blocks = (p->n + DECODE_BLOCK - 1) / DECODE_BLOCK;
    decode_job j = {p, folder, calloc(blocks, sizeof *j.err), calloc(blocks, sizeof *j.st)};
    gopro_status st = GOPRO_OK;
    if (!j.err || !j.st) {
        st = gp_fail_nomem(err, blocks * sizeof *j.err, "decoding");
    } else {
        gp_parallel_for(pool, blocks, decode_block, &j);
        for (size_t b = 0; b < blocks && st == GOPRO_OK; b++) {
            st = j.st[b];
            if (st != GOPRO_OK && err) *err = j.err[b];
        }
    }
    free(j.err);
    free(j.st);
    return st;
}

gopro_status gp_pairs_load(gp_pairs *p, const char *path, double line_weight, gp_pool *pool, gopro_error *err)
{
    *p = (gp_pairs){.line_weight = line_weight};
    size_t bytes = 0, number = 0;
    concept_ref *ref = NULL;
    char *folder = gp_strdup(path);
    gopro_status st = gp_read_file(&p->text, &bytes, path, MAX_LIST_BYTES, err);
    if (st != GOPRO_OK) st = gp_fail_in(err, GOPRO_E_DATA, "pretraining pairs");
    if (st != GOPRO_OK) goto out;
    size_t lines = count_char(p->text, bytes, '\n') + 1, words = count_char(p->text, bytes, '|') + lines;
    if (lines > MAX_DRAWINGS) {
        st = gp_fail(err, GOPRO_E_DATA, "%s: %zu lines, at most %u", path, lines, MAX_DRAWINGS);
        goto out;
    }
    p->d = calloc(lines, sizeof *p->d);
    p->words = calloc(words, sizeof *p->words);
    ref = calloc(lines, sizeof *ref);
    if (!p->d || !p->words || !ref || !folder) {
        st = gp_fail_nomem(err, lines * sizeof *p->d, "the list of drawings");
        goto out;
    }
    const char **word = p->words;
    for (char *at = p->text, *line; (line = next_field(&at, '\n')) != NULL;) {
        number++;
        if (!*line || *line == '#') continue;
        GP_CHECK(parse_line(p, line, number, &ref[p->n].key, &word, path, err));
        ref[p->n].drawing = (uint32_t)p->n;
        p->n++;
    }
    if (p->n == 0) {
        st = gp_fail(err, GOPRO_E_DATA, "%s: no drawings; make them with embedded/prepare.sh --pretrain", path);
        goto out;
    }
    GP_CHECK(group_concepts(p, ref, line_weight, err));
    char *slash = strrchr(folder, '/');
    if (slash) *slash = 0;
    GP_CHECK(decode_all(p, slash ? folder : "", pool, err));
out:
    free(ref);
    free(folder);
    if (st != GOPRO_OK) gp_pairs_free(p);
    return st;
}

typedef struct draw_key {
    double key;
    uint32_t concept;
} draw_key;

static int by_draw(const void *a, const void *b)
{
    const draw_key *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? -1 : 1;
    return (x->concept > y->concept) - (x->concept < y->concept);
}

/* Weighted sampling without replacement: the n largest of log(u_c) / w_c. */
gopro_status gp_pairs_draw(const gp_pairs *p, uint32_t *drawing, size_t n, uint64_t seed, uint64_t step, gopro_error *err)
{
    if (n > p->n_concepts)
        return gp_fail(err, GOPRO_E_INVALID, "a batch of %zu needs as many concepts, the list has %zu; lower pretrain.batch", n,
                       p->n_concepts);
    draw_key *key = malloc(p->n_concepts * sizeof *key);
    if (!key) return gp_fail_nomem(err, p->n_concepts * sizeof *key, "drawing a batch");
    gp_rng r = gp_rng_make(seed, GP_RNG_PRETRAIN, step, 0);
    for (size_t c = 0; c < p->n_concepts; c++) {
        key[c].key = log(1.0 - gp_rng_uniform(&r)) / p->weight[c];
        key[c].concept = (uint32_t)c;
    }
    qsort(key, p->n_concepts, sizeof *key, by_draw);
    for (size_t i = 0; i < n; i++) {
        uint32_t c = key[i].concept;
        for (int tries = 0; tries < 3; tries++) {
            drawing[i] = p->member[p->first[c] + gp_rng_below(&r, p->first[c + 1] - p->first[c])];
            if (!p->d[drawing[i]].line || gp_rng_chance(&r, p->line_weight)) break;
        }
    }
    free(key);
    return GOPRO_OK;
}
