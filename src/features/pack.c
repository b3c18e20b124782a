/* pack.c - see pack.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "features/pack.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"
#include "weights/safetensors.h"

#define FORMAT        "gopro features 2"
#define SUFFIX        ".safetensors"
#define NAME_LEN      (16 + 1 + 16) /* without the suffix */
#define ID_WORDS      8
#define STALE_SECONDS 3600

typedef struct pack {
    gp_safetensors *file;
    char *path;
    size_t n;
    const uint8_t *id, *check;
    const float *feat, *mu, *sigma;
    bool used;
} pack;

/* Where the features of an image stand. */
typedef struct place {
    const uint8_t *id;
    size_t pack, row;
    bool stats;
} place;

struct gp_packs {
    char *folder;
    gp_pack_space space;
    pack *pack;
    size_t n, cap;
    place *place; /* sorted by id, with statistics first */
    size_t n_places;
};

void gp_packs_free(gp_packs **p)
{
    if (!p || !*p) return;
    for (size_t i = 0; i < (*p)->n; i++) {
        gp_safetensors_close(&(*p)->pack[i].file);
        free((*p)->pack[i].path);
    }
    free((*p)->pack);
    free((*p)->place);
    free((*p)->folder);
    free(*p);
    *p = NULL;
}

/* ---- one pack ---- */

static const gp_tensor *tensor(const gp_safetensors *f, const char *name, gp_dtype dtype, size_t n, size_t a, size_t b)
{
    const gp_tensor *t = gp_safetensors_find(f, name);
    if (!t || t->dtype != dtype || t->rank != (b ? 3U : 2U) || t->shape[0] != n || t->shape[1] != a || (b && t->shape[2] != b)) return NULL;
    return (uintptr_t)t->data % sizeof(float) == 0 ? t : NULL;
}

static const float *floats(const gp_tensor *t)
{
    return t ? (const float *)(const void *)t->data : NULL;
}

/* false: not a pack of this space; nothing is kept then */
static bool pack_open(pack *p, const char *path, const gp_pack_space *s)
{
    gp_safetensors *f = NULL;
    if (gp_safetensors_open(&f, path, NULL) != GOPRO_OK) return false;
    const char *format = gp_safetensors_meta(f, "format"), *key = gp_safetensors_meta(f, "key");
    const gp_tensor *any = gp_safetensors_find(f, "id");
    size_t n = any && any->rank == 2 ? any->shape[0] : 0;
    const gp_tensor *id = tensor(f, "id", GP_DT_I32, n, ID_WORDS, 0), *check = tensor(f, "check", GP_DT_I32, n, 2, 0);
    const gp_tensor *feat = tensor(f, "feat", GP_DT_F32, n, s->embed, 0), *mu = tensor(f, "mu", GP_DT_F32, n, s->layers, s->width);
    const gp_tensor *sigma = tensor(f, "sigma", GP_DT_F32, n, s->layers, s->width);
    bool ours = format && strcmp(format, FORMAT) == 0 && key && strcmp(key, s->key) == 0 && id && check && feat && !mu == !sigma;
    *p = (pack){.path = ours ? gp_strdup(path) : NULL};
    if (!p->path) {
        gp_safetensors_close(&f);
        return false;
    }
    *p = (pack){.file = f, .path = p->path, .n = n, .id = id->data, .check = check->data, .feat = floats(feat)};
    p->mu = floats(mu);
    p->sigma = floats(sigma);
    return true;
}

/* Every step is a bijection of h, so a change of any one word changes the sum. */
static uint64_t mix(uint64_t h, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    for (; bytes >= 4; bytes -= 4, p += 4) {
        uint32_t w;
        memcpy(&w, p, sizeof w);
        h = (h ^ w) * 0x9e3779b97f4a7c15ULL;
        h ^= h >> 32;
    }
    return h;
}

static uint64_t row_sum(const gp_pack_space *s, const uint8_t *id, const float *feat, const float *mu, const float *sigma)
{
    size_t stat = s->layers * s->width * sizeof(float);
    uint64_t h = mix(mu ? 2 : 1, id, sizeof(gp_image_id));
    h = mix(h, feat, s->embed * sizeof(float));
    if (!mu) return h;
    return mix(mix(h, mu, stat), sigma, stat);
}

static gp_pack_row row_of(const pack *p, const gp_pack_space *s, size_t i)
{
    size_t stat = s->layers * s->width;
    return (gp_pack_row){p->feat + i * s->embed, p->mu ? p->mu + i * stat : NULL, p->sigma ? p->sigma + i * stat : NULL};
}

static bool row_sound(const pack *p, const gp_pack_space *s, size_t i)
{
    gp_pack_row r = row_of(p, s, i);
    uint64_t sum = row_sum(s, p->id + i * sizeof(gp_image_id), r.feat, r.mu, r.sigma);
    return memcmp(p->check + i * sizeof sum, &sum, sizeof sum) == 0;
}

size_t gp_pack_row_bytes(const gp_pack_space *s, bool stats)
{
    return sizeof(gp_image_id) + sizeof(uint64_t) + (s->embed + (stats ? 2 * s->layers * s->width : 0)) * sizeof(float);
}

/* ---- the folder ---- */

static bool is_hex(const char *s, size_t n)
{
    return strspn(s, "0123456789abcdef") >= n;
}

/* The rest after `<16>-<16>.safetensors`, or NULL: the name is none of ours. */
static const char *pack_name(const char *name)
{
    if (strlen(name) < NAME_LEN + sizeof SUFFIX - 1 || !is_hex(name, 16) || name[16] != '-' || !is_hex(name + 17, 16)) return NULL;
    return strncmp(name + NAME_LEN, SUFFIX, sizeof SUFFIX - 1) == 0 ? name + NAME_LEN + sizeof SUFFIX - 1 : NULL;
}

static pack *next_pack(gp_packs *p)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 16;
        pack *more = reallocarray(p->pack, cap, sizeof *more);
        if (!more) return NULL;
        p->pack = more;
        p->cap = cap;
    }
    return &p->pack[p->n];
}

static int compare_places(const void *a, const void *b)
{
    const place *x = a, *y = b;
    int d = memcmp(x->id, y->id, sizeof(gp_image_id));
    if (d != 0) return d;
    if (x->stats != y->stats) return x->stats ? -1 : 1;
    return x->pack != y->pack ? (x->pack < y->pack ? -1 : 1) : x->row < y->row ? -1 : x->row > y->row;
}

static gopro_status index_packs(gp_packs *p, gopro_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) n += p->pack[i].n;
    p->place = calloc(n + 1, sizeof *p->place);
    if (!p->place) return gp_fail_nomem(err, n * sizeof *p->place, "the index of the feature cache");
    for (size_t i = 0; i < p->n; i++)
        for (size_t r = 0; r < p->pack[i].n; r++)
            p->place[p->n_places++] = (place){p->pack[i].id + r * sizeof(gp_image_id), i, r, p->pack[i].mu != NULL};
    if (n) qsort(p->place, n, sizeof *p->place, compare_places);
    return GOPRO_OK;
}

gopro_status gp_packs_open(gp_packs **out, const char *folder, const gp_pack_space *s, gopro_error *err)
{
    char **name = NULL;
    size_t n = 0;
    gopro_status st = GOPRO_OK;
    gp_packs *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p || !(p->folder = gp_strdup(folder))) {
        st = gp_fail_nomem(err, sizeof *p, "the feature cache");
        goto out;
    }
    p->space = *s;
    if (gp_path_is_dir(folder)) gp_list_dir(&name, &n, folder, NULL); /* an unreadable folder holds nothing */
    for (size_t i = 0; i < n; i++) {
        const char *rest = pack_name(name[i]);
        if (!rest || *rest || strncmp(name[i], s->key, 16) != 0) continue;
        char *path = gp_path_join(folder, name[i]);
        pack *at = path ? next_pack(p) : NULL;
        if (!at) st = gp_fail_nomem(err, p->n * sizeof *at, "the feature cache");
        if (at && pack_open(at, path, s)) p->n++;
        free(path);
        if (st != GOPRO_OK) goto out;
    }
    GP_CHECK(index_packs(p, err));
out:
    gp_list_free(&name, n);
    if (st == GOPRO_OK)
        *out = p;
    else
        gp_packs_free(&p);
    return st;
}

bool gp_packs_find(gp_packs *p, gp_pack_row *row, const gp_image_id *id, bool stats)
{
    size_t a = 0, b = p->n_places;
    while (a < b) { /* the first place not before id */
        size_t m = a + (b - a) / 2;
        if (memcmp(p->place[m].id, id->byte, sizeof *id) < 0)
            a = m + 1;
        else
            b = m;
    }
    for (; a < p->n_places && memcmp(p->place[a].id, id->byte, sizeof *id) == 0; a++) {
        const place *x = &p->place[a];
        if ((stats && !x->stats) || !row_sound(&p->pack[x->pack], &p->space, x->row)) continue;
        *row = row_of(&p->pack[x->pack], &p->space, x->row);
        p->pack[x->pack].used = true;
        return true;
    }
    return false;
}

static char *name_for(const gp_packs *p, const gp_image_id *id, size_t n, bool stats)
{
    char hex[65];
    gp_sha256 c;
    gp_sha256_init(&c);
    gp_sha256_add(&c, stats ? "stats" : "plain", 5);
    gp_sha256_add(&c, id, n * sizeof *id);
    gp_sha256_hex(&c, hex);
    return gp_sprintf("%s/%.16s-%.16s" SUFFIX, p->folder, p->space.key, hex);
}

static gopro_status write_pack(const gp_packs *p, const char *path, const gp_image_id *id, size_t n, const float *feat, const float *mu,
                               const float *sigma, gopro_error *err)
{
    const gp_pack_space *s = &p->space;
    gp_st_writer *w = gp_st_writer_create();
    uint64_t *sum = malloc((n + 1) * sizeof *sum);
    gopro_status st;
    if (!w || !sum) {
        st = gp_fail_nomem(err, n * sizeof *sum, "a pack of features");
        goto out;
    }
    size_t stat = s->layers * s->width;
    for (size_t i = 0; i < n; i++)
        sum[i] = row_sum(s, id[i].byte, feat + i * s->embed, mu ? mu + i * stat : NULL, sigma ? sigma + i * stat : NULL);
    size_t ids[2] = {n, ID_WORDS}, sums[2] = {n, 2}, rows[2] = {n, s->embed}, stats[3] = {n, s->layers, s->width};
    gp_st_writer_meta(w, "format", FORMAT);
    gp_st_writer_meta(w, "key", s->key);
    gp_st_writer_add(w, "id", GP_DT_I32, ids, 2, id, false);
    gp_st_writer_add(w, "check", GP_DT_I32, sums, 2, sum, false);
    gp_st_writer_add(w, "feat", GP_DT_F32, rows, 2, feat, false);
    if (mu) gp_st_writer_add(w, "mu", GP_DT_F32, stats, 3, mu, false);
    if (mu) gp_st_writer_add(w, "sigma", GP_DT_F32, stats, 3, sigma, false);
    GP_CHECK(gp_mkdirs(p->folder, err));
    st = gp_st_writer_commit(w, path, err);
out:
    gp_st_writer_free(&w);
    free(sum);
    return st;
}

gopro_status gp_packs_add(gp_packs *p, gp_pack_row *row, const gp_image_id *id, size_t n, const float *feat, const float *mu,
                          const float *sigma, gopro_error *err)
{
    char *path = name_for(p, id, n, mu != NULL);
    pack *at = path ? next_pack(p) : NULL;
    gopro_status st;
    if (!at) {
        st = gp_fail_nomem(err, p->cap * sizeof *at, "the feature cache");
        goto out;
    }
    GP_CHECK(write_pack(p, path, id, n, feat, mu, sigma, err));
    bool whole = pack_open(at, path, &p->space);
    if (whole) p->n++;
    if (whole && at->n != n) whole = false; /* another's file under our name */
    for (size_t i = 0; whole && i < n; i++) whole = row_sound(at, &p->space, i);
    if (!whole) {
        st = gp_fail(err, GOPRO_E_IO, "'%s' does not hold what was written", path);
        goto out;
    }
    for (size_t i = 0; i < n; i++) row[i] = row_of(at, &p->space, i);
out:
    free(path);
    return st;
}

/* ---- the limit ---- */

typedef struct entry {
    char *path;
    size_t size;
    struct timespec used;
} entry;

static int older_first(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->used.tv_sec != y->used.tv_sec) return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    if (x->used.tv_nsec != y->used.tv_nsec) return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
    return strcmp(x->path, y->path);
}

static void remove_oldest(entry *e, size_t n, size_t total, size_t max_bytes)
{
    if (n) qsort(e, n, sizeof *e, older_first);
    for (size_t i = 0; i < n && total > max_bytes; i++)
        if (unlink(e[i].path) == 0 || !gp_path_exists(e[i].path)) total -= e[i].size;
}

void gp_packs_trim(gp_packs *p, size_t max_bytes)
{
    char **name = NULL;
    size_t n = 0, k = 0, total = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (p->pack[i].used) (void)utimensat(AT_FDCWD, p->pack[i].path, NULL, 0);
        p->pack[i].used = false;
    }
    if (!gp_path_is_dir(p->folder) || gp_list_dir(&name, &n, p->folder, NULL) != GOPRO_OK) return;
    entry *e = calloc(n + 1, sizeof *e);
    time_t now = time(NULL);
    for (size_t i = 0; e && i < n; i++) {
        const char *rest = pack_name(name[i]);
        char *path = rest ? gp_path_join(p->folder, name[i]) : NULL;
        struct stat s;
        if (!path || stat(path, &s) != 0 || !S_ISREG(s.st_mode)) {
            free(path);
        } else if (*rest) { /* .tmp.<process> of a writer: alive, or long gone */
            if (strncmp(rest, ".tmp.", 5) == 0 && now - s.st_mtim.tv_sec > STALE_SECONDS) (void)unlink(path);
            free(path);
        } else {
            e[k++] = (entry){path, (size_t)s.st_size, s.st_mtim};
            total += (size_t)s.st_size;
        }
    }
    if (e) remove_oldest(e, k, total, max_bytes);
    for (size_t i = 0; i < k; i++) free(e[i].path);
    free(e);
    gp_list_free(&name, n);
}
