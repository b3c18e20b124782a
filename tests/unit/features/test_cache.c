/* test_cache.c - the feature cache: what is stored is what the tower says, under the content of the images; torn and damaged files are not
 * believed, the limit is kept, and several processes may use a folder at once.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "data/loader.h"
#include "features/cache.h"
#include "scratch.h"
#include "tiny_model.h"

enum { N = 5 };

typedef struct world {
    tiny_model t;
    char dir[64], cache[80];
    char name[N][16];
    gp_item item[N];
    gp_features_request q;
} world;

static void paint(const world *w, size_t i, uint8_t value)
{
    gp_image im = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/%s", w->dir, w->name[i]);
    assert_int_equal(gp_image_alloc(&im, 16, 14, 3, NULL), GOPRO_OK);
    for (size_t p = 0; p < 16 * 14 * 3; p++) im.px[p] = (uint8_t)(value + p * (i + 3));
    assert_int_equal(gp_image_write_png(&im, path, NULL), GOPRO_OK);
    gp_image_free(&im);
}

/* Of a width like that of every CLIP: the numbers of a block do not depend on which of them are asked for (kernels/gemm.h). */
static gp_clip_arch arch_make(void)
{
    gp_clip_arch a = tiny_arch();
    a.v.width = 32;
    a.v.heads = 4;
    return a;
}

static int setup(void **state)
{
    static world w;
    gopro_error err = {0};
    gp_clip_arch a = arch_make();
    memset(&w, 0, sizeof w);
    scratch_make(w.dir);
    snprintf(w.cache, sizeof w.cache, "%s/cache", w.dir);
    tiny_make(&w.t, &a, 2, NULL, GP_F32, false, &err);
    if (!w.t.m) return -1;
    for (size_t i = 0; i < N; i++) {
        snprintf(w.name[i], sizeof w.name[i], "%zu.png", i);
        w.item[i] = (gp_item){.path = w.name[i], .label = (uint32_t)i};
        paint(&w, i, 10);
    }
    w.q = (gp_features_request){.model = w.t.m, .root = w.dir, .item = w.item, .n = N, .cache_dir = w.cache, .cache_bytes = 1 << 20};
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    scratch_remove(w->dir);
    tiny_free(&w->t);
    return 0;
}

static gp_features *get(const gp_features_request *q)
{
    gp_features *f = NULL;
    gopro_error err = {0};
    if (gp_features_get(&f, q, NULL, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    return f;
}

static size_t cache_files(const world *w)
{
    char **names = NULL;
    size_t n = 0;
    if (!gp_path_exists(w->cache)) return 0;
    assert_int_equal(gp_list_dir(&names, &n, w->cache, NULL), GOPRO_OK);
    gp_list_free(&names, n);
    return n;
}

static char *only_file(const world *w)
{
    char **names = NULL;
    size_t n = 0;
    assert_int_equal(gp_list_dir(&names, &n, w->cache, NULL), GOPRO_OK);
    assert_int_equal(n, 1);
    char *path = gp_path_join(w->cache, names[0]);
    gp_list_free(&names, n);
    return path;
}

/* rows a of one list, rows b of another */
static void same_row(const gp_features *f, size_t a, const gp_features *g, size_t b)
{
    size_t per = f->layers * f->width * sizeof(float);
    assert_memory_equal(f->feat[a], g->feat[b], f->embed * sizeof(float));
    if (f->mu && g->mu) assert_memory_equal(f->mu[a], g->mu[b], per);
    if (f->sigma && g->sigma) assert_memory_equal(f->sigma[a], g->sigma[b], per);
}

static void same(const gp_features *f, const gp_features *g)
{
    for (size_t i = 0; i < N; i++) same_row(f, i, g, i);
}

static void equals_the_tower(void **state)
{
    world *w = *state;
    gp_clip_arch a = arch_make();
    float *px = calloc(N * 3 * a.image * a.image, sizeof *px), *feat = calloc(N * a.embed, sizeof *feat);
    gp_view_config vc = {.size = (uint32_t)a.image};
    memcpy(vc.mean, a.mean, sizeof vc.mean);
    memcpy(vc.std, a.std, sizeof vc.std);
    assert_int_equal(gp_test_pixels(px, w->dir, w->item, N, &vc, w->t.c->pool, NULL), GOPRO_OK);
    assert_int_equal(gp_vision_fwd(w->t.m, feat, NULL, NULL, px, N, NULL), GOPRO_OK);
    gp_features *f = get(&w->q);
    for (size_t i = 0; i < N * a.embed; i++) {
        float d = feat[i] - f->feat[i / a.embed][i % a.embed];
        assert_true(d < 1e-5F && d > -1e-5F);
    }
    assert_int_equal(cache_files(w), 1);
    gp_features_free(&f);
    free(px);
    free(feat);
}

/* Features of images decoded smaller stand apart from those of whole ones. */
static void scaled_decode_is_part_of_the_key(void **state)
{
    world *w = *state;
    gp_features_request q = w->q;
    gp_features *whole = get(&q);
    q.scaled_decode = true;
    gp_features *part = get(&q), *again = get(&q);
    assert_int_equal(whole->n_computed, N);
    assert_int_equal(part->n_computed, N);
    assert_int_equal(again->n_computed, 0);
    same(part, again);
    same(part, whole); /* these are PNG files, which have no smaller form */
    gp_features_free(&whole);
    gp_features_free(&part);
    gp_features_free(&again);
}

/* Without statistics none are kept; asked for, they are computed once, and serve both. */
static void statistics_only_if_asked(void **state)
{
    world *w = *state;
    gp_features_request q = w->q;
    gp_features *plain = get(&q);
    assert_null(plain->mu);
    q.stats = true;
    gp_features *full = get(&q), *again = get(&q);
    assert_non_null(full->mu);
    assert_int_equal(full->n_computed, N);
    assert_int_equal(again->n_computed, 0);
    same(full, again);
    same(plain, full);
    q.stats = false;
    gp_features *less = get(&q);
    assert_int_equal(less->n_computed, 0);
    same(less, full);
    gp_features_free(&plain);
    gp_features_free(&full);
    gp_features_free(&again);
    gp_features_free(&less);
}

/* Twice the tower's features: what some other tower might say. */
static gopro_status other_tower(void *user, float *feat, const float *pixels, size_t n, gopro_error *err)
{
    const world *w = user;
    GP_TRY(gp_vision_fwd(w->t.m, feat, NULL, NULL, pixels, n, err));
    for (size_t i = 0; i < n * tiny_arch().embed; i++) feat[i] *= 2;
    return GOPRO_OK;
}

/* It neither takes what is on disk nor leaves anything there. */
static void another_tower_is_not_kept(void **state)
{
    world *w = *state;
    gp_features_request q = w->q;
    q.encode = other_tower;
    q.user = w;
    gp_features *own = get(&q);
    assert_int_equal(cache_files(w), 0);
    gp_features *clip = get(&w->q);
    assert_int_equal(cache_files(w), 1);
    gp_features *again = get(&q);
    for (size_t i = 0; i < N; i++)
        for (size_t c = 0; c < clip->embed; c++) assert_true(own->feat[i][c] == 2 * clip->feat[i][c]);
    same(own, again);
    gp_features_free(&own);
    gp_features_free(&clip);
    gp_features_free(&again);
}

static void one_pixel_changes_one_image(void **state)
{
    world *w = *state;
    gp_features *f = get(&w->q);
    assert_int_equal(f->n_computed, N);
    gp_image im = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/%s", w->dir, w->name[2]);
    assert_int_equal(gp_image_read(&im, path, NULL), GOPRO_OK);
    im.px[3 * (7 * 16 + 8)] ^= 0x80;
    assert_int_equal(gp_image_write_png(&im, path, NULL), GOPRO_OK);
    gp_image_free(&im);
    gp_features *g = get(&w->q);
    assert_int_equal(g->n_computed, 1);
    assert_memory_not_equal(f->feat[2], g->feat[2], f->embed * sizeof(float));
    for (size_t i = 0; i < N; i++)
        if (i != 2) same_row(f, i, g, i);
    gp_features_free(&f);
    gp_features_free(&g);
}

/* Other names, another order, a part of the list, an image twice: all known. */
static void names_do_not_matter(void **state)
{
    world *w = *state;
    gp_features_request q = w->q;
    gp_features *f = get(&q);
    char from[128], to[128];
    gp_item other[3] = {{.path = "renamed.png"}, {.path = w->name[1]}, {.path = "renamed.png"}};
    snprintf(from, sizeof from, "%s/%s", w->dir, w->name[4]);
    snprintf(to, sizeof to, "%s/renamed.png", w->dir);
    assert_int_equal(rename(from, to), 0);
    q.item = other;
    q.n = 3;
    gp_features *g = get(&q);
    assert_int_equal(g->n_computed, 0);
    same_row(f, 4, g, 0);
    same_row(f, 1, g, 1);
    same_row(f, 4, g, 2);
    gp_features_free(&g);
    q.cache_dir = NULL; /* and without a folder the same numbers */
    g = get(&q);
    assert_int_equal(g->n_computed, 3);
    same_row(f, 4, g, 2);
    gp_features_free(&f);
    gp_features_free(&g);
}

/* What was computed in other company is the same to the last bit. */
static void company_does_not_matter(void **state)
{
    world *w = *state;
    gp_features_request q = w->q;
    q.stats = true;
    q.cache_dir = NULL;
    gp_features *f = get(&q);
    q.cache_dir = w->cache;
    q.n = 2;
    gp_features *g = get(&q);
    assert_int_equal(g->n_computed, 2);
    gp_features_free(&g);
    q.n = N;
    g = get(&q);
    assert_int_equal(g->n_computed, N - 2);
    same(f, g);
    gp_features_free(&f);
    gp_features_free(&g);
}

static void precision_and_weights_are_part_of_the_key(void **state)
{
    world *w = *state;
    gp_features_request q = w->q;
    gp_features *f = get(&q);
    gp_features_free(&f);
    q.precision = GP_BF16; /* the tower is the same: only the key is looked at */
    f = get(&q);
    assert_int_equal(f->n_computed, N);
    gp_features_free(&f);
    tiny_model other;
    gp_clip_arch a = arch_make();
    tiny_make(&other, &a, 2, NULL, GP_F32, false, NULL);
    assert_non_null(other.m);
    snprintf(other.w->hash, sizeof other.w->hash, "another");
    q = w->q;
    q.model = other.m;
    f = get(&q);
    assert_int_equal(f->n_computed, N);
    gp_features_free(&f);
    tiny_free(&other);
    f = get(&w->q);
    assert_int_equal(f->n_computed, 0);
    gp_features_free(&f);
}

static void torn_files_are_computed_again(void **state)
{
    world *w = *state;
    gp_features_request q = w->q;
    q.stats = true;
    gp_features *f = get(&q);
    char *path = only_file(w), *bytes = NULL;
    size_t size = 0;
    assert_int_equal(gp_read_file(&bytes, &size, path, 1 << 24, NULL), GOPRO_OK);
    for (size_t cut = 0; cut < size; cut += size / 7 + 1) {
        assert_int_equal(gp_write_file(path, bytes, cut, NULL), GOPRO_OK);
        gp_features *g = get(&q);
        assert_int_equal(g->n_computed, N);
        same(f, g);
        gp_features_free(&g);
    }
    /* One bit anywhere: whatever it hits, no wrong number comes out; in the data it costs one image. */
    for (size_t at = 8; at < size; at += at < 1024 ? 13 : 997) {
        bytes[at] = (char)(bytes[at] ^ 4);
        assert_int_equal(gp_write_file(path, bytes, size, NULL), GOPRO_OK);
        bytes[at] = (char)(bytes[at] ^ 4);
        gp_features *g = get(&q);
        if (at >= 1024) assert_int_equal(g->n_computed, 1);
        same(f, g);
        gp_features_free(&g);
        scratch_remove(w->cache);
        assert_int_equal(gp_mkdirs(w->cache, NULL), GOPRO_OK);
    }
    gp_features_free(&f);
    free(bytes);
    free(path);
}

static size_t cache_bytes(const world *w)
{
    char **names = NULL;
    size_t n = 0, total = 0;
    assert_int_equal(gp_list_dir(&names, &n, w->cache, NULL), GOPRO_OK);
    for (size_t i = 0; i < n; i++) {
        char *path = gp_path_join(w->cache, names[i]);
        struct stat s;
        assert_int_equal(stat(path, &s), 0);
        total += (size_t)s.st_size;
        free(path);
    }
    gp_list_free(&names, n);
    return total;
}

/* Packs of one image each, of known ages: those unused longest go, what is found becomes young, and other files are left alone. */
static void the_limit_is_kept(void **state)
{
    world *w = *state;
    gp_features_request q = w->q;
    size_t pack[N];
    char *path[N];
    for (size_t i = 0; i < N; i++) {
        size_t before = i ? cache_bytes(w) : 0;
        q.item = w->item + i;
        q.n = 1;
        gp_features *f = get(&q);
        gp_features_free(&f);
        pack[i] = cache_bytes(w) - before;
        char **names = NULL;
        size_t n = 0;
        path[i] = NULL;
        assert_int_equal(gp_list_dir(&names, &n, w->cache, NULL), GOPRO_OK);
        assert_int_equal(n, i + 1);
        for (size_t k = 0; k < n; k++) { /* the new one is the one without an age */
            char *p = gp_path_join(w->cache, names[k]);
            struct stat s;
            assert_int_equal(stat(p, &s), 0);
            if (s.st_mtim.tv_sec > 1000000) {
                struct timespec t[2] = {{.tv_sec = 1000 + (time_t)i}, {.tv_sec = 1000 + (time_t)i}};
                assert_int_equal(utimensat(AT_FDCWD, p, t, 0), 0);
                path[i] = p;
            } else {
                free(p);
            }
        }
        gp_list_free(&names, n);
        assert_non_null(path[i]);
    }
    char mine[128], stale[512];
    snprintf(mine, sizeof mine, "%s/model.safetensors", w->cache);
    snprintf(stale, sizeof stale, "%s.tmp.1", path[0]);
    assert_int_equal(gp_write_file(mine, "mine", 4, NULL), GOPRO_OK);
    assert_int_equal(gp_write_file(stale, "torn", 4, NULL), GOPRO_OK);
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, stale, old, 0), 0);
    q.item = w->item; /* the oldest is used, so the next two go */
    q.cache_bytes = pack[0] + pack[3] + pack[4];
    gp_features *f = get(&q);
    assert_int_equal(f->n_computed, 0);
    gp_features_free(&f);
    const bool there[N] = {true, false, false, true, true};
    for (size_t i = 0; i < N; i++) {
        assert_true(gp_path_exists(path[i]) == there[i]);
        free(path[i]);
    }
    assert_true(gp_path_exists(mine));
    assert_false(gp_path_exists(stale));
    q.cache_bytes = 0; /* nothing may be kept, and everything is still found out */
    q.item = w->item;
    q.n = N;
    f = get(&q);
    gp_features_free(&f);
    assert_int_equal(cache_bytes(w), 4);
}

/* A limit below what one call computes: the folder never holds more, and the numbers are right. */
static void a_small_limit(void **state)
{
    world *w = *state;
    gp_features_request q = w->q;
    q.cache_dir = NULL;
    gp_features *f = get(&q);
    q.cache_dir = w->cache;
    q.cache_bytes = 2500;
    gp_features *g = get(&q);
    same(f, g);
    assert_true(cache_bytes(w) > 0 && cache_bytes(w) <= 2500);
    gp_features_free(&f);
    gp_features_free(&g);
}

/* Processes that fill, damage and shrink one folder at the same time all get the right numbers. */
static void several_processes(void **state)
{
    world *w = *state;
    gp_features_request q = w->q;
    q.stats = true;
    q.cache_dir = NULL;
    gp_features *f = get(&q);
    enum { CHILDREN = 4 };
    pid_t child[CHILDREN];
    for (int c = 0; c < CHILDREN; c++) {
        fflush(NULL);
        child[c] = fork();
        assert_true(child[c] >= 0);
        if (child[c] > 0) continue;
        tiny_model t; /* threads do not survive a fork */
        gp_clip_arch a = arch_make();
        tiny_make(&t, &a, 2, NULL, GP_F32, false, NULL);
        int bad = t.m ? 0 : 1;
        q.model = t.m;
        q.cache_dir = w->cache;
        for (int round = 0; !bad && round < 12; round++) {
            gp_features *g = NULL;
            size_t first = (size_t)(round + c) % N;
            q.stats = round % 3 != 0;
            q.item = w->item + first;
            q.n = N - first;
            q.cache_bytes = round % 4 == 3 ? 20000 : 1 << 20;
            bad = gp_features_get(&g, &q, NULL, NULL) != GOPRO_OK;
            for (size_t i = 0; !bad && i < q.n; i++) bad = memcmp(g->feat[i], f->feat[first + i], f->embed * sizeof(float)) != 0;
            for (size_t i = 0; !bad && q.stats && i < q.n; i++)
                bad = memcmp(g->mu[i], f->mu[first + i], f->layers * f->width * sizeof(float)) != 0;
            gp_features_free(&g);
        }
        _exit(bad);
    }
    for (int c = 0; c < CHILDREN; c++) {
        int status = 1;
        assert_int_equal(waitpid(child[c], &status, 0), child[c]);
        assert_int_equal(status, 0);
    }
    char **names = NULL;
    size_t n = 0;
    assert_int_equal(gp_list_dir(&names, &n, w->cache, NULL), GOPRO_OK);
    for (size_t i = 0; i < n; i++) assert_null(strstr(names[i], ".tmp.")); /* nor a lock */
    gp_list_free(&names, n);
    gp_features_free(&f);
}

static void bad_images(void **state)
{
    world *w = *state;
    char path[128];
    gopro_error err = {0};
    gp_features *f = NULL;
    gp_features_request q = w->q;
    snprintf(path, sizeof path, "%s/%s", w->dir, w->name[3]);
    assert_int_equal(gp_write_file(path, "text", 4, NULL), GOPRO_OK);
    assert_int_equal(gp_features_get(&f, &q, NULL, &err), GOPRO_E_DATA);
    assert_null(f);
    assert_non_null(strstr(err.msg, "3.png"));
    q.skip_bad = true;
    for (size_t round = 0; round < 2; round++) { /* the others are kept, the hole is looked at again */
        f = get(&q);
        assert_int_equal(f->n_computed, round ? 1 : N);
        assert_int_equal(f->n_bad, 1);
        assert_true(f->bad[3] == 1 && f->bad[2] == 0 && f->bad[4] == 0);
        assert_true(!f->feat[3] && f->feat[4]);
        gp_features_free(&f);
    }
    assert_int_equal(remove(path), 0);
    f = get(&q);
    assert_int_equal(f->n_bad, 1);
    gp_features_free(&f);
}

static void no_folder_is_no_error(void **state)
{
    world *w = *state;
    gp_features_request q = w->q;
    char path[128];
    snprintf(path, sizeof path, "%s/%s/cache", w->dir, w->name[0]); /* below a file */
    q.cache_dir = path;
    gp_features *f = get(&q);
    gp_features_free(&f);
    q.cache_dir = NULL;
    f = get(&q);
    gp_features_free(&f);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {CASE(equals_the_tower),
                                       CASE(scaled_decode_is_part_of_the_key),
                                       CASE(statistics_only_if_asked),
                                       CASE(another_tower_is_not_kept),
                                       CASE(one_pixel_changes_one_image),
                                       CASE(names_do_not_matter),
                                       CASE(company_does_not_matter),
                                       CASE(precision_and_weights_are_part_of_the_key),
                                       CASE(torn_files_are_computed_again),
                                       CASE(the_limit_is_kept),
                                       CASE(a_small_limit),
                                       CASE(several_processes),
                                       CASE(bad_images),
                                       CASE(no_folder_is_no_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
