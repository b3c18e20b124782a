/* test_cache.c - the feature cache: what is stored is what the tower says; torn, stale and foreign files are not believed.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/types.h>
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

static int setup(void **state)
{
    static world w;
    gopro_error err = {0};
    gp_clip_arch a = tiny_arch();
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
    w.q = (gp_features_request){.model = w.t.m, .root = w.dir, .item = w.item, .n = N, .cache_dir = w.cache};
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

static void same(const gp_features *a, const gp_features *b)
{
    assert_memory_equal(a->feat, b->feat, N * a->embed * sizeof(float));
    if (a->mu && b->mu) assert_memory_equal(a->mu, b->mu, N * a->layers * a->width * sizeof(float));
    if (a->sigma && b->sigma) assert_memory_equal(a->sigma, b->sigma, N * a->layers * a->width * sizeof(float));
}

static void equals_the_tower(void **state)
{
    world *w = *state;
    gp_clip_arch a = tiny_arch();
    float *px = calloc(N * 3 * a.image * a.image, sizeof *px), *feat = calloc(N * a.embed, sizeof *feat);
    gp_view_config vc = {.size = (uint32_t)a.image};
    memcpy(vc.mean, a.mean, sizeof vc.mean);
    memcpy(vc.std, a.std, sizeof vc.std);
    assert_int_equal(gp_test_pixels(px, w->dir, w->item, N, &vc, w->t.c->pool, NULL), GOPRO_OK);
    assert_int_equal(gp_vision_fwd(w->t.m, feat, NULL, NULL, px, N, NULL), GOPRO_OK);
    gp_features *f = get(&w->q);
    for (size_t i = 0; i < N * a.embed; i++) assert_true(feat[i] - f->feat[i] < 1e-5F && f->feat[i] - feat[i] < 1e-5F);
    assert_int_equal(cache_files(w), 1);
    gp_features_free(&f);
    free(px);
    free(feat);
}

/* A file without statistics is replaced when they are wanted, and then serves both. */
static void statistics_are_added(void **state)
{
    world *w = *state;
    gp_features_request q = w->q;
    gp_features *plain = get(&q);
    q.stats = true;
    gp_features *full = get(&q), *again = get(&q);
    assert_non_null(full->mu);
    same(full, again);
    assert_int_equal(cache_files(w), 1);
    gp_features_free(&plain);
    gp_features_free(&full);
    gp_features_free(&again);
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
    for (size_t i = 0; i < N * clip->embed; i++) assert_true(own->feat[i] == 2 * clip->feat[i]);
    same(own, again);
    gp_features_free(&own);
    gp_features_free(&clip);
    gp_features_free(&again);
}

static void the_file_is_used(void **state)
{
    world *w = *state;
    gp_features *f = get(&w->q);
    char *path = only_file(w);
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    gp_features *g = get(&w->q);
    assert_int_equal(stat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino); /* not written again */
    same(f, g);
    gp_features_free(&f);
    gp_features_free(&g);
    free(path);
}

static void torn_files_are_computed_again(void **state)
{
    world *w = *state;
    gp_features *f = get(&w->q);
    char *path = only_file(w), *bytes = NULL;
    size_t size = 0;
    assert_int_equal(gp_read_file(&bytes, &size, path, 1 << 24, NULL), GOPRO_OK);
    for (size_t cut = 0; cut < size; cut += size / 7 + 1) {
        assert_int_equal(gp_write_file(path, bytes, cut, NULL), GOPRO_OK);
        gp_features *g = get(&w->q);
        same(f, g);
        gp_features_free(&g);
    }
    /* whole, but of another key */
    char *key = NULL;
    for (size_t i = 0; i + 64 < size && !key; i++)
        if (memcmp(bytes + i, "\"key\":\"", 7) == 0) key = bytes + i + 7;
    assert_non_null(key);
    *key = *key == '0' ? '1' : '0';
    char *value = bytes + size - 4;
    value[0] = (char)(value[0] ^ 0x55);
    assert_int_equal(gp_write_file(path, bytes, size, NULL), GOPRO_OK);
    gp_features *g = get(&w->q);
    same(f, g);
    gp_features_free(&g);
    gp_features_free(&f);
    free(bytes);
    free(path);
}

static void changed_images_are_computed_again(void **state)
{
    world *w = *state;
    gp_clip_arch a = tiny_arch();
    gp_features *f = get(&w->q);
    paint(w, 2, 90); /* same size in pixels; another time of change */
    gp_features *g = get(&w->q);
    assert_memory_equal(f->feat, g->feat, 2 * a.embed * sizeof(float));
    assert_memory_not_equal(f->feat + 2 * a.embed, g->feat + 2 * a.embed, a.embed * sizeof(float));
    gp_features_free(&f);
    gp_features_free(&g);
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
    f = get(&q);
    assert_int_equal(f->n_bad, 1);
    assert_true(f->bad[3] == 1 && f->bad[2] == 0 && f->bad[4] == 0);
    gp_features_free(&f);
    assert_int_equal(cache_files(w), 0); /* nothing with a hole is kept */
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
                                       CASE(statistics_are_added),
                                       CASE(the_file_is_used),
                                       CASE(another_tower_is_not_kept),
                                       CASE(torn_files_are_computed_again),
                                       CASE(changed_images_are_computed_again),
                                       CASE(bad_images),
                                       CASE(no_folder_is_no_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
